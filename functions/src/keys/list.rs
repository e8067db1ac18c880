//! `GET /api/keys`: lists an account's keys, the oldest first; for a platform key that names no account, platform keys.

use std::sync::Arc;

use posthorn_api::bodies::KeyBody;
use posthorn_api::{
    Access, LogPageBuilder, MAX_LOOKED_AT, Problem, Request, Response, key_window, ok, sized,
};
use posthorn_domain::{GrantId, KeyId, Scope};
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
    let window = key_window(&request)?;
    let after = window.after().copied();
    let account = principal.account.as_ref();
    let found = app.grants.page(account, after, window.limit() + 1, |grant| principal.sees(grant)).await?;
    let mut page: LogPageBuilder<KeyId, KeyBody> = LogPageBuilder::new(window, MAX_LOOKED_AT);
    for (credential, grant) in found {
        if let GrantId::Key(id) = grant.id {
            page.offer(id, || sized(KeyBody::new(credential, grant)));
        }
    }
    Ok(ok(&page.finish()?))
}
