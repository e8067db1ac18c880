//! `GET /api/accounts`: lists accounts in the order of their ids.

use std::sync::Arc;

use posthorn_api::bodies::AccountBody;
use posthorn_api::{
    Access, LogPageBuilder, MAX_LOOKED_AT, Problem, Request, Response, account_listing, ok, sized,
};
use posthorn_domain::{AccountId, Scope};
use posthorn_runtime::{HttpFunction, Runtime, SettingsError, http_function};
use posthorn_storage::Accounts;

struct App {
    access: Access,
    accounts: Accounts,
}

pub(crate) fn function(runtime: &Runtime) -> Result<HttpFunction, SettingsError> {
    let app = App { access: runtime.access()?, accounts: runtime.accounts()? };
    Ok(http_function(app, list_accounts))
}

async fn list_accounts(app: Arc<App>, request: Request) -> Result<Response, Problem> {
    let principal = app.access.principal(&request, &[Scope::AccountsRead]).await?;
    principal.require_platform()?;
    let listing = account_listing(&request)?;
    let window = &listing.window;
    let found = app.accounts.list(&listing.prefix, window.after(), window.limit() + 1).await?;
    let mut page: LogPageBuilder<AccountId, AccountBody> = LogPageBuilder::new(listing.window, MAX_LOOKED_AT);
    for account in found {
        page.offer(account.id.clone(), || sized(AccountBody::from(account)));
    }
    Ok(ok(&page.finish()?))
}
