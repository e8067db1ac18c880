//! `GET /api/accounts/{id}`: reads an account, and how many endpoints it has.

use std::sync::Arc;

use posthorn_api::bodies::CountedAccountBody;
use posthorn_api::{Access, Problem, Request, Response, ok};
use posthorn_domain::{Mode, Scope, Tenant};
use posthorn_runtime::{HttpFunction, Runtime, SettingsError, http_function};
use posthorn_storage::{Accounts, EndpointStore};

struct App {
    access: Access,
    accounts: Accounts,
    endpoints: EndpointStore,
}

pub(crate) fn function(runtime: &Runtime) -> Result<HttpFunction, SettingsError> {
    let app =
        App { access: runtime.access()?, accounts: runtime.accounts()?, endpoints: runtime.endpoints()? };
    Ok(http_function(app, get_account))
}

async fn get_account(app: Arc<App>, request: Request) -> Result<Response, Problem> {
    let principal = app.access.principal(&request, &[Scope::AccountsRead]).await?;
    request.allow_query(&[])?;
    let id = principal.account_in_path(&request)?;
    let account = app.accounts.get(&id).await?.ok_or_else(|| Problem::no_account(&id))?;
    let count = async |mode| {
        let tenant = Tenant { account: id.clone(), mode };
        app.endpoints.count(&tenant).await
    };
    let (live, test) = (count(Mode::Live).await?, count(Mode::Test).await?);
    Ok(ok(&CountedAccountBody::new(account, live, test)))
}
