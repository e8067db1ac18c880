//! Checks whether events may be sent to an endpoint.

use posthorn_domain::{DisabledReason, Endpoint, EndpointStatus};

use crate::{Code, Problem};

/// Errors with the reason if the endpoint is disabled.
pub fn require_enabled(endpoint: &Endpoint) -> Result<(), Problem> {
    if endpoint.status == EndpointStatus::Enabled {
        return Ok(());
    }
    let reason = match endpoint.disabled_reason {
        None => "its owner disabled it",
        Some(DisabledReason::Gone) => "Posthorn disabled it after it returned 410 Gone",
        Some(DisabledReason::Failing) => "Posthorn disabled it after days without a successful attempt",
    };
    let id = endpoint.id;
    let detail = format!(
        "The webhook endpoint {id} gets no events because {reason}. Set its `status` to `enabled` first."
    );
    Err(Problem::new(Code::EndpointDisabled, detail))
}
