//! `POST /api/webhook-endpoints`: registers a webhook endpoint.

use std::sync::Arc;

use posthorn_api::{Problem, RegistrationApi, Request, Response, created};
use posthorn_domain::{NewEndpoint, Scope, WholeEndpoint};
use posthorn_runtime::{HttpFunction, Runtime, SettingsError, http_function};
use serde::Serialize;

/// The function, as its environment sets it up.
pub fn function(runtime: &Runtime) -> Result<HttpFunction, SettingsError> {
    Ok(http_function(runtime.registration_api()?, create_endpoint))
}

/// The new endpoint, and its signing secret.
#[derive(Serialize)]
struct CreatedEndpoint {
    #[serde(flatten)]
    endpoint: WholeEndpoint,
    secret: String,
}

async fn create_endpoint(app: Arc<RegistrationApi>, request: Request) -> Result<Response, Problem> {
    let tenant = app.access.tenant(&request, &[Scope::EndpointsWrite]).await?;
    let new = request.fields(NewEndpoint::read)?;
    let endpoint = new.register(&tenant, app.clock.now(), app.random.as_ref());
    app.guard.admit(&endpoint.url).map_err(|reason| Problem::param("url", reason))?;
    app.endpoints.create(&tenant, &endpoint, app.max_endpoints).await?;
    Ok(created(&CreatedEndpoint { secret: endpoint.secret.reveal(), endpoint: endpoint.into() }))
}
