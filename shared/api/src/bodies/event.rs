//! An event and its deliveries.

use posthorn_domain::{
    Attempt, AttemptError, AttemptStatus, DeliveredEvent, Delivery, DeliveryStatus, EndpointId, Timestamp,
};
use serde::Serialize;

use crate::bodies::attempt::TraceBody;

/// The most deliveries that are shown with an event. Each may have 1 KiB of its last answer, so this limits the size of
/// the API's answer, which is read and written whole.
pub const MAX_SHOWN_DELIVERIES: usize = 100;

/// An event on record: its fields as they were delivered, followed by its deliveries.
#[derive(Debug, Serialize)]
pub struct EventBody<'a> {
    #[serde(flatten)]
    event: DeliveredEvent<'a>,
    deliveries_count: usize,
    deliveries: Vec<DeliveryBody>,
}

#[derive(Debug, Serialize)]
struct DeliveryBody {
    webhook_endpoint_id: EndpointId,
    status: DeliveryStatus,
    next_attempt_at: Option<Timestamp>,
    attempts: Vec<AttemptSummaryBody>,
    last_response_body: String,
}

#[derive(Debug, Serialize)]
struct AttemptSummaryBody {
    status: AttemptStatus,
    response_status: Option<u16>,
    error: Option<&'static str>,
    duration_ms: u64,
    created_at: Timestamp,
    #[serde(flatten)]
    trace: TraceBody,
}

impl<'a> EventBody<'a> {
    /// Returns the event with these deliveries. `pending_webhooks` counts its pending deliveries. At most
    /// [`MAX_SHOWN_DELIVERIES`] are shown: pending ones first, then held ones, then failed ones.
    pub fn new(event: DeliveredEvent<'a>, mut deliveries: Vec<Delivery>) -> Self {
        let event = event.counting(&deliveries);
        deliveries.sort_unstable_by_key(|delivery| (urgency(delivery.status), delivery.endpoint_id));
        Self {
            event,
            deliveries_count: deliveries.len(),
            deliveries: deliveries.into_iter().take(MAX_SHOWN_DELIVERIES).map(DeliveryBody::from).collect(),
        }
    }
}

fn urgency(status: DeliveryStatus) -> u8 {
    match status {
        DeliveryStatus::Pending => 0,
        DeliveryStatus::Held => 1,
        DeliveryStatus::Failed => 2,
        DeliveryStatus::Canceled => 3,
        DeliveryStatus::Succeeded => 4,
    }
}

impl From<Delivery> for DeliveryBody {
    fn from(delivery: Delivery) -> Self {
        Self {
            webhook_endpoint_id: delivery.endpoint_id,
            status: delivery.status,
            next_attempt_at: delivery.next_attempt_at,
            attempts: delivery.attempts.iter().map(AttemptSummaryBody::from).collect(),
            last_response_body: delivery.last_answer,
        }
    }
}

impl From<&Attempt> for AttemptSummaryBody {
    fn from(attempt: &Attempt) -> Self {
        Self {
            status: attempt.into(),
            response_status: attempt.code,
            error: attempt.error.map(AttemptError::as_str),
            duration_ms: attempt.duration_ms(),
            created_at: attempt.at,
            trace: attempt.trace.into(),
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
        let event = EventBody::new(DeliveredEvent::read(body).unwrap(), deliveries);
        let json = serde_json::to_string(&event).unwrap();
        assert!(json.contains(r#""data":{"n": 1.0e5},"#), "{json}");
        assert!(json.contains(r#""pending_webhooks":1,"#), "{json}");
        assert_eq!((event.deliveries_count, event.deliveries.len()), (152, MAX_SHOWN_DELIVERIES));
        let first = event.deliveries.iter().map(|delivery| delivery.status).take(3).collect::<Vec<_>>();
        assert_eq!(first, [DeliveryStatus::Pending, DeliveryStatus::Failed, DeliveryStatus::Succeeded]);
    }
}
