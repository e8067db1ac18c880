//! `POST /api/webhook-endpoints/{id}/test`: sends a test event to a webhook endpoint, and to no other.

use std::sync::Arc;

use posthorn_api::{Problem, Request, Response, TestingApi, accepted};
use posthorn_domain::{
    DisabledReason, Endpoint, EndpointStatus, EventDraft, EventId, EventMessage, EventType, Fields,
    InvalidField, Partition,
};
use posthorn_runtime::{HttpFunction, Runtime, SettingsError, http_function};

/// The function, as its environment sets it up.
pub fn function(runtime: &Runtime) -> Result<HttpFunction, SettingsError> {
    Ok(http_function(runtime.testing_api()?, test_endpoint))
}

async fn test_endpoint(app: Arc<TestingApi>, request: Request) -> Result<Response, Problem> {
    let tenant = app.access.tenant(&request).await?;
    let id = request.endpoint_id()?;
    let event_type = request.optional_fields(read_type)?;
    let endpoint = app.endpoints.get(&tenant, id).await?.ok_or_else(|| Problem::no_endpoint(id))?;
    require_enabled(&endpoint)?;
    let mut draft = EventDraft::test(&event_type.unwrap_or_else(|| endpoint.enabled_events.example()));
    draft.request.id = request.id().parse().ok();
    let now = app.clock.now();
    let event_id = EventId::new(now, Partition::of(&draft.event_type), app.random.bits());
    let message = EventMessage {
        tenant,
        endpoint_id: Some(id),
        id: Some(event_id),
        created_at: Some(now),
        draft: draft.clone(),
    };
    app.outbox.send(&[message]).await.into_iter().collect::<Result<(), _>>()?;
    Ok(accepted(&draft.accept(endpoint.mode, event_id, now)))
}

/// Reads the `type` of the event, which may be any.
fn read_type(fields: &mut Fields<'_>) -> Result<Option<EventType>, InvalidField> {
    fields.optional("type")
}

fn require_enabled(endpoint: &Endpoint) -> Result<(), Problem> {
    if endpoint.status == EndpointStatus::Enabled {
        return Ok(());
    }
    let reason = match endpoint.disabled_reason {
        None => "its owner disabled it",
        Some(DisabledReason::Gone) => "it was disabled when it answered 410 Gone",
        Some(DisabledReason::Failing) => "it was disabled after days of nothing but failures",
    };
    let id = endpoint.id;
    Err(Problem::Conflict(format!(
        "The webhook endpoint {id} gets no events: {reason}. Set its `status` to enabled first."
    )))
}
