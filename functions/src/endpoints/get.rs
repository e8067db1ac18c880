//! `GET /api/webhook-endpoints/{id}`: reads a webhook endpoint and its last attempts.

use std::sync::Arc;

use posthorn_api::bodies::{AttemptBody, EndpointBody, EndpointWithAttemptsBody};
use posthorn_api::{Access, Problem, Request, Response, Window, attempts_at, ok};
use posthorn_domain::{Endpoint, Scope, Tenant};
use posthorn_runtime::{HttpFunction, Runtime, SettingsError, http_function};
use posthorn_storage::{EndpointStore, EventLog};

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
pub(crate) const ATTEMPTS: usize = 5;
/// How many events are examined for them. An endpoint without recent events shows no attempts.
const LOOK_AT_MOST: usize = 25;

async fn get_endpoint(app: Arc<App>, request: Request) -> Result<Response, Problem> {
    let caller = app.access.caller(&request, &[Scope::EndpointsRead]).await?;
    let id = request.endpoint_id()?;
    let endpoint = app.endpoints.get(&caller.tenant, id).await?.ok_or_else(|| Problem::no_endpoint(id))?;
    let attempts = if caller.may(Scope::EventsRead) {
        last_attempts(&app, &caller.tenant, &endpoint).await?
    } else {
        Vec::new()
    };
    let endpoint = EndpointBody::for_caller(&caller, endpoint);
    Ok(ok(&EndpointWithAttemptsBody::new(endpoint, attempts)))
}

async fn last_attempts(app: &App, tenant: &Tenant, endpoint: &Endpoint) -> Result<Vec<AttemptBody>, Problem> {
    let window = Window::First { limit: ATTEMPTS };
    Ok(attempts_at(&app.log, tenant, endpoint, None, window, LOOK_AT_MOST).await?.list)
}
