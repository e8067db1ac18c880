//! `GET /api/webhook-endpoints/{id}/recover/{task_id}`: shows a recovery's progress.

use std::sync::Arc;

use posthorn_api::bodies::RecoveryBody;
use posthorn_api::{Access, Problem, Request, Response, ok};
use posthorn_domain::Scope;
use posthorn_runtime::{HttpFunction, Runtime, SettingsError, http_function};
use posthorn_storage::Recoveries;

struct App {
    access: Access,
    recoveries: Recoveries,
}

pub(crate) fn function(runtime: &Runtime) -> Result<HttpFunction, SettingsError> {
    let app = App { access: runtime.access()?, recoveries: runtime.recoveries()? };
    Ok(http_function(app, get_recovery))
}

async fn get_recovery(app: Arc<App>, request: Request) -> Result<Response, Problem> {
    let tenant = app.access.tenant(&request, &[Scope::EndpointsRead]).await?;
    let (endpoint_id, id) = (request.endpoint_id()?, request.recovery_id()?);
    let recovery = app.recoveries.get(&tenant, id).await?;
    let recovery = recovery.filter(|recovery| recovery.endpoint_id == endpoint_id);
    Ok(ok(&RecoveryBody::from(recovery.ok_or_else(|| Problem::no_recovery(id))?)))
}
