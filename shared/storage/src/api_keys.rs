//! API keys.

use std::collections::{BTreeSet, HashMap};

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::{AttributeValue, Put, TransactWriteItem};
use futures::future::try_join_all;
use posthorn_domain::{AccountId, ApiKey, KeyGrant, KeyId, Mode, Scope, ShortText, Timestamp};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::error::StorageError;
use crate::error::canceled_at;
use crate::written::Written;

/// The sort key of a key's own row.
const GRANT: &str = "key";
const DAY_MILLIS: i64 = 86_400_000;

/// The SHA-256 of an API key. The key itself is stored nowhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct KeyHash([u8; 32]);

impl KeyHash {
    /// Returns the hash of a key.
    pub fn of(key: &str) -> Self {
        Self(Sha256::digest(key.as_bytes()).into())
    }

    fn hex(self) -> String {
        hex::encode(self.0)
    }
}

impl From<&ApiKey> for KeyHash {
    fn from(key: &ApiKey) -> Self {
        Self::of(key.reveal())
    }
}

/// The API keys, in the endpoints table. A key's grant is under `pk = key#{sha256}`, `sk = key`. For the list of an
/// account's keys, the hash is also under `pk = keys#{account}`, `sk = {key id}`.
#[derive(Debug, Clone)]
pub struct ApiKeys {
    client: Client,
    table: String,
}

impl ApiKeys {
    /// Uses the keys in this table.
    pub fn new(client: Client, table: String) -> Self {
        Self { client, table }
    }

    /// Returns a key's grant, or `None` if there is no such key. The read is eventually consistent.
    pub async fn find(&self, hash: KeyHash) -> Result<Option<KeyGrant>, StorageError> {
        self.grant(hash.hex()).await
    }

    /// Adds a key, unless it already exists.
    pub async fn add(&self, hash: KeyHash, grant: &KeyGrant) -> Result<Written, StorageError> {
        let label = grant.id.to_string();
        let item = serde_dynamo::to_item(GrantRow::of(&hash.hex(), grant));
        let put = |item| Put::builder().table_name(&self.table).set_item(Some(item));
        let item = item.map_err(|error| StorageError::corrupt(&label, error))?;
        let grant_row = put(item).condition_expression("attribute_not_exists(pk)");
        let entry = put(HashMap::from([
            ("pk".to_owned(), AttributeValue::S(account_key(&grant.account))),
            ("sk".to_owned(), AttributeValue::S(label)),
            ("hash".to_owned(), AttributeValue::S(hash.hex())),
        ]));
        let writes = [grant_row, entry].map(|put| {
            TransactWriteItem::builder().put(put.build().expect("table and item are set")).build()
        });
        let sent = self.client.transact_write_items().set_transact_items(Some(writes.to_vec())).send().await;
        match sent {
            Ok(_) => Ok(Written::Now),
            Err(error)
                if error.as_service_error().and_then(|cause| canceled_at(cause, 0))
                    == Some("ConditionalCheckFailed") =>
            {
                Ok(Written::Before)
            }
            Err(error) => Err(StorageError::from_call("TransactWriteItems")(error)),
        }
    }

    /// Returns the grants of an account's keys, the oldest first.
    pub async fn list(&self, account: &AccountId) -> Result<Vec<KeyGrant>, StorageError> {
        let hashes = self.hashes(account, None).await?;
        let grants = try_join_all(hashes.into_iter().map(|hash| self.grant(hash))).await?;
        Ok(grants.into_iter().flatten().collect())
    }

    /// Revokes a key of an account. Returns `false` if the account has no key with this id.
    pub async fn revoke(&self, account: &AccountId, id: KeyId, now: Timestamp) -> Result<bool, StorageError> {
        let Some(hash) = self.hashes(account, Some(id)).await?.pop() else { return Ok(false) };
        self.set(&hash, "revoked_at", now.as_millis()).await?;
        Ok(true)
    }

    /// Records that a key was used today (UTC). Writes at most once a day.
    pub async fn note_use(
        &self,
        hash: KeyHash,
        grant: &KeyGrant,
        now: Timestamp,
    ) -> Result<(), StorageError> {
        let today = now.as_millis().div_euclid(DAY_MILLIS) * DAY_MILLIS;
        if grant.last_used_on.map(Timestamp::as_millis) == Some(today) {
            return Ok(());
        }
        self.set(&hash.hex(), "last_used_on", today).await
    }

    async fn grant(&self, hash: String) -> Result<Option<KeyGrant>, StorageError> {
        let answer = self
            .client
            .get_item()
            .table_name(&self.table)
            .set_key(Some(grant_key(&hash)))
            .send()
            .await
            .map_err(StorageError::from_call("GetItem"))?;
        answer.item.map(GrantRow::read).transpose()
    }

    async fn set(&self, hash: &str, attribute: &str, millis: i64) -> Result<(), StorageError> {
        self.client
            .update_item()
            .table_name(&self.table)
            .set_key(Some(grant_key(hash)))
            .update_expression("SET #attribute = :millis")
            .condition_expression("attribute_exists(pk)")
            .expression_attribute_names("#attribute", attribute)
            .expression_attribute_values(":millis", AttributeValue::N(millis.to_string()))
            .send()
            .await
            .map_err(StorageError::from_call("UpdateItem"))?;
        Ok(())
    }

    async fn hashes(&self, account: &AccountId, id: Option<KeyId>) -> Result<Vec<String>, StorageError> {
        let prefix = id.map_or_else(|| "key_".to_owned(), |id| id.to_string());
        let mut pages = self
            .client
            .query()
            .table_name(&self.table)
            .key_condition_expression("pk = :pk AND begins_with(sk, :prefix)")
            .expression_attribute_values(":pk", AttributeValue::S(account_key(account)))
            .expression_attribute_values(":prefix", AttributeValue::S(prefix))
            .into_paginator()
            .items()
            .send();
        let mut hashes = Vec::new();
        while let Some(item) = pages.next().await {
            let item = item.map_err(StorageError::from_call("Query"))?;
            let hash = item.get("hash").and_then(|hash| hash.as_s().ok());
            let missing = || StorageError::corrupt(&account_key(account), "it has no hash");
            hashes.push(hash.ok_or_else(missing)?.clone());
        }
        Ok(hashes)
    }
}

fn grant_key(hash: &str) -> HashMap<String, AttributeValue> {
    HashMap::from([
        ("pk".to_owned(), AttributeValue::S(format!("key#{hash}"))),
        ("sk".to_owned(), AttributeValue::S(GRANT.to_owned())),
    ])
}

fn account_key(account: &AccountId) -> String {
    format!("keys#{account}")
}

/// The attributes of a key's row. Times are milliseconds since the Unix epoch.
#[derive(Serialize, Deserialize)]
struct GrantRow {
    pk: String,
    sk: String,
    id: KeyId,
    account: AccountId,
    livemode: Mode,
    scopes: BTreeSet<Scope>,
    name: String,
    created_at: i64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    expires_at: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    revoked_at: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    last_used_on: Option<i64>,
}

impl GrantRow {
    fn of(hash: &str, grant: &KeyGrant) -> Self {
        Self {
            pk: format!("key#{hash}"),
            sk: GRANT.to_owned(),
            id: grant.id,
            account: grant.account.clone(),
            livemode: grant.mode,
            scopes: grant.scopes.clone(),
            name: grant.name.as_str().to_owned(),
            created_at: grant.created_at.as_millis(),
            expires_at: grant.expires_at.map(Timestamp::as_millis),
            revoked_at: grant.revoked_at.map(Timestamp::as_millis),
            last_used_on: grant.last_used_on.map(Timestamp::as_millis),
        }
    }

    fn read(item: HashMap<String, AttributeValue>) -> Result<KeyGrant, StorageError> {
        let row: Self =
            serde_dynamo::from_item(item).map_err(|error| StorageError::corrupt("key#…", error))?;
        let name: ShortText =
            row.name.parse().map_err(|reason| StorageError::corrupt(&row.id.to_string(), reason))?;
        Ok(KeyGrant {
            id: row.id,
            account: row.account,
            mode: row.livemode,
            scopes: row.scopes,
            name,
            created_at: Timestamp::from_millis(row.created_at),
            expires_at: row.expires_at.map(Timestamp::from_millis),
            revoked_at: row.revoked_at.map(Timestamp::from_millis),
            last_used_on: row.last_used_on.map(Timestamp::from_millis),
        })
    }
}
