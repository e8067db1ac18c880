//! Recoveries: they resend what an endpoint has not acknowledged.
//!
//! Their queue messages are in [`crate::delivery`].

use std::time::Duration;

use serde::{Deserialize, Serialize};
use strum::{EnumString, IntoStaticStr};

use crate::account::Mode;
use crate::delivery::{Delivery, DeliveryStatus};
use crate::endpoint::{Endpoint, EndpointStatus, Hold, LAST_LOOK};
use crate::event::{EventSpan, EventType};
use crate::id::{EndpointId, EventId, RecoveryId};
use crate::invalid::Invalid;
use crate::json::{Fields, Flag, InvalidField};
use crate::time::Timestamp;

/// How much later than the end of a hold, by our clock, an event may seem to be accepted that was held.
const CLOCKS_DIFFER: Duration = Duration::from_secs(5);
/// The time between two looks after the first two.
const NEXT_LOOK: Duration = Duration::from_mins(15);
/// The most looks: after five hours, longer than any first attempt is put off.
const MAX_LOOKS: u32 = 20;
/// How long after it is due a delivery without attempts counts as on its way, not as lost.
const ON_ITS_WAY: Duration = Duration::from_mins(15);

/// A request for a recovery.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecoveryRequest {
    /// Events accepted at this time or later.
    pub since: Timestamp,
    /// Events accepted before this time.
    pub until: Timestamp,
    /// Which of these events.
    pub scope: RecoveryScope,
    /// Whether to count them only.
    pub dry_run: bool,
}

/// Which events are recovered.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, IntoStaticStr, EnumString)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case", parse_err_ty = Invalid, parse_err_fn = not_requestable)]
pub enum RecoveryScope {
    /// Events that were sent to the endpoint and not acknowledged.
    #[default]
    Failed,
    /// Events of its types that were not sent to it, because it did not exist or was disabled.
    Missing,
    /// Both, and events that were lost on their way.
    All,
    /// Deliveries that are held. Such a recovery begins when the hold ends; a request can only count them.
    Held,
    /// The same deliveries, which are canceled: the endpoint was disabled or deleted, or resumed without them.
    Skipped,
}

/// A recovery and its progress.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recovery {
    /// The recovery's id.
    pub id: RecoveryId,
    /// Live or test events.
    pub mode: Mode,
    /// The endpoint that the events are resent to.
    pub endpoint_id: EndpointId,
    /// Which of these events.
    pub scope: RecoveryScope,
    /// Events accepted at this time or later.
    pub since: Timestamp,
    /// Events accepted before this time.
    pub until: Timestamp,
    /// The recovery's status.
    pub status: RecoveryStatus,
    /// The number of events examined so far.
    pub events_examined: u64,
    /// The number of deliveries that it has resent so far.
    pub deliveries_recovered: u64,
    /// When the last examined event was accepted.
    pub reached: Option<Timestamp>,
    /// When it was requested.
    pub created_at: Timestamp,
    /// When its progress was last written.
    pub updated_at: Timestamp,
    /// The last examined event.
    pub position: Option<EventId>,
    /// The number of slices done.
    pub slices: u32,
    /// The number of the last slices in a row that made no progress.
    pub stalled: u32,
    /// How often it has examined all events. It examines them again for what was held by late invocations, and for
    /// deliveries whose message was lost with a process.
    pub looks: u32,
    /// Whether it has found such a delivery in this look. Then it looks once more.
    pub is_restless: bool,
}

/// The status of a recovery.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RecoveryStatus {
    /// It is in progress.
    Running,
    /// It has examined all events.
    Completed,
    /// The endpoint was disabled or deleted meanwhile, or the recovery [has reached its limit](Recovery::is_spent).
    /// Start another one from `reached` for the rest.
    Stopped,
}

/// What a recovery does next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Course {
    /// It goes on.
    On,
    /// It cancels what is held, because the endpoint no longer gets it.
    Skip,
    /// It is too early: the process that began it has not written the end of the hold yet.
    Wait,
    /// It stops.
    Stop,
}

/// Returns the error for a scope that cannot be requested.
fn not_requestable(scope: &str) -> Invalid {
    Invalid::because(format!("must be \"failed\", \"missing\" or \"all\", not {scope:?}"))
}

impl RecoveryRequest {
    /// Reads a request's fields: `since` is required, `until` is `now` by default.
    pub fn read(fields: &mut Fields<'_>, now: Timestamp) -> Result<Self, InvalidField> {
        let since = fields.required("since")?;
        let until = fields.optional("until")?.unwrap_or(now);
        let scope: RecoveryScope = fields.optional("scope")?.unwrap_or_default();
        let Flag(dry_run) = fields.optional("dry_run")?.unwrap_or_default();
        let refused = match scope {
            RecoveryScope::Skipped => Some(not_requestable(scope.into())),
            RecoveryScope::Held if !dry_run => {
                let reason =
                    "can be \"held\" only with \"dry_run\": true. What is held is sent when the hold ends";
                Some(Invalid::because(reason))
            }
            _ => None,
        };
        if let Some(reason) = refused {
            return Err(InvalidField::Field { param: "scope".to_owned(), reason });
        }
        if until <= since {
            let reason =
                Invalid::because("must be a time after `since`, and `since` must not be in the future");
            return Err(InvalidField::Field { param: "until".to_owned(), reason });
        }
        Ok(Self { since, until, scope, dry_run })
    }

    /// Returns whether it asks for events accepted at this time.
    pub fn asks_for(&self, at: Timestamp) -> bool {
        (self.since..self.until).contains(&at)
    }

    /// Returns the recovery that this requests.
    pub fn begin(&self, id: RecoveryId, endpoint: &Endpoint, now: Timestamp) -> Recovery {
        Recovery {
            id,
            mode: endpoint.mode,
            endpoint_id: endpoint.id,
            scope: self.scope,
            since: self.since,
            until: self.until,
            status: RecoveryStatus::Running,
            events_examined: 0,
            deliveries_recovered: 0,
            reached: None,
            created_at: now,
            updated_at: now,
            position: None,
            slices: 0,
            stalled: 0,
            looks: 0,
            is_restless: false,
        }
    }
}

impl Recovery {
    /// Returns the recovery that takes care of what an endpoint holds, from `now` on. `None` if the endpoint has no hold.
    pub fn of_held(
        id: RecoveryId,
        endpoint: &Endpoint,
        scope: RecoveryScope,
        now: Timestamp,
    ) -> Option<Self> {
        let Hold { since, .. } = endpoint.hold?;
        let request = RecoveryRequest { since, until: now.plus(CLOCKS_DIFFER), scope, dry_run: false };
        Some(request.begin(id, endpoint, now))
    }

    /// The most attempts of a delivery that can be recovered: its record has to fit into a row.
    pub const MAX_ATTEMPTS: usize = 40;
    /// The most slices of a recovery. Each sends ten seconds' worth of deliveries or examines 2,000 events, so this
    /// limit is reached after four months of sending, or two billion events. No useful recovery takes that long; one
    /// that loops is stopped.
    pub const MAX_SLICES: u32 = 1_000_000;
    /// The most slices in a row without progress: about an hour's, as a slice without progress is followed by the next
    /// a minute later.
    pub const MAX_STALLED: u32 = 60;

    /// Returns whether it may go on, at `now`. A recovery of what is held waits until the end of the hold is written, or
    /// until the process that began it must have ended without that.
    pub fn course(&self, endpoint: Option<&Endpoint>, now: Timestamp) -> Course {
        let Some(endpoint) = endpoint.filter(|endpoint| endpoint.status != EndpointStatus::Disabled) else {
            return if self.scope.ends_hold() { Course::Skip } else { Course::Stop };
        };
        let wait = if now.since(self.created_at) < LAST_LOOK { Course::Wait } else { Course::Stop };
        match (self.scope, endpoint.hold) {
            (RecoveryScope::Skipped, Some(hold)) if hold.since <= self.created_at => wait,
            (RecoveryScope::Held, Some(hold)) if hold.drain() == Some(self.id) => Course::On,
            (RecoveryScope::Held, Some(hold)) if hold.is_closed() => wait,
            (RecoveryScope::Held, _) => Course::Stop,
            // What others resend while deliveries are held is held when it comes due.
            _ => Course::On,
        }
    }

    /// Returns the recovery as its first slice begins it. The end of a hold is written only now, so more may have been held
    /// since the recovery was created.
    #[must_use]
    pub fn begun(self, now: Timestamp) -> Self {
        let is_first = self.slices == 0 && self.scope.ends_hold();
        let until = if is_first { self.until.max(now.plus(CLOCKS_DIFFER)) } else { self.until };
        Self { until, ..self }
    }

    /// Returns whether it takes care of this delivery. After a hold, that is also one that has failed and waits for a retry of
    /// its own, perhaps for hours: it is older than what is held. Only the first look takes it, so that it does not come
    /// again and again.
    pub fn takes(&self, delivery: &Delivery, now: Timestamp) -> bool {
        let waits_for_retry = || {
            let has_room = delivery.attempts.len() < Self::MAX_ATTEMPTS;
            let is_later = delivery.next_attempt_at.is_some_and(|due| due > now);
            delivery.status == DeliveryStatus::Pending && delivery.has_failed() && is_later && has_room
        };
        let is_first_look = self.scope == RecoveryScope::Held && self.looks == 0;
        self.scope.takes(delivery, now) || (is_first_look && waits_for_retry())
    }

    /// Returns whether a delivery that is held is part of the hold that this recovery takes care of, not of a later one.
    pub fn is_of_its_hold(&self, delivery: &Delivery) -> bool {
        delivery.held_since.is_none_or(|since| since <= self.created_at)
    }

    /// Returns whether a delivery, at the last look, may still be without an attempt because its message was lost. If it is
    /// overdue, a message that comes twice costs less than one that never comes.
    pub fn misses(&self, delivery: &Delivery) -> bool {
        let is_untried = delivery.status == DeliveryStatus::Pending && !delivery.has_begun();
        self.looks > 0 && self.scope.ends_hold() && is_untried
    }

    /// Returns whether such a delivery is overdue.
    pub fn is_overdue(delivery: &Delivery, now: Timestamp) -> bool {
        delivery.next_attempt_at.is_some_and(|due| now.since(due) > ON_ITS_WAY)
    }

    /// Returns how long its second look has to wait; zero if it may begin. Its message may come too early, if an earlier one
    /// was received twice.
    pub fn until_second_look(&self, now: Timestamp) -> Duration {
        if self.looks > 0 { self.until.plus(LAST_LOOK).since(now) } else { Duration::ZERO }
    }

    /// Returns the recovery after it has examined all events, and how long it waits before it examines them again; `None`
    /// if it is complete.
    pub fn after_look(self, now: Timestamp) -> (Self, Option<Duration>) {
        let is_at_rest = self.looks > 0 && !self.is_restless;
        if !self.scope.ends_hold() || is_at_rest || self.looks >= MAX_LOOKS {
            return (Self { status: RecoveryStatus::Completed, ..self }, None);
        }
        let is_first = self.looks == 0;
        let next = Self { looks: self.looks + 1, is_restless: false, position: None, ..self };
        let wait = if is_first { next.until_second_look(now) } else { NEXT_LOOK };
        (next, Some(wait))
    }

    /// Returns whether it has reached a limit on slices. It then stops, however much is left.
    pub fn is_spent(&self) -> bool {
        self.slices >= Self::MAX_SLICES || self.stalled >= Self::MAX_STALLED
    }

    /// Returns the events that are not examined yet.
    pub fn span(&self) -> EventSpan {
        let span = EventSpan::ALL.since(self.since).until(self.until);
        self.position.map_or(span, |position| span.after(position))
    }
}

impl RecoveryScope {
    /// Returns whether events are recovered that were never sent to the endpoint.
    pub fn takes_missing(self) -> bool {
        matches!(self, Self::Missing | Self::All)
    }

    /// Returns whether this delivery is to be recovered.
    pub fn takes(self, delivery: &Delivery, now: Timestamp) -> bool {
        let is_open =
            delivery.status != DeliveryStatus::Succeeded && delivery.attempts.len() < Recovery::MAX_ATTEMPTS;
        let is_lost = || delivery.next_attempt_at.is_none_or(|due| now.since(due) > ON_ITS_WAY);
        match self {
            Self::Held | Self::Skipped => delivery.status == DeliveryStatus::Held,
            // What is held is sent when the hold ends.
            _ if delivery.status == DeliveryStatus::Held => false,
            Self::Failed => is_open && delivery.has_failed(),
            Self::Missing => false,
            Self::All => is_open && (delivery.has_failed() || is_lost()),
        }
    }

    /// Returns whether it takes care of what is held, after the end of a hold.
    pub fn ends_hold(self) -> bool {
        matches!(self, Self::Held | Self::Skipped)
    }

    /// Returns whether this recovery may have recorded this delivery without having queued it.
    pub fn takes_untried(self, delivery: &Delivery) -> bool {
        if self == Self::Held {
            return delivery.status == DeliveryStatus::Pending && !delivery.has_begun();
        }
        self.takes_missing() && delivery.status == DeliveryStatus::Pending && delivery.attempts.is_empty()
    }

    /// Returns whether it resends events of this type. With `all`, the endpoint's present types do not matter.
    pub fn sends(self, event_type: &EventType, endpoint: &Endpoint) -> bool {
        self == Self::All || endpoint.enabled_events.matches(event_type)
    }

    /// Returns whether an event is to be sent to an endpoint that it was never sent to.
    pub fn takes_event(self, event_type: &EventType, endpoint: &Endpoint) -> bool {
        self.takes_missing() && endpoint.enabled_events.matches(event_type)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::delivery::{Attempt, AttemptError};

    const NOW: i64 = 1_795_514_400_000;

    fn now() -> Timestamp {
        Timestamp::from_millis(NOW)
    }

    #[test]
    fn a_request_names_its_span_or_is_told_what_is_wrong() {
        let read = |json: &str| RecoveryRequest::read(&mut Fields::parse(json).unwrap(), now());
        let request = read(r#"{"since": "2026-11-23T22:00:00Z"}"#).unwrap();
        assert_eq!((request.until, request.scope, request.dry_run), (now(), RecoveryScope::Failed, false));
        let check = |json: &str, sentence: &str| {
            let error = read(json).unwrap_err().to_string();
            assert!(error.starts_with(sentence), "{error}");
        };
        check("{}", "`since` is required");
        check(r#"{"since": "yesterday"}"#, "`since` must be a time in RFC 3339");
        check(r#"{"since": "2027-01-01T00:00:00Z"}"#, "`until` must be a time after `since`");
        check(r#"{"since": "2026-01-01T00:00:00Z", "scope": "some"}"#, "`scope` must be \"failed\"");
        check(r#"{"since": "2026-01-01T00:00:00Z", "scope": "skipped"}"#, "`scope` must be \"failed\"");
        check(r#"{"since": "2026-01-01T00:00:00Z", "scope": "held"}"#, "`scope` can be \"held\" only");
        assert!(read(r#"{"since": "2026-01-01T00:00:00Z", "scope": "held", "dry_run": true}"#).is_ok());
    }

    #[test]
    fn a_scope_takes_what_has_no_success_and_is_not_on_its_way() {
        let attempt = |code, error| Attempt { code, error, ..Attempt::begun(now()) };
        let delivery = |status, due: Option<Timestamp>, attempts: &[Attempt]| {
            let id = "wh_01JDB5G8Z7M4X3W2V1T0S9R8Q7".parse().unwrap();
            let fresh = Delivery::due(id, now());
            Delivery { status, next_attempt_at: due, attempts: attempts.to_vec(), ..fresh }
        };
        let check = |delivery: Delivery, failed, all| {
            let takes = |scope: RecoveryScope| scope.takes(&delivery, now());
            let scopes = [RecoveryScope::Failed, RecoveryScope::All, RecoveryScope::Missing];
            assert_eq!(scopes.map(takes), [failed, all, false], "{delivery:?}");
        };
        let (failed, slow) = (attempt(Some(500), None), attempt(None, Some(AttemptError::Slow)));
        check(delivery(DeliveryStatus::Succeeded, None, &[failed, attempt(Some(200), None)]), false, false);
        check(delivery(DeliveryStatus::Failed, None, &[failed]), true, true);
        check(delivery(DeliveryStatus::Canceled, None, &[]), true, true);
        check(delivery(DeliveryStatus::Pending, Some(now().plus(ON_ITS_WAY)), &[failed]), true, true);
        check(delivery(DeliveryStatus::Pending, Some(now()), &[]), false, false);
        check(delivery(DeliveryStatus::Pending, Some(now()), &[slow]), false, false);
        check(delivery(DeliveryStatus::Pending, Some(now().minus(2 * ON_ITS_WAY)), &[]), false, true);
        check(delivery(DeliveryStatus::Failed, None, &[failed; Recovery::MAX_ATTEMPTS]), false, false);
    }
}
