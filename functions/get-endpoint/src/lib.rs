//! `GET /api/webhook-endpoints/{id}`: reads a webhook endpoint.

use std::sync::Arc;

use posthorn_api::{EndpointsApi, Problem, Request, Response, ok};
use posthorn_domain::WholeEndpoint;
use posthorn_runtime::{HttpFunction, Runtime, SettingsError, http_function};
use serde::Serialize;

/// The function, as its environment sets it up.
pub fn function(runtime: &Runtime) -> Result<HttpFunction, SettingsError> {
    Ok(http_function(runtime.endpoints_api()?, get_endpoint))
}

/// The endpoint, and what kind of thing it is.
#[derive(Serialize)]
struct ReadEndpoint {
    #[serde(flatten)]
    endpoint: WholeEndpoint,
    object: &'static str,
}

async fn get_endpoint(app: Arc<EndpointsApi>, request: Request) -> Result<Response, Problem> {
    let tenant = app.access.tenant(&request).await?;
    let id = request.endpoint_id()?;
    let endpoint = app.endpoints.get(&tenant, id).await?.ok_or_else(|| Problem::no_endpoint(id))?;
    Ok(ok(&ReadEndpoint { endpoint: endpoint.into(), object: "webhook_endpoint" }))
}
