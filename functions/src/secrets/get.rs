//! `GET /api/webhook-endpoints/{id}/secret`: shows a webhook endpoint's signing secret.

use std::sync::Arc;

use posthorn_api::bodies::SecretBody;
use posthorn_api::{Access, Problem, Request, Response, ok};
use posthorn_domain::{AuditAction, Scope};
use posthorn_runtime::{HttpFunction, Runtime, SettingsError, http_function};
use posthorn_storage::{AuditLog, EndpointStore};

struct App {
    access: Access,
    endpoints: EndpointStore,
    audit: AuditLog,
}

pub(crate) fn function(runtime: &Runtime) -> Result<HttpFunction, SettingsError> {
    let app = App { access: runtime.access()?, endpoints: runtime.endpoints()?, audit: runtime.audit_log()? };
    Ok(http_function(app, get_secret))
}

async fn get_secret(app: Arc<App>, request: Request) -> Result<Response, Problem> {
    let caller = app.access.caller(&request, &[Scope::SecretsRead]).await?;
    let id = request.endpoint_id()?;
    let endpoint = app.endpoints.get(&caller.tenant, id).await?.ok_or_else(|| Problem::no_endpoint(id))?;
    // Before the answer: whoever gets the secret is on record.
    app.audit.add(&caller.entry(AuditAction::SecretRead, id)).await?;
    Ok(ok(&SecretBody { secret: endpoint.secret.reveal() }))
}
