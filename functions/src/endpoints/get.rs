//! `GET /api/webhook-endpoints/{id}`: reads a webhook endpoint and its last attempts.

use std::sync::Arc;

use posthorn_api::{Access, Problem, Request, Response, attempts_at, ok};
use posthorn_domain::{AttemptObject, Scope, WholeEndpoint, Window};
use posthorn_runtime::{HttpFunction, Runtime, SettingsError, http_function};
use posthorn_storage::{EndpointStore, EventLog};
use serde::Serialize;

struct App {
    access: Access,
    endpoints: EndpointStore,
    log: EventLog,
}

pub(crate) fn function(runtime: &Runtime) -> Result<HttpFunction, SettingsError> {
    let app = App { access: runtime.access()?, endpoints: runtime.endpoints()?, log: runtime.event_log()? };
    Ok(http_function(app, get_endpoint))
}

/// How many attempts are shown.
const ATTEMPTS: usize = 5;
/// How many events are looked at for them: an endpoint that has got none lately shows none.
const LOOK_AT_MOST: usize = 25;

/// The endpoint, what kind of thing it is, and the last attempts at it.
#[derive(Serialize)]
struct ReadEndpoint {
    #[serde(flatten)]
    endpoint: WholeEndpoint,
    object: &'static str,
    attempts: Vec<AttemptObject>,
}

async fn get_endpoint(app: Arc<App>, request: Request) -> Result<Response, Problem> {
    let tenant = app.access.tenant(&request, &[Scope::EndpointsRead]).await?;
    let id = request.endpoint_id()?;
    let endpoint = app.endpoints.get(&tenant, id).await?.ok_or_else(|| Problem::no_endpoint(id))?;
    let window = Window::Page { number: 1, size: ATTEMPTS };
    let attempts = attempts_at(&app.log, &tenant, &endpoint, None, window, LOOK_AT_MOST).await?.list;
    Ok(ok(&ReadEndpoint { endpoint: endpoint.into(), object: "webhook_endpoint", attempts }))
}
