//! `POST /api/webhook-endpoints/{id}/test`: sends a test event to one webhook endpoint, even if it is disabled: after
//! an outage its owner fixes it, tests it, and then enables it.

use std::sync::Arc;

use posthorn_api::{Access, Problem, Request, Response, accepted};
use posthorn_domain::{
    Clock, Endpoint, EventData, EventDraft, EventId, EventMessage, EventPattern, EventShards, EventType,
    Fields, InvalidField, Random, Scope, Tenant,
};
use posthorn_runtime::{HttpFunction, Runtime, SettingsError, http_function};
use posthorn_storage::{EndpointStore, EventOutbox};

struct App {
    access: Access,
    endpoints: EndpointStore,
    outbox: EventOutbox,
    clock: Arc<dyn Clock>,
    random: Arc<dyn Random>,
    shards: EventShards,
}

pub(crate) fn function(runtime: &Runtime) -> Result<HttpFunction, SettingsError> {
    let app = App {
        access: runtime.access()?,
        endpoints: runtime.endpoints()?,
        outbox: runtime.events_queue()?,
        clock: runtime.clock(),
        random: runtime.random(),
        shards: runtime.event_shards()?,
    };
    Ok(http_function(app, test_endpoint))
}

async fn test_endpoint(app: Arc<App>, request: Request) -> Result<Response, Problem> {
    let tenant = app.access.tenant(&request, &[Scope::EventsResend]).await?;
    let id = request.endpoint_id()?;
    let Wanted { event_type, data } = request.optional_fields(tenant.mode, read)?;
    if data.is_some() {
        // Whoever may only resend must not invent what an event says.
        app.access.tenant(&request, &[Scope::EventsPublish]).await?;
    }
    let endpoint = app.endpoints.get(&tenant, id).await?.ok_or_else(|| Problem::no_endpoint(id))?;
    let event_type = event_type.unwrap_or_else(|| endpoint.enabled_events.example());
    remember(&app, &tenant, &endpoint, &event_type).await?;
    let mut draft = match data {
        Some(data) => EventDraft::test_with(&event_type, data),
        None => EventDraft::test(&event_type),
    };
    draft.request.id = request.id().parse().ok();
    let event_id = EventId::of_event(app.clock.now(), &draft.event_type, app.shards, app.random.bits());
    let message = EventMessage {
        tenant,
        endpoint_id: Some(id),
        claimed: false,
        id: Some(event_id),
        draft: draft.clone(),
    };
    app.outbox.send(&[message]).await.into_iter().collect::<Result<(), _>>()?;
    Ok(accepted(&draft.accept(endpoint.mode, event_id)))
}

/// What the test event is to be.
struct Wanted {
    event_type: Option<EventType>,
    data: Option<EventData>,
}

/// Reads the `type` and the `data` of the event. Any type is allowed.
fn read(fields: &mut Fields<'_>) -> Result<Wanted, InvalidField> {
    Ok(Wanted { event_type: fields.optional("type")?, data: fields.optional("data")? })
}

/// If the endpoint does not want this type, adds the type to its former patterns, so that the test is found in the list
/// of its attempts.
async fn remember(
    app: &App,
    tenant: &Tenant,
    endpoint: &Endpoint,
    event_type: &EventType,
) -> Result<(), Problem> {
    if !endpoint.may_have_received(event_type) {
        let remember = |mut endpoint: Endpoint| {
            endpoint.remember_patterns([EventPattern::Exact(event_type.clone())]);
            Ok::<_, Problem>(endpoint)
        };
        app.endpoints.update(tenant, endpoint.id, remember).await?;
    }
    Ok(())
}
