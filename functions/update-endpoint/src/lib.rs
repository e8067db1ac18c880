//! `PUT /api/webhook-endpoints/{id}`: changes a webhook endpoint.

use std::sync::Arc;

use posthorn_api::{Problem, RegistrationApi, Request, Response, ok};
use posthorn_domain::{EndpointEdit, Scope, WholeEndpoint};
use posthorn_runtime::{HttpFunction, Runtime, SettingsError, http_function};

/// The function, as its environment sets it up.
pub fn function(runtime: &Runtime) -> Result<HttpFunction, SettingsError> {
    Ok(http_function(runtime.registration_api()?, update_endpoint))
}

async fn update_endpoint(app: Arc<RegistrationApi>, request: Request) -> Result<Response, Problem> {
    let tenant = app.access.tenant(&request, &[Scope::EndpointsWrite]).await?;
    let id = request.endpoint_id()?;
    let edit = request.fields(EndpointEdit::read)?;
    if let Some(url) = edit.url() {
        app.guard.admit(url).map_err(|reason| Problem::param("url", reason))?;
    }
    let now = app.clock.now();
    let edited = |endpoint| Ok::<_, Problem>(edit.apply(endpoint, now));
    let endpoint = app.endpoints.update(&tenant, id, edited).await?;
    Ok(ok(&WholeEndpoint::from(endpoint.ok_or_else(|| Problem::no_endpoint(id))?)))
}
