//! `GET /api/audit`: lists who changed what in an account, the latest first; for a platform key that names no account, what
//! concerns the platform itself.

use std::sync::Arc;

use posthorn_api::bodies::AuditEntryBody;
use posthorn_api::{
    Access, LogPageBuilder, MAX_LOOKED_AT, Problem, Request, Response, audit_window, ok, sized,
};
use posthorn_domain::{AuditId, Scope};
use posthorn_runtime::{HttpFunction, Runtime, SettingsError, http_function};
use posthorn_storage::AuditLog;

struct App {
    access: Access,
    audit: AuditLog,
}

pub(crate) fn function(runtime: &Runtime) -> Result<HttpFunction, SettingsError> {
    let app = App { access: runtime.access()?, audit: runtime.audit_log()? };
    Ok(http_function(app, list_audit))
}

async fn list_audit(app: Arc<App>, request: Request) -> Result<Response, Problem> {
    let principal = app.access.principal(&request, &[Scope::AuditRead]).await?;
    let window = audit_window(&request)?;
    let before = window.after().copied();
    let (account, mode) = (principal.account.as_ref(), principal.grant.reach.mode());
    let found = app.audit.list(account, mode, before, window.limit() + 1).await?;
    let mut page: LogPageBuilder<AuditId, AuditEntryBody> = LogPageBuilder::new(window, MAX_LOOKED_AT);
    for entry in found {
        page.offer(entry.id, || sized(AuditEntryBody::from(entry)));
    }
    Ok(ok(&page.finish()?))
}
