//! The audit log.

use std::collections::HashMap;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::{AttributeValue, Put, TransactWriteItem};
use posthorn_domain::{AccountId, Actor, AuditEntry, AuditId, GrantId, Mode};
use serde::{Deserialize, Serialize};

use crate::error::StorageError;
use crate::items::find_first;
use crate::transaction::put_item;

/// The audit log, in the endpoints table: `pk = audit#{account}`, `sk = {entry id}`; for the platform itself, `pk =
/// audit#`. Entries of changes are written in the transactions of these changes. They expire after a year.
#[derive(Debug, Clone)]
pub struct AuditLog {
    client: Client,
    table: String,
}

impl AuditLog {
    /// Uses the audit log in this table.
    pub fn new(client: Client, table: String) -> Self {
        Self { client, table }
    }

    /// Adds an entry for something that writes nothing itself.
    pub async fn add(&self, entry: &AuditEntry) -> Result<(), StorageError> {
        let put = self.client.put_item().table_name(&self.table).set_item(Some(AuditRow::item(entry)));
        put.send().await.map_err(StorageError::from_call("PutItem")).map(drop)
    }

    /// Returns an account's entries, or those of the platform itself, the latest first, at most `most`: those before the
    /// entry `before`, if it is given, and those of this mode and of no mode, if one is given. Leaves out rows that cannot be read.
    pub async fn list(
        &self,
        account: Option<&AccountId>,
        mode: Option<Mode>,
        before: Option<AuditId>,
        most: usize,
    ) -> Result<Vec<AuditEntry>, StorageError> {
        let last = before.map_or_else(|| "aud_~".to_owned(), |id| id.to_string());
        let query = self
            .client
            .query()
            .table_name(&self.table)
            .key_condition_expression("pk = :pk AND sk BETWEEN :first AND :last")
            .expression_attribute_values(":pk", AttributeValue::S(partition(account)))
            .expression_attribute_values(":first", AttributeValue::S("aud_".to_owned()))
            .expression_attribute_values(":last", AttributeValue::S(last))
            .scan_index_forward(false)
            .limit(i32::try_from(most).unwrap_or(i32::MAX));
        let is_asked = |entry: &AuditEntry| {
            Some(entry.id) != before && (mode.is_none() || entry.mode.is_none() || entry.mode == mode)
        };
        find_first(query, most, AuditRow::read, is_asked).await
    }
}

/// Returns the write of an entry, for the transaction of the change.
pub(crate) fn write(table: &str, entry: &AuditEntry) -> TransactWriteItem {
    put_item(Put::builder().table_name(table).set_item(Some(AuditRow::item(entry))))
}

fn partition(account: Option<&AccountId>) -> String {
    format!("audit#{}", account.map_or("", AccountId::as_str))
}

/// The attributes of an entry's row. `ttl` is in seconds since the Unix epoch.
#[derive(Serialize, Deserialize)]
struct AuditRow {
    pk: String,
    sk: AuditId,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    account: Option<AccountId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    livemode: Option<Mode>,
    actor_kind: String,
    actor: GrantId,
    action: String,
    target: String,
    request_id: String,
    ttl: i64,
}

impl AuditRow {
    fn item(entry: &AuditEntry) -> HashMap<String, AttributeValue> {
        let row = Self {
            pk: partition(entry.account.as_ref()),
            sk: entry.id,
            account: entry.account.clone(),
            livemode: entry.mode,
            actor_kind: entry.actor.kind.to_string(),
            actor: entry.actor.id,
            action: entry.action.to_string(),
            target: entry.target.clone(),
            request_id: entry.request_id.clone(),
            ttl: entry.at().plus(AuditEntry::KEPT).as_seconds(),
        };
        serde_dynamo::to_item(row).expect("texts and numbers are attributes")
    }

    fn read(item: HashMap<String, AttributeValue>) -> Result<AuditEntry, StorageError> {
        let row: Self =
            serde_dynamo::from_item(item).map_err(|error| StorageError::corrupt("audit#…", error))?;
        let corrupt = |reason| StorageError::corrupt(&row.sk.to_string(), reason);
        Ok(AuditEntry {
            id: row.sk,
            account: row.account,
            mode: row.livemode,
            actor: Actor { kind: row.actor_kind.parse().map_err(corrupt)?, id: row.actor },
            action: row.action.parse().map_err(corrupt)?,
            target: row.target,
            request_id: row.request_id,
        })
    }
}
