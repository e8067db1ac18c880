//! Accounts.

use std::collections::HashMap;
use std::time::Duration;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::{AttributeValue, Delete, Put, TransactWriteItem, Update};
use posthorn_domain::{
    Account, AccountId, AccountStatus, AuditEntry, Deletion, GrantId, KeptMetadata, Metadata, ShortText,
    Timestamp,
};
use serde::{Deserialize, Serialize};

use crate::audit_log;
use crate::codec::read_json;
use crate::error::StorageError;
use crate::items::{find_first, millis, primary_key};
use crate::transaction::{delete_item, put_item, retrying, transact, update_item};

/// The partition key of all accounts' rows, so that they are listed in the order of their ids. A row is written with each
/// endpoint, key and session that is added to its account.
const ACCOUNTS: &str = "accounts";
/// The partition key of the list of accounts that are being deleted.
const DELETIONS: &str = "deletions";
/// How long a deleted account is shown.
const SHOWN: Duration = Duration::from_hours(30 * 24);

/// The accounts, in the endpoints table: `pk = accounts`, `sk = {account}`. Those that are being deleted are listed under `pk
/// = deletions`, `sk = {account}`.
#[derive(Debug, Clone)]
pub struct Accounts {
    client: Client,
    table: String,
}

impl Accounts {
    /// Uses the accounts in this table.
    pub fn new(client: Client, table: String) -> Self {
        Self { client, table }
    }

    /// Returns an account; `None` if it has never existed. The read is consistent.
    pub async fn get(&self, id: &AccountId) -> Result<Option<Account>, StorageError> {
        Ok(self.read(id).await?.map(|(account, _)| account))
    }

    /// Returns an account and its row's version.
    async fn read(&self, id: &AccountId) -> Result<Option<(Account, u64)>, StorageError> {
        let get = self.client.get_item().table_name(&self.table).set_key(Some(key(id))).consistent_read(true);
        let answer = get.send().await.map_err(StorageError::from_call("GetItem"))?;
        answer.item.map(AccountRow::read).transpose()
    }

    /// Returns accounts in the order of their ids, at most `most`: those whose ids begin with `prefix` and come after
    /// `after`. Leaves out deleted ones and rows that cannot be read.
    pub async fn list(
        &self,
        prefix: &str,
        after: Option<&AccountId>,
        most: usize,
    ) -> Result<Vec<Account>, StorageError> {
        // No id begins with a lower character.
        let first = if prefix.is_empty() { "-" } else { prefix };
        let first = after.map_or(first, |after| first.max(after.as_str()));
        let last = format!("{prefix}~");
        if first > last.as_str() {
            return Ok(Vec::new());
        }
        let query = self
            .client
            .query()
            .table_name(&self.table)
            .key_condition_expression("pk = :pk AND sk BETWEEN :first AND :last")
            .expression_attribute_values(":pk", AttributeValue::S(ACCOUNTS.to_owned()))
            .expression_attribute_values(":first", AttributeValue::S(first.to_owned()))
            .expression_attribute_values(":last", AttributeValue::S(last))
            .limit(i32::try_from(most).unwrap_or(i32::MAX));
        let read = |item| AccountRow::read(item).map(|(account, _)| account);
        let is_asked =
            |account: &Account| account.status() != AccountStatus::Deleted && Some(&account.id) != after;
        find_first(query, most, read, is_asked).await
    }

    /// Writes an account as `edit` makes it of what is on record, `None` if nothing is, and returns it. If it was written
    /// meanwhile, `edit` is applied to the result. If `edit` returns an error or changes nothing, nothing is written.
    pub async fn update<E: From<StorageError>>(
        &self,
        id: &AccountId,
        audit: Option<&AuditEntry>,
        edit: impl Fn(Option<Account>) -> Result<Account, E>,
    ) -> Result<Account, E> {
        let attempt = || async {
            let (found, version) = self.read(id).await?.unzip();
            let account = match edit(found.clone()) {
                Ok(account) if found.as_ref() == Some(&account) => return Ok(Ok(account)),
                Ok(account) => account,
                Err(refusal) => return Ok(Err(refusal)),
            };
            let item = AccountRow::item(&account, version.unwrap_or(0) + 1);
            let put = Put::builder().table_name(&self.table).set_item(Some(item));
            let put = match version {
                None => put.condition_expression("attribute_not_exists(pk)"),
                Some(version) => put
                    .condition_expression("version = :version")
                    .expression_attribute_values(":version", AttributeValue::N(version.to_string())),
            };
            let audit = audit.map(|entry| audit_log::write(&self.table, entry));
            let listed = self.listed(found.as_ref(), &account);
            let writes = [put_item(put)].into_iter().chain(listed).chain(audit).collect();
            let failed = transact(&self.client, writes).await?;
            if failed.is_empty() { Ok(Ok(account)) } else { Err(StorageError::Conflict) }
        };
        retrying(attempt).await?
    }

    /// Returns the change to the list of accounts that are being deleted; `None` if there is none.
    fn listed(&self, before: Option<&Account>, after: &Account) -> Option<TransactWriteItem> {
        let is_listed = |account: &Account| account.status() == AccountStatus::Deleting;
        let key = primary_key(DELETIONS, after.id.as_str());
        match (before.is_some_and(is_listed), is_listed(after)) {
            (false, true) => Some(put_item(Put::builder().table_name(&self.table).set_item(Some(key)))),
            (true, false) => Some(delete_item(Delete::builder().table_name(&self.table).set_key(Some(key)))),
            _ => None,
        }
    }

    /// Returns the accounts that are being deleted.
    pub async fn in_deletion(&self) -> Result<Vec<AccountId>, StorageError> {
        let mut pages = self
            .client
            .query()
            .table_name(&self.table)
            .key_condition_expression("pk = :pk")
            .expression_attribute_values(":pk", AttributeValue::S(DELETIONS.to_owned()))
            .into_paginator()
            .items()
            .send();
        let mut accounts = Vec::new();
        while let Some(item) = pages.next().await {
            let item = item.map_err(StorageError::from_call("Query"))?;
            let id = item.get("sk").and_then(|sk| sk.as_s().ok()).and_then(|sk| sk.parse().ok());
            accounts.push(id.ok_or_else(|| StorageError::corrupt(DELETIONS, "an entry names no account"))?);
        }
        Ok(accounts)
    }
}

/// Returns the write by which an account comes to exist with the first thing that belongs to it, for the transaction that
/// adds the thing. Its condition fails from the request for the account's deletion on: a function may know a deleted key for a
/// while. Only a platform creates the account again.
pub(crate) fn touch(table: &str, id: &AccountId, now: Timestamp) -> TransactWriteItem {
    let update = Update::builder()
        .table_name(table)
        .set_key(Some(key(id)))
        .update_expression(
            "SET created_at = if_not_exists(created_at, :now), updated_at = if_not_exists(updated_at, :now) \
             ADD version :one",
        )
        .condition_expression("attribute_not_exists(deletion)")
        .expression_attribute_values(":now", millis(now))
        .expression_attribute_values(":one", AttributeValue::N("1".to_owned()));
    update_item(update)
}

fn key(id: &AccountId) -> HashMap<String, AttributeValue> {
    primary_key(ACCOUNTS, id.as_str())
}

/// The attributes of an account's row. Times are milliseconds since the Unix epoch, except `ttl`, which is in seconds.
#[derive(Serialize, Deserialize)]
struct AccountRow {
    pk: String,
    sk: AccountId,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    name: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    metadata: Option<String>,
    created_at: i64,
    updated_at: i64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    deletion: Option<DeletionItem>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    ttl: Option<i64>,
    version: u64,
}

#[derive(Serialize, Deserialize)]
struct DeletionItem {
    requested_at: i64,
    requested_by: GrantId,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    completed_at: Option<i64>,
    endpoints: u64,
    keys: u64,
    sessions: u64,
}

impl AccountRow {
    fn item(account: &Account, version: u64) -> HashMap<String, AttributeValue> {
        let metadata = account.metadata.as_json();
        let completed_at = account.deletion.and_then(|deletion| deletion.completed_at);
        let row = Self {
            pk: ACCOUNTS.to_owned(),
            sk: account.id.clone(),
            name: account.name.as_str().to_owned(),
            metadata: (metadata != Metadata::default().as_json()).then(|| metadata.to_owned()),
            created_at: account.created_at.as_millis(),
            updated_at: account.updated_at.as_millis(),
            deletion: account.deletion.map(DeletionItem::from),
            ttl: completed_at.map(|at| at.plus(SHOWN).as_seconds()),
            version,
        };
        serde_dynamo::to_item(row).expect("texts and numbers are attributes")
    }

    fn read(item: HashMap<String, AttributeValue>) -> Result<(Account, u64), StorageError> {
        let row: Self =
            serde_dynamo::from_item(item).map_err(|error| StorageError::corrupt(ACCOUNTS, error))?;
        let corrupt = |reason| StorageError::corrupt(&format!("{ACCOUNTS}/{}", row.sk), reason);
        let name: ShortText = row.name.parse().map_err(corrupt)?;
        let metadata = row.metadata.as_deref().map(read_json::<KeptMetadata>).transpose().map_err(corrupt)?;
        let account = Account {
            name,
            metadata: metadata.map_or_else(Metadata::default, Metadata::from),
            created_at: Timestamp::from_millis(row.created_at),
            updated_at: Timestamp::from_millis(row.updated_at),
            deletion: row.deletion.map(Deletion::from),
            id: row.sk,
        };
        Ok((account, row.version))
    }
}

impl From<Deletion> for DeletionItem {
    fn from(deletion: Deletion) -> Self {
        Self {
            requested_at: deletion.requested_at.as_millis(),
            requested_by: deletion.requested_by,
            completed_at: deletion.completed_at.map(Timestamp::as_millis),
            endpoints: deletion.endpoints,
            keys: deletion.keys,
            sessions: deletion.sessions,
        }
    }
}

impl From<DeletionItem> for Deletion {
    fn from(item: DeletionItem) -> Self {
        Self {
            requested_at: Timestamp::from_millis(item.requested_at),
            requested_by: item.requested_by,
            completed_at: item.completed_at.map(Timestamp::from_millis),
            endpoints: item.endpoints,
            keys: item.keys,
            sessions: item.sessions,
        }
    }
}
