//! The API's attempt object.

use serde::Serialize;

use crate::account::Mode;
use crate::delivery::{Attempt, AttemptError, Delivery};
use crate::id::{AttemptId, EndpointId, EventId};
use crate::invalid::Invalid;
use crate::listing::bytes_in_answer;
use crate::time::Timestamp;

/// One POST of an event to an endpoint, as the API shows it. It serializes as PaymentKit's attempt object, with
/// `duration_ms` and `error` after it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct AttemptObject {
    /// The attempt's id.
    pub id: AttemptId,
    livemode: Mode,
    event_id: EventId,
    webhook_endpoint_id: EndpointId,
    /// Whether the endpoint acknowledged the event.
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

/// The result of an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum AttemptStatus {
    /// The endpoint acknowledged the event.
    Succeeded,
    /// The endpoint did not acknowledge the event.
    Failed,
    /// Unknown: Posthorn ended the attempt at the short time limit of first attempts, at most a second, and makes it
    /// again with the full timeout.
    CutShort,
}

impl AttemptStatus {
    const ALL: [Self; 3] = [Self::Succeeded, Self::Failed, Self::CutShort];

    /// Returns the status as one word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::CutShort => "cut_short",
        }
    }
}

impl From<&Attempt> for AttemptStatus {
    fn from(attempt: &Attempt) -> Self {
        if attempt.succeeded() {
            Self::Succeeded
        } else if attempt.failed() {
            Self::Failed
        } else {
            Self::CutShort
        }
    }
}

impl AttemptObject {
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
                duration_ms: u64::try_from(attempt.duration.as_millis()).unwrap_or(u64::MAX),
                error: attempt.error.map(AttemptError::as_str),
            })
            .collect()
    }

    /// Returns the number of bytes that it takes in an answer.
    pub fn bytes_in_answer(&self) -> usize {
        bytes_in_answer(&serde_json::to_string(self).expect("JSON can express every attempt"))
    }
}

impl std::str::FromStr for AttemptStatus {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        let known = Self::ALL.into_iter().find(|status| status.as_str() == text);
        known.ok_or_else(|| {
            let reason = format!("must be \"succeeded\", \"failed\" or \"cut_short\", not {text:?}");
            Invalid::because(reason)
        })
    }
}
