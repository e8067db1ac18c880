//! `POST /api/events` and `POST /api/events/batch`: accepts events.

mod batch;
mod idempotency;
mod publication;

use std::sync::Arc;

use posthorn_api::{Problem, PublishApi, Request, Response, accepted, replayed};
use posthorn_domain::{EventDraft, Scope, ShortText, Tenant};
use posthorn_runtime::{HttpFunction, Runtime, SettingsError, http_function};

/// The function, as its environment sets it up.
pub fn function(runtime: &Runtime) -> Result<HttpFunction, SettingsError> {
    Ok(http_function(runtime.publish_api()?, publish))
}

async fn publish(app: Arc<PublishApi>, request: Request) -> Result<Response, Problem> {
    let tenant = app.access.tenant(&request, &[Scope::EventsPublish]).await?;
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
