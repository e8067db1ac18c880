//! `PUT /api/accounts/{id}`: creates an account, or changes its name and metadata.

use std::sync::Arc;

use posthorn_api::bodies::AccountBody;
use posthorn_api::{Access, Problem, Request, Response, ok};
use posthorn_domain::{Account, AccountEdit, AccountStatus, AuditAction, Clock, Reach, Scope};
use posthorn_runtime::{HttpFunction, Runtime, SettingsError, http_function};
use posthorn_storage::{Accounts, StorageError};

struct App {
    access: Access,
    accounts: Accounts,
    clock: Arc<dyn Clock>,
}

pub(crate) fn function(runtime: &Runtime) -> Result<HttpFunction, SettingsError> {
    let app = App { access: runtime.access()?, accounts: runtime.accounts()?, clock: runtime.clock() };
    Ok(http_function(app, put_account))
}

async fn put_account(app: Arc<App>, request: Request) -> Result<Response, Problem> {
    let principal = app.access.principal(&request, &[Scope::AccountsWrite]).await?;
    request.allow_query(&[])?;
    let id = principal.account_in_path(&request)?;
    let edit = request.plain_fields(AccountEdit::read)?;
    let now = app.clock.now();
    let entry = principal.entry(&Reach::Account(id.clone()), AuditAction::AccountUpdated, &id);
    let edited = |found: Option<Account>| match found.map(|account| (account.status(), account)) {
        Some((AccountStatus::Deleting, _)) => Err(Problem::from(StorageError::AccountDeleted)),
        Some((AccountStatus::Active, account)) => Ok(edit.clone().apply(account, now)),
        Some((AccountStatus::Deleted, _)) | None => {
            Ok(edit.clone().apply(Account::new(id.clone(), now), now))
        }
    };
    let account = app.accounts.update(&id, Some(&entry), edited).await?;
    Ok(ok(&AccountBody::from(account)))
}
