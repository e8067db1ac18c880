//! `GET /api/webhook-endpoints/{id}/secret`: shows a webhook endpoint's signing secret.

use std::sync::Arc;

use posthorn_api::bodies::SecretBody;
use posthorn_api::{Access, Problem, Request, Response, ok};
use posthorn_domain::Scope;
use posthorn_runtime::{HttpFunction, Runtime, SettingsError, http_function};
use posthorn_storage::EndpointStore;

struct App {
    access: Access,
    endpoints: EndpointStore,
}

pub(crate) fn function(runtime: &Runtime) -> Result<HttpFunction, SettingsError> {
    let app = App { access: runtime.access()?, endpoints: runtime.endpoints()? };
    Ok(http_function(app, get_secret))
}

async fn get_secret(app: Arc<App>, request: Request) -> Result<Response, Problem> {
    let tenant = app.access.tenant(&request, &[Scope::SecretsRead]).await?;
    let id = request.endpoint_id()?;
    let endpoint = app.endpoints.get(&tenant, id).await?.ok_or_else(|| Problem::no_endpoint(id))?;
    Ok(ok(&SecretBody { secret: endpoint.secret.reveal() }))
}
