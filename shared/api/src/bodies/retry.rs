//! A manual retry.

use posthorn_domain::{EndpointId, EventId, Mode};
use serde::Serialize;

/// The retry that was requested. The attempt is made from the deliveries queue.
#[derive(Debug, Serialize)]
pub struct RetryBody {
    livemode: Mode,
    event_id: EventId,
    webhook_endpoint_id: EndpointId,
    status: &'static str,
}

impl RetryBody {
    /// Returns the retry of this event at this endpoint.
    pub fn new(mode: Mode, event_id: EventId, endpoint_id: EndpointId) -> Self {
        Self { livemode: mode, event_id, webhook_endpoint_id: endpoint_id, status: "queued" }
    }
}
