//! `DELETE /api/sessions`: ends all portal sessions of an account, within 30 seconds.

use std::sync::Arc;

use posthorn_api::bodies::EndedSessionsBody;
use posthorn_api::{Access, Problem, Request, Response, ok};
use posthorn_domain::{AccountId, AuditAction, Scope};
use posthorn_runtime::{HttpFunction, Runtime, SettingsError, http_function};
use posthorn_storage::Sessions;

struct App {
    access: Access,
    sessions: Sessions,
}

pub(crate) fn function(runtime: &Runtime) -> Result<HttpFunction, SettingsError> {
    let app = App { access: runtime.access()?, sessions: runtime.sessions()? };
    Ok(http_function(app, end_sessions))
}

async fn end_sessions(app: Arc<App>, request: Request) -> Result<Response, Problem> {
    let principal = app.access.principal(&request, &[Scope::KeysWrite]).await?;
    request.allow_query(&["account"])?;
    let principal = principal.acting_for(request.query_as::<AccountId>("account")?)?;
    let account = principal.account.as_ref();
    let target = account.map_or("platform", AccountId::as_str);
    let entry = principal.entry(&principal.reach(), AuditAction::SessionsEnded, target);
    let ended = app.sessions.end_all(account, principal.grant.reach.mode(), Some(&entry)).await?;
    Ok(ok(&EndedSessionsBody { ended }))
}
