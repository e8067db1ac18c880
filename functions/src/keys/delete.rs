//! `DELETE /api/keys/{id}`: revokes a key. Functions refuse it within 30 seconds.

use std::sync::Arc;

use posthorn_api::bodies::KeyBody;
use posthorn_api::{Access, Problem, Request, Response, ok};
use posthorn_domain::{AuditAction, Clock, Grant, Scope};
use posthorn_runtime::{HttpFunction, Runtime, SettingsError, http_function};
use posthorn_storage::Grants;

struct App {
    access: Access,
    grants: Grants,
    clock: Arc<dyn Clock>,
}

pub(crate) fn function(runtime: &Runtime) -> Result<HttpFunction, SettingsError> {
    let app = App { access: runtime.access()?, grants: runtime.grants()?, clock: runtime.clock() };
    Ok(http_function(app, delete_key))
}

async fn delete_key(app: Arc<App>, request: Request) -> Result<Response, Problem> {
    let principal = app.access.principal(&request, &[Scope::KeysWrite]).await?;
    request.allow_query(&[])?;
    let id = request.key_id()?;
    let found =
        app.grants.get_key(principal.account.as_ref(), id).await?.filter(|(_, grant)| principal.sees(grant));
    let (credential, grant) = found.ok_or_else(|| Problem::no_key(id))?;
    let now = app.clock.now();
    let entry = principal.entry(&grant.reach, AuditAction::KeyRevoked, id);
    app.grants.revoke_found(&credential, now, &entry).await?;
    let revoked_at = grant.revoked_at.or(Some(now));
    Ok(ok(&KeyBody::new(credential, Grant { revoked_at, ..grant })))
}
