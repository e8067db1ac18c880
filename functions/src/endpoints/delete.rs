//! `DELETE /api/webhook-endpoints/{id}`: deletes a webhook endpoint.

use std::sync::Arc;

use posthorn_api::bodies::EndpointBody;
use posthorn_api::{Access, Problem, Request, Response, ok};
use posthorn_delivery::Release;
use posthorn_domain::{AuditAction, RecoveryScope, Scope};
use posthorn_runtime::{HttpFunction, Runtime, SettingsError, http_function};
use posthorn_storage::EndpointStore;

struct App {
    access: Access,
    endpoints: EndpointStore,
    release: Release,
}

pub(crate) fn function(runtime: &Runtime) -> Result<HttpFunction, SettingsError> {
    let app = App { access: runtime.access()?, endpoints: runtime.endpoints()?, release: runtime.release()? };
    Ok(http_function(app, delete_endpoint))
}

async fn delete_endpoint(app: Arc<App>, request: Request) -> Result<Response, Problem> {
    let caller = app.access.caller(&request, &[Scope::EndpointsWrite]).await?;
    let id = request.endpoint_id()?;
    let tenant = &caller.tenant;
    let endpoint = app.endpoints.get(tenant, id).await?.ok_or_else(|| Problem::no_endpoint(id))?;
    app.release.begin(tenant, &endpoint, RecoveryScope::Skipped).await?;
    let entry = caller.entry(AuditAction::EndpointDeleted, id);
    let endpoint =
        app.endpoints.audited(entry).delete(tenant, id).await?.ok_or_else(|| Problem::no_endpoint(id))?;
    Ok(ok(&EndpointBody::for_caller(&caller, endpoint)))
}
