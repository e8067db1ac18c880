//! `POST /api/events` and `POST /api/events/batch`: accepts events.

mod batch;

use std::sync::Arc;

use posthorn_api::{Problem, PublishApi, Request, Response, accepted};
use posthorn_domain::{
    Event, EventDraft, EventId, EventMessage, MAX_EVENT_BYTES, Partition, ShortText, Tenant,
};
use posthorn_runtime::{HttpFunction, Runtime, SettingsError, http_function};

/// The function, as its environment sets it up.
pub fn function(runtime: &Runtime) -> Result<HttpFunction, SettingsError> {
    Ok(http_function(runtime.publish_api()?, publish))
}

async fn publish(app: Arc<PublishApi>, request: Request) -> Result<Response, Problem> {
    let tenant = app.access.tenant(&request).await?;
    if request.last_segment() == "batch" {
        batch::publish_batch(&app, &tenant, &request).await
    } else {
        publish_one(&app, &tenant, &request).await
    }
}

async fn publish_one(app: &PublishApi, tenant: &Tenant, request: &Request) -> Result<Response, Problem> {
    let mut draft = request.fields(EventDraft::read)?;
    if draft.request.idempotency_key.is_none() {
        draft.request.idempotency_key = idempotency_key(request)?;
    }
    let event = accept(app, tenant, request, draft)?;
    let message = message(tenant, &event);
    app.outbox.send(&[message]).await.into_iter().collect::<Result<(), _>>()?;
    Ok(accepted(&event))
}

/// Makes an event of a draft: it gets its id and its time, and names the request that brought it unless the
/// publisher names another.
fn accept(
    app: &PublishApi,
    tenant: &Tenant,
    request: &Request,
    mut draft: EventDraft,
) -> Result<Event, Problem> {
    if draft.request.id.is_none() {
        draft.request.id = request.id().parse().ok();
    }
    let now = app.clock.now();
    let id = EventId::new(now, Partition::of(&draft.event_type), app.random.bits());
    let event = draft.accept(tenant.mode, id, now);
    let size = event.to_json().len();
    if size > MAX_EVENT_BYTES {
        return Err(Problem::TooLarge(format!(
            "The event has {size} bytes as it would be delivered; it may have at most {MAX_EVENT_BYTES}."
        )));
    }
    Ok(event)
}

/// What goes to the events queue.
fn message(tenant: &Tenant, event: &Event) -> EventMessage {
    EventMessage {
        tenant: tenant.clone(),
        id: Some(event.id),
        created_at: Some(event.created_at),
        draft: event.draft.clone(),
    }
}

fn idempotency_key(request: &Request) -> Result<Option<ShortText>, Problem> {
    let key = request
        .header("idempotency-key")
        .map(|key| key.parse().map_err(|invalid| Problem::param("Idempotency-Key", invalid)));
    key.transpose()
}
