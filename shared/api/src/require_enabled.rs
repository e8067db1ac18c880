//! Checks whether events may be sent to an endpoint.

use posthorn_domain::{DisabledReason, Endpoint, EndpointStatus};

use crate::code::Code;
use crate::problem::Problem;

/// Errors with the reason if the endpoint is disabled.
pub fn require_enabled(endpoint: &Endpoint) -> Result<(), Problem> {
    let id = endpoint.id;
    match endpoint.status {
        EndpointStatus::Enabled => return Ok(()),
        EndpointStatus::Paused => {
            let detail =
                format!("The webhook endpoint {id} is paused. Resume it first, with `POST …/resume`.");
            return Err(Problem::new(Code::EndpointPaused, detail));
        }
        EndpointStatus::Disabled => {}
    }
    let reason = match endpoint.disabled_reason {
        None => "its owner disabled it",
        Some(DisabledReason::Gone) => "Posthorn disabled it after it returned 410 Gone",
        Some(DisabledReason::Failing) => "Posthorn disabled it after days without a successful attempt",
    };
    let detail = format!(
        "The webhook endpoint {id} gets no events because {reason}. Set its `status` to `enabled` first."
    );
    Err(Problem::new(Code::EndpointDisabled, detail))
}
