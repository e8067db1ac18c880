//! `GET /api/webhook-endpoints/{id}`: reads a webhook endpoint and its last attempts.

use std::sync::Arc;

use posthorn_api::bodies::{EndpointBody, EndpointWithAttemptsBody};
use posthorn_api::{Access, Expansion, Problem, Request, Response, last_attempts, ok};
use posthorn_domain::Scope;
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

async fn get_endpoint(app: Arc<App>, request: Request) -> Result<Response, Problem> {
    let caller = app.access.caller(&request, &[Scope::EndpointsRead]).await?;
    let id = request.endpoint_id()?;
    let endpoint = app.endpoints.get(&caller.tenant, id).await?.ok_or_else(|| Problem::no_endpoint(id))?;
    if request.is_signed() {
        let expansion = Expansion { log: &app.log, caller: &caller };
        return Ok(ok(&expansion.one(endpoint).await?));
    }
    let attempts = if caller.may(Scope::EventsRead) {
        last_attempts(&app.log, &caller.tenant, &endpoint).await?
    } else {
        Vec::new()
    };
    let endpoint = EndpointBody::for_caller(&caller, endpoint);
    Ok(ok(&EndpointWithAttemptsBody::new(endpoint, attempts)))
}
