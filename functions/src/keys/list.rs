//! `GET /api/keys`: lists an account's keys, the oldest first; for a platform key that names no account, platform keys.

use std::sync::Arc;

use posthorn_api::bodies::{KeyBody, ListBody};
use posthorn_api::{Access, Problem, Request, Response, ok};
use posthorn_domain::Scope;
use posthorn_runtime::{HttpFunction, Runtime, SettingsError, http_function};
use posthorn_storage::Grants;

struct App {
    access: Access,
    grants: Grants,
}

pub(crate) fn function(runtime: &Runtime) -> Result<HttpFunction, SettingsError> {
    let app = App { access: runtime.access()?, grants: runtime.grants()? };
    Ok(http_function(app, list_keys))
}

async fn list_keys(app: Arc<App>, request: Request) -> Result<Response, Problem> {
    let principal = app.access.principal(&request, &[Scope::KeysWrite]).await?;
    request.allow_query(&[])?;
    let keys = app.grants.list(principal.account.as_ref()).await?.into_iter();
    let seen = keys.filter(|(_, grant)| principal.sees(grant));
    Ok(ok(&ListBody::new(seen.map(|(credential, grant)| KeyBody::new(credential, grant)).collect())))
}
