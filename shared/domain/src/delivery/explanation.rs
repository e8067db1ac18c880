//! Why an endpoint got an event, or did not.

use strum::{Display, IntoStaticStr};

use crate::delivery::{Delivery, DeliveryStatus};
use crate::endpoint::{Endpoint, EndpointStatus};
use crate::event::EventType;
use crate::id::EndpointId;
use crate::time::Timestamp;

/// Why an endpoint got an event, or did not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Explanation {
    /// The reason.
    pub reason: Reason,
    /// Since when the reason held; `None` if it has no beginning, or that is not known.
    pub since: Option<Timestamp>,
}

/// A reason why an endpoint got an event, or did not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Display, IntoStaticStr)]
#[strum(serialize_all = "snake_case")]
pub enum Reason {
    /// The endpoint acknowledged it.
    Delivered,
    /// An attempt is due or under way.
    Pending,
    /// All attempts have failed.
    Failed,
    /// It is held until the endpoint works again, or what was held is being sent.
    Held,
    /// It is held until the endpoint is resumed.
    Paused,
    /// The endpoint was deleted or disabled before it acknowledged, or no longer wanted the event's type.
    Canceled,
    /// The event was sent to another endpoint only, as test events are.
    SentToOne,
    /// The endpoint was registered after the event was accepted.
    CreatedAfter,
    /// The endpoint was disabled when the event was accepted.
    Disabled,
    /// The endpoint did not want the event's type when it was accepted.
    NotSubscribed,
    /// What the endpoint wanted then is no longer known, or it should have got the event.
    Unknown,
}

impl Explanation {
    /// Explains a delivery. `endpoint` is its endpoint, unless that was deleted.
    pub fn of_delivery(delivery: &Delivery, endpoint: Option<&Endpoint>) -> Self {
        let is_paused = || endpoint.is_some_and(|endpoint| endpoint.status == EndpointStatus::Paused);
        let first_attempt = || delivery.attempts.first().map(|attempt| attempt.at);
        let last_attempt = || delivery.attempts.last().map(|attempt| attempt.at);
        let success =
            || delivery.attempts.iter().rfind(|attempt| attempt.succeeded()).map(|attempt| attempt.at);
        let (reason, since) = match delivery.status {
            DeliveryStatus::Succeeded => (Reason::Delivered, success()),
            DeliveryStatus::Pending => (Reason::Pending, first_attempt()),
            DeliveryStatus::Failed => (Reason::Failed, last_attempt()),
            DeliveryStatus::Held if is_paused() => (Reason::Paused, delivery.held_since),
            DeliveryStatus::Held => (Reason::Held, delivery.held_since),
            DeliveryStatus::Canceled => (Reason::Canceled, None),
        };
        Self { reason, since }
    }

    /// Explains why an event that was accepted at this time has no delivery to an endpoint. `only` is the endpoint that
    /// the event is for, if it is for one only.
    pub fn without_delivery(
        endpoint: &Endpoint,
        event_type: &EventType,
        accepted_at: Timestamp,
        only: Option<EndpointId>,
    ) -> Self {
        if only.is_some() {
            return Self { reason: Reason::SentToOne, since: None };
        }
        if accepted_at < endpoint.created_at {
            return Self { reason: Reason::CreatedAfter, since: Some(endpoint.created_at) };
        }
        let Some(then) = endpoint.state_at(accepted_at) else {
            return Self { reason: Reason::Unknown, since: Some(endpoint.former_states.known_since()) };
        };
        let reason = if then.status == EndpointStatus::Disabled {
            Reason::Disabled
        } else if then.enabled_events.matches(event_type) {
            return Self { reason: Reason::Unknown, since: None };
        } else {
            Reason::NotSubscribed
        };
        Self { reason, since: Some(then.since) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::endpoint::EndpointEdit;
    use crate::json::Fields;
    use crate::testing::registered;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_millis(1_000 * seconds)
    }

    fn endpoint() -> Endpoint {
        let endpoint = registered(r#"{"url": "https://a.example", "enabled_events": ["order.*"]}"#, at(100));
        let edit = |json: &str| EndpointEdit::read(&mut Fields::parse(json).unwrap()).unwrap();
        let endpoint = edit(r#"{"status": "disabled"}"#).apply(endpoint, None, at(200));
        edit(r#"{"status": "enabled"}"#).apply(endpoint, None, at(300))
    }

    #[test]
    fn an_event_without_a_delivery_is_explained_by_what_the_endpoint_was_then() {
        let endpoint = endpoint();
        let check = |event_type: &str, seconds: i64, reason: Reason, since: Option<i64>| {
            let found =
                Explanation::without_delivery(&endpoint, &event_type.parse().unwrap(), at(seconds), None);
            assert_eq!(found, Explanation { reason, since: since.map(at) }, "{event_type} at {seconds}");
        };
        check("order.paid", 99, Reason::CreatedAfter, Some(100));
        check("invoice.paid", 150, Reason::NotSubscribed, Some(100));
        check("order.paid", 250, Reason::Disabled, Some(200));
        check("invoice.paid", 250, Reason::Disabled, Some(200));
        check("invoice.paid", 350, Reason::NotSubscribed, Some(300));
        check("order.paid", 350, Reason::Unknown, None);
        let only = Some(endpoint.id);
        let found = Explanation::without_delivery(&endpoint, &"a".parse().unwrap(), at(1), only);
        assert_eq!(found.reason, Reason::SentToOne);
    }

    #[test]
    fn a_delivery_is_explained_by_its_status() {
        let endpoint = endpoint();
        let check = |status: DeliveryStatus, reason: Reason| {
            let delivery = Delivery { status, ..Delivery::due(endpoint.id, at(1)) };
            assert_eq!(Explanation::of_delivery(&delivery, Some(&endpoint)).reason, reason);
            assert_eq!(Explanation::of_delivery(&delivery, None).reason, reason);
        };
        check(DeliveryStatus::Succeeded, Reason::Delivered);
        check(DeliveryStatus::Pending, Reason::Pending);
        check(DeliveryStatus::Failed, Reason::Failed);
        check(DeliveryStatus::Canceled, Reason::Canceled);
        check(DeliveryStatus::Held, Reason::Held);
        let paused = endpoint.clone().with_status(EndpointStatus::Paused, None, at(400));
        let held = Delivery::due(endpoint.id, at(1)).held(at(401));
        let found = Explanation::of_delivery(&held, Some(&paused));
        assert_eq!(found, Explanation { reason: Reason::Paused, since: Some(at(401)) });
    }
}
