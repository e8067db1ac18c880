//! Who may call.

use std::fmt::Write as _;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::AttributeValue;
use posthorn_domain::AccountId;
use sha2::{Digest as _, Sha256};

use crate::StorageError;

/// The SHA-256 of an API key. The key itself is stored nowhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct KeyHash([u8; 32]);

impl KeyHash {
    /// The hash of a key.
    pub fn of(key: &str) -> Self {
        Self(Sha256::digest(key.as_bytes()).into())
    }

    fn partition_key(self) -> String {
        self.0.iter().fold(String::from("key#"), |mut key, byte| {
            write!(key, "{byte:02x}").expect("writing to a string does not fail");
            key
        })
    }
}

/// The API keys, in the endpoints table under `pk = key#{sha256}`, `sk = key`.
#[derive(Debug, Clone)]
pub struct ApiKeys {
    client: Client,
    table: String,
}

impl ApiKeys {
    /// The keys in this table.
    pub fn new(client: Client, table: String) -> Self {
        Self { client, table }
    }

    /// The account that a key acts for, or `None` when there is no such key.
    pub async fn find(&self, hash: KeyHash) -> Result<Option<AccountId>, StorageError> {
        let key = hash.partition_key();
        let answer = self
            .client
            .get_item()
            .table_name(&self.table)
            .key("pk", AttributeValue::S(key.clone()))
            .key("sk", AttributeValue::S("key".to_owned()))
            .send()
            .await
            .map_err(StorageError::from_call("GetItem"))?;
        let Some(row) = answer.item else { return Ok(None) };
        let account = row.get("account").and_then(|account| account.as_s().ok());
        let account = account.ok_or_else(|| StorageError::corrupt(&key, "it names no account"))?;
        account.parse().map(Some).map_err(|reason| StorageError::corrupt(&key, reason))
    }

    /// Lets a key act for an account.
    pub async fn add(&self, hash: KeyHash, account: &AccountId) -> Result<(), StorageError> {
        self.client
            .put_item()
            .table_name(&self.table)
            .item("pk", AttributeValue::S(hash.partition_key()))
            .item("sk", AttributeValue::S("key".to_owned()))
            .item("account", AttributeValue::S(account.to_string()))
            .send()
            .await
            .map_err(StorageError::from_call("PutItem"))?;
        Ok(())
    }
}
