//! An attempt.

use std::net::IpAddr;

use posthorn_domain::{
    AttemptError, AttemptId, AttemptStatus, Delivery, EndpointId, EventId, Millis, Mode, Timestamp, Trace,
};
use serde::Serialize;
use serde_json::value::RawValue;

use crate::bodies::EndpointBody;

/// One POST of an event to an endpoint: `PaymentKit`'s attempt object, with `duration_ms` and `error` after it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct AttemptBody {
    /// The attempt's id.
    pub id: AttemptId,
    livemode: Mode,
    /// The event that was sent.
    pub event_id: EventId,
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
    #[serde(flatten)]
    trace: TraceBody,
}

/// How an attempt reached its endpoint.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct TraceBody {
    address: Option<IpAddr>,
    phases: Option<PhasesBody>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[expect(clippy::struct_field_names, reason = "they are the names in the JSON")]
struct PhasesBody {
    dns_ms: Option<u32>,
    connect_ms: Option<u32>,
    tls_ms: Option<u32>,
    first_byte_ms: Option<u32>,
}

impl From<Trace> for TraceBody {
    fn from(trace: Trace) -> Self {
        let millis = |phase: Option<Millis>| phase.map(Millis::get);
        let phases = (!trace.is_empty()).then(|| PhasesBody {
            dns_ms: millis(trace.dns),
            connect_ms: millis(trace.connect),
            tls_ms: millis(trace.tls),
            first_byte_ms: millis(trace.first_byte),
        });
        Self { address: trace.address, phases }
    }
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
                trace: attempt.trace.into(),
            })
            .collect()
    }
}

/// An attempt as PaymentKit's SDK declares it: with its event and its endpoint, and always a number in `response_status`,
/// which is 0 if no answer came.
#[derive(Debug, Clone, Serialize)]
pub struct ExpandedAttemptBody {
    #[serde(flatten)]
    attempt: AttemptBody,
    object: &'static str,
    event: Box<RawValue>,
    endpoint: EndpointBody,
}

impl ExpandedAttemptBody {
    /// Returns the attempt with its event, which is JSON, and its endpoint.
    pub fn new(attempt: AttemptBody, event: Box<RawValue>, endpoint: EndpointBody) -> Self {
        let response_status = attempt.response_status.or(Some(0));
        let attempt = AttemptBody { response_status, ..attempt };
        Self { attempt, object: "webhook_attempt", event, endpoint }
    }
}
