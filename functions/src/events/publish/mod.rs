//! `POST /api/events` and `POST /api/events/batch`: accepts events.

pub(crate) mod batch;
mod idempotency;
mod publication;

use std::sync::Arc;

use posthorn_api::{Access, Problem, Request, Response, accepted, read_fields, replayed};
use posthorn_domain::{Clock, EventDraft, EventShards, MAX_EVENT_BYTES, Random, Scope, ShortText, Tenant};
use posthorn_runtime::{HttpFunction, Runtime, SettingsError, http_function};
use posthorn_storage::{EventOutbox, IdempotencyKeys};

/// The route that publishes a batch.
const BATCH: &str = "POST /api/events/batch";

struct App {
    access: Access,
    outbox: EventOutbox,
    idempotency: IdempotencyKeys,
    clock: Arc<dyn Clock>,
    random: Arc<dyn Random>,
    shards: EventShards,
}

pub(crate) fn function(runtime: &Runtime) -> Result<HttpFunction, SettingsError> {
    let app = App {
        access: runtime.access()?,
        outbox: runtime.events_queue()?,
        idempotency: runtime.idempotency_keys()?,
        clock: runtime.clock(),
        random: runtime.random(),
        shards: runtime.event_shards()?,
    };
    Ok(http_function(app, publish))
}

async fn publish(app: Arc<App>, request: Request) -> Result<Response, Problem> {
    let caller = app.access.caller(&request, &[Scope::EventsPublish]).await?;
    app.access.require_existing(&caller.principal).await?;
    let tenant = caller.tenant;
    if request.route_key() == BATCH {
        batch::publish_batch(&app, &tenant, &request).await
    } else {
        publish_one(&app, &tenant, &request).await
    }
}

async fn publish_one(app: &App, tenant: &Tenant, request: &Request) -> Result<Response, Problem> {
    let mut draft = read(request.json(MAX_EVENT_BYTES)?, tenant)?;
    let key = idempotency_key(request)?;
    draft.request.idempotency_key = draft.request.idempotency_key.or(key);
    let publications = publication::publish(app, tenant, request, vec![draft]).await;
    let publication = publications.into_iter().next().expect("there is one for each draft")?;
    Ok(if publication.replayed { replayed(&publication.event) } else { accepted(&publication.event) })
}

/// Reads an event to publish.
fn read(json: &str, tenant: &Tenant) -> Result<EventDraft, Problem> {
    read_fields(json, tenant.mode, EventDraft::read)
}

/// Returns the header `Idempotency-Key`, if there is one.
fn idempotency_key(request: &Request) -> Result<Option<ShortText>, Problem> {
    let key = |text: &str| match text {
        "" => Err(Problem::header("Idempotency-Key", EMPTY_KEY)),
        _ => text.parse().map_err(|invalid| Problem::header("Idempotency-Key", invalid)),
    };
    request.header("Idempotency-Key")?.map(key).transpose()
}

/// An empty key would belong to all events for which a publisher forgot the key.
const EMPTY_KEY: &str = "must not be empty. Send a unique key for each request, or leave the header out.";
