//! `DELETE /api/accounts/{id}?confirm={id}`: requests the deletion of an account: its keys and endpoints. Its events expire.

use std::sync::Arc;

use posthorn_api::bodies::AccountBody;
use posthorn_api::{Access, Problem, Request, Response, accepted};
use posthorn_domain::{Account, AccountStatus, AuditAction, Clock, Deletion, Reach, Scope};
use posthorn_runtime::{HttpFunction, Runtime, SettingsError, http_function};
use posthorn_storage::Accounts;

struct App {
    access: Access,
    accounts: Accounts,
    clock: Arc<dyn Clock>,
}

pub(crate) fn function(runtime: &Runtime) -> Result<HttpFunction, SettingsError> {
    let app = App { access: runtime.access()?, accounts: runtime.accounts()?, clock: runtime.clock() };
    Ok(http_function(app, delete_account))
}

async fn delete_account(app: Arc<App>, request: Request) -> Result<Response, Problem> {
    let principal = app.access.principal(&request, &[Scope::AccountsWrite]).await?;
    request.allow_query(&["confirm"])?;
    let id = principal.account_in_path(&request)?;
    if request.query("confirm")?.as_deref() != Some(id.as_str()) {
        let detail = "To delete an account with all that belongs to it, add the query parameter `confirm` with the account's id.";
        return Err(Problem::missing_param("confirm", detail));
    }
    let requested_at = app.clock.now();
    let begun = |found: Option<Account>| match found {
        None => Err(Problem::no_account(&id)),
        Some(account) if account.status() == AccountStatus::Active => Ok(Account {
            updated_at: requested_at,
            deletion: Some(Deletion {
                requested_at,
                requested_by: principal.grant.id,
                completed_at: None,
                endpoints: 0,
                keys: 0,
                sessions: 0,
            }),
            ..account
        }),
        Some(account) => Ok(account),
    };
    let entry = principal.entry(&Reach::Account(id.clone()), AuditAction::AccountDeleted, &id);
    let account = app.accounts.update(&id, Some(&entry), begun).await?;
    Ok(accepted(&AccountBody::from(account)))
}
