//! Deletes what belongs to accounts that are being deleted.

use std::sync::Arc;
use std::time::Duration;

use posthorn_domain::{
    Account, AccountId, Clock, Deletion, EndpointId, Metadata, Mode, RecoveryScope, ShortText, Tenant,
    Timestamp,
};
use posthorn_storage::{Accounts, EndpointStore, Grants, Sessions, StorageError};

use crate::release::Release;

/// The time that a call must have left to delete another key or endpoint.
const RESERVE: Duration = Duration::from_secs(5);

/// Deletes accounts' keys, portal sessions and endpoints.
pub struct Eraser {
    /// The accounts, among them those that are being deleted.
    pub accounts: Accounts,
    /// The accounts' keys.
    pub grants: Grants,
    /// The accounts' portal sessions.
    pub sessions: Sessions,
    /// The accounts' endpoints.
    pub endpoints: EndpointStore,
    /// Cancels what endpoints hold.
    pub release: Release,
    /// The clock.
    pub clock: Arc<dyn Clock>,
}

/// What was deleted of an account in one call.
#[derive(Debug, Default)]
struct Erased {
    keys: u64,
    sessions: u64,
    endpoints: u64,
    is_all: bool,
}

impl Eraser {
    /// Deletes what it can until `deadline`. The next call continues. What fails for one account does not stop the others.
    pub async fn erase(&self, deadline: Timestamp) -> Result<(), StorageError> {
        let mut failure = None;
        for account in self.accounts.in_deletion().await? {
            if deadline.since(self.clock.now()) < RESERVE {
                break;
            }
            let mut erased = Erased::default();
            let outcome = self.erase_account(&account, deadline, &mut erased).await;
            let noted = self.note(&account, &erased).await;
            if let Err(error) = outcome.and(noted) {
                tracing::error!(%account, error = &error as &dyn std::error::Error, "account not deleted yet");
                failure = Some(error);
            }
        }
        failure.map_or(Ok(()), Err)
    }

    /// Deletes keys and sessions first, so that nobody uses the account meanwhile.
    async fn erase_account(
        &self,
        account: &AccountId,
        deadline: Timestamp,
        erased: &mut Erased,
    ) -> Result<(), StorageError> {
        let has_time = || deadline.since(self.clock.now()) >= RESERVE;
        for (credential, grant) in self.grants.list(Some(account)).await? {
            if !has_time() {
                return Ok(());
            }
            self.grants.remove(&credential, &grant).await?;
            erased.keys += 1;
        }
        erased.sessions += self.sessions.end_all(Some(account), None, None).await?;
        let mut failure = None;
        for mode in [Mode::Live, Mode::Test] {
            let tenant = Tenant { account: account.clone(), mode };
            for outline in self.endpoints.outlines(&tenant).await? {
                if !has_time() {
                    return failure.map_or(Ok(()), Err);
                }
                match self.erase_endpoint(&tenant, outline.id).await {
                    Ok(()) => erased.endpoints += 1,
                    Err(error) => failure = Some(error),
                }
            }
            // A row that cannot be read is in no list.
            if self.endpoints.count(&tenant).await? > 0 && failure.is_none() {
                let reason = "an endpoint of an account that is being deleted cannot be read".to_owned();
                failure = Some(StorageError::Corrupt { key: tenant.to_string(), reason });
            }
        }
        erased.is_all = failure.is_none();
        failure.map_or(Ok(()), Err)
    }

    async fn erase_endpoint(&self, tenant: &Tenant, id: EndpointId) -> Result<(), StorageError> {
        if let Some(endpoint) = self.endpoints.get(tenant, id).await? {
            self.release.begin(tenant, &endpoint, RecoveryScope::Skipped).await?;
            self.endpoints.delete(tenant, id).await?;
        }
        Ok(())
    }

    /// Records how far the deletion has come. With its end, the account's name and metadata are gone, too.
    async fn note(&self, id: &AccountId, erased: &Erased) -> Result<(), StorageError> {
        let now = self.clock.now();
        let noted = |found: Option<Account>| {
            let account = found.ok_or_else(|| StorageError::Corrupt {
                key: id.to_string(),
                reason: "the account is gone, although it is being deleted".to_owned(),
            })?;
            let Some(deletion) = account.deletion else { return Ok(account) };
            let deletion = Deletion {
                keys: deletion.keys + erased.keys,
                sessions: deletion.sessions + erased.sessions,
                endpoints: deletion.endpoints + erased.endpoints,
                completed_at: erased.is_all.then_some(now),
                ..deletion
            };
            let noted = Account { deletion: Some(deletion), ..account };
            Ok::<_, StorageError>(if erased.is_all {
                Account {
                    name: ShortText::default(),
                    metadata: Metadata::default(),
                    updated_at: now,
                    ..noted
                }
            } else {
                noted
            })
        };
        self.accounts.update(id, None, noted).await.map(drop)
    }
}
