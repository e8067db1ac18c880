//! An attempt.

use posthorn_domain::{
    AttemptError, AttemptId, AttemptStatus, Delivery, EndpointId, EventId, Mode, Timestamp,
};
use serde::Serialize;

use crate::listing::bytes_in_answer;

/// One POST of an event to an endpoint: `PaymentKit`'s attempt object, with `duration_ms` and `error` after it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct AttemptBody {
    /// The attempt's id.
    pub id: AttemptId,
    livemode: Mode,
    event_id: EventId,
    webhook_endpoint_id: EndpointId,
    /// The attempt's result.
    pub status: AttemptStatus,
    response_status: Option<u16>,
    response_body: Option<String>,
    retry_count: u16,
    /// When the attempt began.
    pub created_at: Timestamp,
    updated_at: Timestamp,
    duration_ms: u64,
    error: Option<&'static str>,
}

impl AttemptBody {
    /// Returns a delivery's attempts, first to last. Only the last one has its answer's body.
    pub fn of(mode: Mode, event_id: EventId, delivery: &Delivery) -> Vec<Self> {
        let last = delivery.attempts.len();
        let numbered = (1_u16..).zip(&delivery.attempts);
        numbered
            .map(|(number, attempt)| Self {
                id: AttemptId { event_id, endpoint_id: delivery.endpoint_id, number },
                livemode: mode,
                event_id,
                webhook_endpoint_id: delivery.endpoint_id,
                status: attempt.into(),
                response_status: attempt.code,
                response_body: (usize::from(number) == last && attempt.code.is_some())
                    .then(|| delivery.last_answer.clone()),
                retry_count: number - 1,
                created_at: attempt.at,
                updated_at: attempt.at.plus(attempt.duration),
                duration_ms: attempt.duration_ms(),
                error: attempt.error.map(AttemptError::as_str),
            })
            .collect()
    }

    /// Returns the number of bytes that it takes in an answer.
    pub fn bytes_in_answer(&self) -> usize {
        bytes_in_answer(&serde_json::to_string(self).expect("JSON can express every attempt"))
    }
}
