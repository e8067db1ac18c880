//! `POST /api/events` and `POST /api/events/batch`: accepts events.

mod batch;
mod idempotency;
mod publication;

use std::sync::Arc;

use posthorn_api::{Access, Problem, Request, Response, accepted, replayed};
use posthorn_domain::{Clock, EventDraft, Random, Scope, ShortText, Tenant};
use posthorn_runtime::{HttpFunction, Runtime, SettingsError, http_function};
use posthorn_storage::{EventOutbox, IdempotencyKeys};

struct App {
    access: Access,
    outbox: EventOutbox,
    idempotency: IdempotencyKeys,
    clock: Arc<dyn Clock>,
    random: Arc<dyn Random>,
}

pub(crate) fn function(runtime: &Runtime) -> Result<HttpFunction, SettingsError> {
    let app = App {
        access: runtime.access()?,
        outbox: runtime.events_queue()?,
        idempotency: runtime.idempotency_keys()?,
        clock: runtime.clock(),
        random: runtime.random(),
    };
    Ok(http_function(app, publish))
}

async fn publish(app: Arc<App>, request: Request) -> Result<Response, Problem> {
    let tenant = app.access.tenant(&request, &[Scope::EventsPublish]).await?;
    if request.last_segment() == "batch" {
        batch::publish_batch(&app, &tenant, &request).await
    } else {
        publish_one(&app, &tenant, &request).await
    }
}

async fn publish_one(app: &App, tenant: &Tenant, request: &Request) -> Result<Response, Problem> {
    let mut draft = request.fields(EventDraft::read)?;
    if draft.request.idempotency_key.is_none() {
        draft.request.idempotency_key = idempotency_key(request)?;
    }
    let publications = publication::publish(app, tenant, request, vec![Ok(draft)]).await;
    let publication = publications.into_iter().next().expect("there is one for each draft")?;
    Ok(if publication.replayed { replayed(&publication.event) } else { accepted(&publication.event) })
}

/// The header `Idempotency-Key`.
fn idempotency_key(request: &Request) -> Result<Option<ShortText>, Problem> {
    let key = request
        .header("Idempotency-Key")?
        .map(|key| key.parse().map_err(|invalid| Problem::param("Idempotency-Key", invalid)));
    key.transpose()
}
