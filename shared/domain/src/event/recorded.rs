//! An event as it is read later: the delivered body and the state of its deliveries.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::delivery::{Attempt, AttemptError, AttemptStatus, Delivery, DeliveryStatus};
use crate::event::event_type::EventType;
use crate::id::EndpointId;
use crate::time::Timestamp;

/// The most deliveries that are shown with an event. Each may have 1 KiB of its last answer, so this limits the size of
/// the API's answer, which is read and written whole.
pub const MAX_SHOWN_DELIVERIES: usize = 100;

/// An event on record. It serializes as the API's event object: its fields as they were delivered, followed by its
/// deliveries.
#[derive(Debug, Serialize)]
pub struct RecordedEvent<'a> {
    #[serde(flatten)]
    event: DeliveredEvent<'a>,
    deliveries_count: usize,
    deliveries: Vec<ShownDelivery>,
}

/// The body of an event's deliveries, parsed only as far as is needed to recount `pending_webhooks`.
#[derive(Debug, Serialize, Deserialize)]
pub struct DeliveredEvent<'a> {
    #[serde(borrow)]
    id: &'a RawValue,
    #[serde(borrow)]
    livemode: &'a RawValue,
    #[serde(borrow)]
    r#type: &'a RawValue,
    #[serde(borrow)]
    api_version: &'a RawValue,
    #[serde(borrow)]
    data: &'a RawValue,
    #[serde(borrow)]
    object_type: &'a RawValue,
    #[serde(borrow)]
    object_id: &'a RawValue,
    #[serde(borrow)]
    request: &'a RawValue,
    pending_webhooks: usize,
    #[serde(borrow)]
    metadata: &'a RawValue,
    #[serde(borrow)]
    created_at: &'a RawValue,
    #[serde(borrow)]
    updated_at: &'a RawValue,
}

#[derive(Debug, Serialize)]
struct ShownDelivery {
    webhook_endpoint_id: EndpointId,
    status: DeliveryStatus,
    next_attempt_at: Option<Timestamp>,
    attempts: Vec<ShownAttempt>,
    last_response_body: String,
}

#[derive(Debug, Serialize)]
struct ShownAttempt {
    status: AttemptStatus,
    response_status: Option<u16>,
    error: Option<&'static str>,
    duration_ms: u64,
    created_at: Timestamp,
}

impl<'a> DeliveredEvent<'a> {
    /// Parses a delivery's body.
    pub fn read(body: &'a str) -> Result<Self, serde_json::Error> {
        serde_json::from_str(body)
    }

    /// Returns the event with the number of its pending deliveries in `pending_webhooks`.
    #[must_use]
    pub fn counting(self, deliveries: &[Delivery]) -> Self {
        let is_pending = |delivery: &&Delivery| delivery.status == DeliveryStatus::Pending;
        Self { pending_webhooks: deliveries.iter().filter(is_pending).count(), ..self }
    }

    /// Returns the event's type.
    pub fn event_type(&self) -> Result<EventType, serde_json::Error> {
        serde_json::from_str(self.r#type.get())
    }

    /// Returns the `object_type` and `object_id`.
    pub(crate) fn object(&self) -> Result<(Option<String>, Option<String>), serde_json::Error> {
        Ok((serde_json::from_str(self.object_type.get())?, serde_json::from_str(self.object_id.get())?))
    }
}

impl<'a> RecordedEvent<'a> {
    /// Returns the event whose deliveries had this body. `pending_webhooks` counts its pending deliveries. At most
    /// [`MAX_SHOWN_DELIVERIES`] are shown: pending ones first, then failed ones.
    pub fn read(body: &'a str, mut deliveries: Vec<Delivery>) -> Result<Self, serde_json::Error> {
        let event = DeliveredEvent::read(body)?.counting(&deliveries);
        deliveries.sort_unstable_by_key(|delivery| (urgency(delivery.status), delivery.endpoint_id));
        Ok(Self {
            event,
            deliveries_count: deliveries.len(),
            deliveries: deliveries.into_iter().take(MAX_SHOWN_DELIVERIES).map(ShownDelivery::from).collect(),
        })
    }
}

fn urgency(status: DeliveryStatus) -> u8 {
    match status {
        DeliveryStatus::Pending => 0,
        DeliveryStatus::Failed => 1,
        DeliveryStatus::Canceled => 2,
        DeliveryStatus::Succeeded => 3,
    }
}

impl From<Delivery> for ShownDelivery {
    fn from(delivery: Delivery) -> Self {
        Self {
            webhook_endpoint_id: delivery.endpoint_id,
            status: delivery.status,
            next_attempt_at: delivery.next_attempt_at,
            attempts: delivery.attempts.iter().map(ShownAttempt::from).collect(),
            last_response_body: delivery.last_answer,
        }
    }
}

impl From<&Attempt> for ShownAttempt {
    fn from(attempt: &Attempt) -> Self {
        Self {
            status: attempt.into(),
            response_status: attempt.code,
            error: attempt.error.map(AttemptError::as_str),
            duration_ms: u64::try_from(attempt.duration.as_millis()).unwrap_or(u64::MAX),
            created_at: attempt.at,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn delivery(number: usize, status: DeliveryStatus) -> Delivery {
        let id = format!("wh_01JDB5G8Z7M4X3W2V1T0S9{number:04}").parse().unwrap();
        Delivery { status, ..Delivery::due(id, Timestamp::from_millis(0)) }
    }

    #[test]
    fn what_is_not_over_comes_first_and_no_more_is_shown_than_can_be_answered() {
        let body = r#"{"id":"evt_1","livemode":true,"type":"a","api_version":"1.0.0","data":{"n": 1.0e5},
            "object_type":null,"object_id":null,"request":{},"pending_webhooks":0,"metadata":{},
            "created_at":"2026-11-24T10:00:00.000Z","updated_at":"2026-11-24T10:00:00.000Z"}"#;
        let mut deliveries: Vec<_> = (0..150).map(|n| delivery(n, DeliveryStatus::Succeeded)).collect();
        deliveries.push(delivery(200, DeliveryStatus::Failed));
        deliveries.push(delivery(201, DeliveryStatus::Pending));
        let event = RecordedEvent::read(body, deliveries).unwrap();
        let json = serde_json::to_string(&event).unwrap();
        assert!(json.contains(r#""data":{"n": 1.0e5},"#), "{json}");
        assert!(json.contains(r#""pending_webhooks":1,"#), "{json}");
        assert_eq!((event.deliveries_count, event.deliveries.len()), (152, MAX_SHOWN_DELIVERIES));
        let first = event.deliveries.iter().map(|delivery| delivery.status).take(3).collect::<Vec<_>>();
        assert_eq!(first, [DeliveryStatus::Pending, DeliveryStatus::Failed, DeliveryStatus::Succeeded]);
    }
}
