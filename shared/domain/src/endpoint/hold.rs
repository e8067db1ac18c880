//! Holding: the deliveries to an endpoint wait on record, and go out later.
//!
//! A delivery is *held* when its endpoint gets no attempts for now: it stands in its event's record, without a message
//! and without a retry of its own. An endpoint's hold says since when, and what comes next:
//!
//! | from | by | to |
//! |---|---|---|
//! | no hold | its owner pauses it | `paused` |
//! | `paused` | its owner resumes it | `draining`, by a recovery that sends what is held, oldest first |
//! | `draining` | its owner pauses it again | `paused`, since the same time |
//! | `draining` | the recovery has sent everything | no hold |
//! | `draining`, and its recovery has stopped | its owner resumes it again | `draining`, by another recovery |
//! | any | it is disabled | no hold; a recovery cancels what is held |
//!
//! **Nothing is held for good.** The recovery is on record and has its first message before the endpoint is `draining`,
//! so whatever ends a request in between, either the endpoint is still `paused`, or the recovery is on its way. A recovery
//! that finds the endpoint still `paused` waits for a while. It ends with a second search that begins [`LAST_LOOK`] after
//! the hold ended, so it finds what an invocation wrote that still knew the endpoint as paused.

use std::time::Duration;

use strum::{Display, EnumString, IntoStaticStr, VariantArray};

use crate::endpoint::{Endpoint, EndpointStatus};
use crate::id::RecoveryId;
use crate::invalid::Invalid;
use crate::time::Timestamp;

/// How long after the end of a hold deliveries may still be held: longer than any invocation, by which a record is
/// written, and than its clock may be wrong.
pub const LAST_LOOK: Duration = Duration::from_mins(2);

/// An endpoint whose deliveries are held, or were held and are being sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hold {
    /// Since when. Events accepted before this time, if they are held, are in the index of failures; later ones are found
    /// in the log.
    pub since: Timestamp,
    /// The recovery that sends what is held; `None` while the endpoint is paused.
    pub drain: Option<RecoveryId>,
}

/// What happens to the deliveries that are held.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Display, EnumString, IntoStaticStr, VariantArray)]
#[strum(serialize_all = "snake_case", parse_err_ty = Invalid, parse_err_fn = Invalid::none_of::<HoldState>)]
pub enum HoldState {
    /// They wait until the owner resumes the endpoint.
    Paused,
    /// A recovery sends them, oldest first. New events are sent at once.
    Draining,
}

impl Hold {
    /// Returns what happens to the deliveries that are held.
    pub fn state(self) -> HoldState {
        if self.drain.is_some() { HoldState::Draining } else { HoldState::Paused }
    }
}

impl Endpoint {
    /// Returns since when new deliveries to the endpoint are held; `None` if they are sent.
    pub fn held_since(&self) -> Option<Timestamp> {
        self.hold.filter(|_| self.status == EndpointStatus::Paused).map(|hold| hold.since)
    }

    /// Returns the endpoint with another status, and a hold that agrees with it. `drain` is the recovery that takes care
    /// of what is held, if the status ends a pause.
    #[must_use]
    pub fn with_status(mut self, status: EndpointStatus, drain: Option<RecoveryId>, now: Timestamp) -> Self {
        self.hold = match (status, self.hold) {
            (EndpointStatus::Paused, Some(hold)) => Some(Hold { drain: None, ..hold }),
            (EndpointStatus::Paused, None) => Some(Hold { since: now, drain: None }),
            (EndpointStatus::Enabled, Some(hold)) if drain.is_some() => Some(Hold { drain, ..hold }),
            (EndpointStatus::Enabled, hold) => hold.filter(|_| self.status != EndpointStatus::Paused),
            (EndpointStatus::Disabled, _) => None,
        };
        self.status = status;
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::account::{Mode, Tenant};
    use crate::endpoint::NewEndpoint;
    use crate::json::Fields;
    use crate::testing::Same;
    use EndpointStatus::{Disabled, Enabled, Paused};

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_millis(1_000 * seconds)
    }

    fn endpoint() -> Endpoint {
        let json = r#"{"url": "https://a.example", "enabled_events": ["*"]}"#;
        let tenant = Tenant { account: "acct_1".parse().unwrap(), mode: Mode::Live };
        let new = NewEndpoint::read(&mut Fields::parse(json).unwrap()).unwrap();
        new.register(&tenant, at(0), &Same::byte(0))
    }

    #[test]
    fn a_hold_begins_with_a_pause_and_ends_when_what_is_held_is_sent_or_the_endpoint_is_disabled() {
        let recovery = RecoveryId::new(at(9), &Same::byte(7));
        let paused = endpoint().with_status(Paused, None, at(5));
        assert_eq!((paused.held_since(), paused.hold.unwrap().state()), (Some(at(5)), HoldState::Paused));
        let draining = paused.clone().with_status(Enabled, Some(recovery), at(9));
        assert_eq!((draining.held_since(), draining.hold.unwrap().state()), (None, HoldState::Draining));
        let again = draining.clone().with_status(Paused, None, at(10));
        assert_eq!(again.held_since(), Some(at(5)), "some is still held since then");
        for endpoint in [paused, draining, again] {
            assert_eq!(endpoint.with_status(Disabled, None, at(11)).hold, None);
        }
    }
}
