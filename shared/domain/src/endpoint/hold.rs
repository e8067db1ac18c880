//! Holding: the deliveries to an endpoint wait on record, and go out later.
//!
//! A delivery is *held* when its endpoint gets no attempts for now: it stands in its event's record, without a message
//! and without a retry of its own. An endpoint's hold says since when, and in which phase it is:
//!
//! | from | by | to |
//! |---|---|---|
//! | no hold, `draining` | it has failed [often and long enough](Failure::shows_that_it_is_down) | `held`, with a probe half a minute later |
//! | `held`, `probing` | a probe fails, or there is nothing to send | `probing`, with the next probe after twice the wait, five minutes at most |
//! | `held`, `probing` | a probe succeeds, or there has been nothing to send for a while, or its owner resumes it | `draining`, by a recovery that sends what is held, oldest first |
//! | no hold, `held`, `probing`, `draining` | its owner pauses it | `paused`, since the same time |
//! | `paused` | its owner resumes it | `draining` |
//! | `draining` | the recovery has sent everything | no hold |
//! | `draining`, and its recovery has stopped | its owner resumes it again | `draining`, by another recovery |
//! | any | it is disabled, or resumed with `skip` | no hold; a recovery cancels what is held |
//!
//! **Nothing is held for good.** Whatever takes care of a hold is on its way before the hold is written: the message of the
//! first probe before `held`, the next probe's before `probing` is acknowledged, a recovery and its first message before
//! `draining` or the end of a hold. So whatever ends a process between two steps, the endpoint is either as it was, or
//! somebody is about to go on. A probe or a recovery that arrives before its hold is written comes again. A probe that is
//! on record makes its duplicates do nothing. A recovery ends with a second search that begins [`LAST_LOOK`] after the
//! hold ended, so it finds what an invocation wrote that still knew the endpoint as held.

use std::time::Duration;

use strum::{Display, EnumString, IntoStaticStr, VariantArray};

use crate::delivery::{Attempt, AttemptError};
use crate::endpoint::{Endpoint, EndpointStatus};
use crate::id::{EventId, RecoveryId};
use crate::invalid::Invalid;
use crate::time::Timestamp;

/// The number of failures in a row, with nothing else in between, after which an endpoint is held. A failure by
/// timeout counts [as several](Attempt::weight), because it takes a place for so long.
const FAILURES_IN_A_ROW: u32 = 20;
/// How long these failures have to have lasted.
const LONG_ENOUGH: Duration = Duration::from_mins(1);
/// The number of failures in a row that need to have lasted for ten seconds only. At a hundred events a second, a minute
/// would cost thousands of requests; and a probe comes sooner than their second retry.
const MANY_FAILURES: u32 = 200;
/// How long these have to have lasted.
const LONG_ENOUGH_IF_MANY: Duration = Duration::from_secs(10);
/// How long failures have to have lasted if the endpoint refuses the events: it works, and may take other events.
const LONG_ENOUGH_TO_REFUSE: Duration = Duration::from_hours(1);
/// The wait before the first probe. Each further wait is twice as long.
const FIRST_WAIT: Duration = Duration::from_secs(30);
/// The longest wait before a probe.
const LONGEST_WAIT: Duration = Duration::from_mins(5);
/// The number of probes after which the wait is at its longest.
const PROBES_TO_LONGEST_WAIT: u32 = 4;
/// How long after the end of a hold deliveries may still be held: longer than any invocation, by which a record is
/// written, and than its clock may be wrong.
pub const LAST_LOOK: Duration = Duration::from_mins(2);

/// An endpoint whose deliveries are held, or were held and are being sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hold {
    /// Since when. Events accepted before this time, if they are held, are in the index of failures; later ones are found
    /// in the log.
    pub since: Timestamp,
    /// What happens to the deliveries that are held.
    pub phase: HoldPhase,
}

/// What happens to the deliveries that are held.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HoldPhase {
    /// They wait until the owner resumes the endpoint.
    Paused,
    /// They wait until a probe succeeds: the endpoint is down.
    Held(Probes),
    /// This recovery sends them.
    Draining(RecoveryId),
}

/// The probes of an endpoint that is down: one held delivery is attempted at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Probes {
    /// How many were made.
    pub made: u32,
    /// When the next one is due.
    pub due: Timestamp,
    /// The last event that was tried as the oldest: the next probe of this kind takes one after it.
    pub tried: Option<EventId>,
    /// The last failure.
    pub failure: Failure,
}

/// Why an attempt failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Failure {
    /// The answer's status code, if there was an answer.
    pub code: Option<u16>,
    /// What went wrong, apart from the status code.
    pub error: Option<AttemptError>,
}

/// The phase of a hold, in one word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Display, EnumString, IntoStaticStr, VariantArray)]
#[strum(serialize_all = "snake_case", parse_err_ty = Invalid, parse_err_fn = Invalid::none_of::<HoldState>)]
pub enum HoldState {
    /// Deliveries wait until the owner resumes the endpoint.
    Paused,
    /// The endpoint is down. Deliveries wait for the first probe.
    Held,
    /// The endpoint is down, and no probe has succeeded yet.
    Probing,
    /// A recovery sends what is held, oldest first. New events are sent at once.
    Draining,
}

/// Which of the held deliveries a probe takes. They alternate, so that neither an event that the endpoint refuses nor a
/// long backlog keeps it held.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProbeOrder {
    /// The oldest one, or the oldest after the last that was tried.
    Oldest,
    /// The newest one.
    Newest,
}

impl Hold {
    /// Returns the phase in one word.
    pub fn state(self) -> HoldState {
        match self.phase {
            HoldPhase::Paused => HoldState::Paused,
            HoldPhase::Held(Probes { made: 0, .. }) => HoldState::Held,
            HoldPhase::Held(_) => HoldState::Probing,
            HoldPhase::Draining(_) => HoldState::Draining,
        }
    }

    /// Returns whether new deliveries are held.
    pub fn is_closed(self) -> bool {
        self.drain().is_none()
    }

    /// Returns the recovery that sends what is held; `None` if nobody sends it for now.
    pub fn drain(self) -> Option<RecoveryId> {
        if let HoldPhase::Draining(recovery) = self.phase { Some(recovery) } else { None }
    }

    /// Returns the probes that are made, if the endpoint is down.
    pub fn probes(self) -> Option<Probes> {
        if let HoldPhase::Held(probes) = self.phase { Some(probes) } else { None }
    }

    /// Returns the hold in another phase.
    #[must_use]
    pub fn with(self, phase: HoldPhase) -> Self {
        Self { phase, ..self }
    }

    /// Returns the hold of an endpoint that has failed often and long enough at `now`. What is held since an earlier hold
    /// is part of it. `None` if its deliveries are held already.
    pub fn of_down(before: Option<Self>, failure: Failure, now: Timestamp) -> Option<Self> {
        let due = now.plus(Probes::wait(0));
        let phase = HoldPhase::Held(Probes { made: 0, due, tried: None, failure });
        match before {
            Some(hold) if hold.is_closed() => None,
            Some(hold) => Some(hold.with(phase)),
            None => Some(Self { since: now, phase }),
        }
    }
}

impl Probes {
    /// Returns the wait before the next probe after this many.
    pub fn wait(made: u32) -> Duration {
        FIRST_WAIT.saturating_mul(1 << made.min(PROBES_TO_LONGEST_WAIT)).min(LONGEST_WAIT)
    }

    /// Returns which delivery the next probe takes.
    pub fn order(self) -> ProbeOrder {
        if self.made.is_multiple_of(2) { ProbeOrder::Oldest } else { ProbeOrder::Newest }
    }

    /// Returns the probes after one more at `now`, as long as none succeeds.
    #[must_use]
    pub fn after_one_more(self, tried: Option<EventId>, now: Timestamp) -> Self {
        let made = self.made.saturating_add(1);
        Self { made, due: now.plus(Self::wait(made)), tried, ..self }
    }

    /// Returns the probes after one at `now` for which nothing was held. `None` if that has been so for a while: then the
    /// hold ends, because the next event tells as much as a probe.
    pub fn after_nothing_to_send(self, now: Timestamp) -> Option<Self> {
        (self.made < PROBES_TO_LONGEST_WAIT).then(|| self.after_one_more(None, now))
    }
}

impl Failure {
    /// Returns whether an endpoint is down after failures in a row of this [weight](Attempt::weight), the last of them this
    /// one: 20 over a minute or longer, or 200 over ten seconds. If it refuses events, they have to have lasted an hour.
    pub fn shows_that_it_is_down(self, weight: u32, since: Timestamp, now: Timestamp) -> bool {
        // Not the codes of a server that is overloaded, or has not understood the request for a reason of its own.
        let refuses =
            self.code.is_some_and(|code| (400..500).contains(&code) && !matches!(code, 408 | 425 | 429));
        let long_enough = match weight {
            ..FAILURES_IN_A_ROW => return false,
            _ if refuses => LONG_ENOUGH_TO_REFUSE,
            FAILURES_IN_A_ROW..MANY_FAILURES => LONG_ENOUGH,
            MANY_FAILURES.. => LONG_ENOUGH_IF_MANY,
        };
        now.since(since) >= long_enough
    }
}

impl From<&Attempt> for Failure {
    fn from(attempt: &Attempt) -> Self {
        Self { code: attempt.code, error: attempt.error }
    }
}

impl Endpoint {
    /// Returns since when new deliveries to the endpoint are held; `None` if they are sent.
    pub fn held_since(&self) -> Option<Timestamp> {
        let is_disabled = self.status == EndpointStatus::Disabled;
        self.hold.filter(|hold| hold.is_closed() && !is_disabled).map(|hold| hold.since)
    }

    /// Returns the endpoint with another status, and a hold that agrees with it. `drain` is the recovery that takes care
    /// of what is held, if the hold ends.
    #[must_use]
    pub fn with_status(mut self, status: EndpointStatus, drain: Option<RecoveryId>, now: Timestamp) -> Self {
        if status != self.status {
            self.former_states.add(self.state_until(now));
        }
        let paused = Hold { since: now, phase: HoldPhase::Paused };
        self.hold = match (status, self.hold) {
            (EndpointStatus::Paused, hold) => Some(hold.map_or(paused, |hold| hold.with(HoldPhase::Paused))),
            (EndpointStatus::Enabled, Some(hold)) => match drain {
                Some(recovery) => Some(hold.with(HoldPhase::Draining(recovery))),
                None => Some(hold).filter(|_| self.status != EndpointStatus::Paused),
            },
            (EndpointStatus::Enabled, None) | (EndpointStatus::Disabled, _) => None,
        };
        self.status = status;
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Same, registered};
    use EndpointStatus::{Disabled, Enabled, Paused};
    use ProbeOrder::{Newest, Oldest};

    const DOWN: Failure = Failure { code: Some(503), error: None };

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_millis(1_000 * seconds)
    }

    fn endpoint() -> Endpoint {
        registered(r#"{"url": "https://a.example", "enabled_events": ["*"]}"#, at(0))
    }

    fn down(before: Option<Hold>, seconds: i64) -> Endpoint {
        Endpoint { hold: Hold::of_down(before, DOWN, at(seconds)), ..endpoint() }
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

    #[test]
    fn an_endpoint_that_is_down_is_held_once_and_its_owner_may_pause_resume_or_disable_it() {
        let recovery = RecoveryId::new(at(9), &Same::byte(7));
        let held = down(None, 5);
        assert_eq!((held.held_since(), held.hold.unwrap().state()), (Some(at(5)), HoldState::Held));
        assert_eq!(Hold::of_down(held.hold, DOWN, at(6)), None);
        let paused = held.clone().with_status(Paused, None, at(7));
        assert_eq!((paused.held_since(), paused.hold.unwrap().state()), (Some(at(5)), HoldState::Paused));
        assert_eq!(Hold::of_down(paused.hold, DOWN, at(8)), None);
        assert_eq!(held.clone().with_status(Enabled, None, at(7)).hold, held.hold);
        let draining = held.clone().with_status(Enabled, Some(recovery), at(9));
        assert_eq!((draining.held_since(), draining.hold.unwrap().state()), (None, HoldState::Draining));
        assert_eq!(down(draining.hold, 20).held_since(), Some(at(5)), "some is still held since then");
        assert_eq!(held.with_status(Disabled, None, at(11)).hold, None);
    }

    #[test]
    fn probes_come_after_half_a_minute_to_five_minutes_and_take_the_oldest_and_the_newest_by_turns() {
        let mut probes = down(None, 0).hold.unwrap().probes().unwrap();
        let mut made = Vec::new();
        for _ in 0..7 {
            made.push((probes.due.as_millis() / 1_000, probes.order()));
            probes = probes.after_one_more(None, probes.due);
        }
        let expected =
            [(30, Oldest), (90, Newest), (210, Oldest), (450, Newest), (750, Oldest), (1_050, Newest)];
        assert_eq!(made[..6], expected);
        assert_eq!(made[6], (1_350, Oldest));
    }

    #[test]
    fn a_hold_ends_when_there_has_been_nothing_to_send_for_a_while() {
        let mut probes = down(None, 0).hold.unwrap().probes().unwrap();
        let mut waited = 0;
        while let Some(next) = probes.after_nothing_to_send(probes.due) {
            (waited, probes) = (waited + 1, next);
        }
        assert_eq!((waited, probes.due), (4, at(750)));
    }

    #[test]
    fn twenty_failures_have_to_last_a_minute_200_ten_seconds_and_refusals_an_hour() {
        let is_down = |code: Option<u16>, weight, seconds| {
            Failure { code, error: None }.shows_that_it_is_down(weight, at(0), at(seconds))
        };
        for code in [None, Some(301), Some(408), Some(425), Some(429), Some(500), Some(503)] {
            assert!(!is_down(code, 20, 59) && is_down(code, 20, 60), "{code:?}");
            assert!(!is_down(code, 199, 59) && !is_down(code, 200, 9) && is_down(code, 200, 10), "{code:?}");
            assert!(!is_down(code, 19, 10_000), "{code:?}");
        }
        for code in [400, 401, 404, 422] {
            let is_down = |weight, seconds| is_down(Some(code), weight, seconds);
            assert!(!is_down(2_000, 3_599) && is_down(20, 3_600) && !is_down(19, 3_600), "{code}");
        }
    }
}
