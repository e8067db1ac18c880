//! `POST /api/webhook-endpoints/{id}/secret/rotate`: replaces a webhook endpoint's signing secret.

use std::sync::Arc;

use posthorn_api::bodies::RotatedSecretBody;
use posthorn_api::{Access, Problem, Request, Response, ok};
use posthorn_domain::{AuditAction, Clock, Random, Scope, SecretRotation};
use posthorn_runtime::{HttpFunction, Runtime, SettingsError, http_function};
use posthorn_storage::EndpointStore;

struct App {
    access: Access,
    endpoints: EndpointStore,
    clock: Arc<dyn Clock>,
    random: Arc<dyn Random>,
}

pub(crate) fn function(runtime: &Runtime) -> Result<HttpFunction, SettingsError> {
    let app = App {
        access: runtime.access()?,
        endpoints: runtime.endpoints()?,
        clock: runtime.clock(),
        random: runtime.random(),
    };
    Ok(http_function(app, rotate_secret))
}

async fn rotate_secret(app: Arc<App>, request: Request) -> Result<Response, Problem> {
    let caller = app.access.caller(&request, &[Scope::EndpointsWrite, Scope::SecretsRead]).await?;
    let tenant = &caller.tenant;
    let id = request.endpoint_id()?;
    let rotation =
        request.optional_fields(tenant.mode, |fields| SecretRotation::read(fields, app.random.as_ref()))?;
    let now = app.clock.now();
    let rotated = |endpoint| rotation.apply(endpoint, now).map_err(Problem::from);
    let entry = caller.entry(AuditAction::SecretRotated, id);
    let endpoint = app.endpoints.audited(entry).update(tenant, id, rotated).await?;
    let endpoint = endpoint.ok_or_else(|| Problem::no_endpoint(id))?;
    let previous_secret_expires_at = endpoint.retired_secrets.last().map(|retired| retired.until);
    Ok(ok(&RotatedSecretBody { secret: endpoint.secret.reveal(), previous_secret_expires_at }))
}
