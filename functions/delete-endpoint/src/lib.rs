//! `DELETE /api/webhook-endpoints/{id}`: removes a webhook endpoint.

use std::sync::Arc;

use posthorn_api::{EndpointsApi, Problem, Request, Response, ok};
use posthorn_domain::{Scope, WholeEndpoint};
use posthorn_runtime::{HttpFunction, Runtime, SettingsError, http_function};

/// The function, as its environment sets it up.
pub fn function(runtime: &Runtime) -> Result<HttpFunction, SettingsError> {
    Ok(http_function(runtime.endpoints_api()?, delete_endpoint))
}

async fn delete_endpoint(app: Arc<EndpointsApi>, request: Request) -> Result<Response, Problem> {
    let tenant = app.access.tenant(&request, &[Scope::EndpointsWrite]).await?;
    let id = request.endpoint_id()?;
    let endpoint = app.endpoints.delete(&tenant, id).await?;
    Ok(ok(&WholeEndpoint::from(endpoint.ok_or_else(|| Problem::no_endpoint(id))?)))
}
