//! Seals the secret attributes of an endpoint's row, if the customer has a key for that.

use std::collections::HashMap;
use std::sync::Arc;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::{AttributeValue, ReturnValue};
use serde_json::{Map, Value};
use tokio::sync::Mutex;

use crate::data_key::Sealed;
use crate::error::StorageError;
use crate::items::{Item, primary_key, text};
use crate::secrets_key::SecretsKey;

/// The attributes that are sealed together.
const SECRETS: [&str; 4] = ["secret", "retired_secrets", "headers", "component_secret"];
/// The attribute that replaces them: the wrapped data key `k`, the nonce `n` and the ciphertext `c` of their JSON.
const SEALED: &str = "sealed";

/// Seals and opens the secrets of rows. The data key of each period is in the table, under `pk = datakey#{ARN of the
/// KMS key}`, `sk = {period}`. If each process made its own, a reader would have to call KMS for nearly every endpoint.
#[derive(Debug)]
pub(super) struct Seal {
    key: Arc<SecretsKey>,
    client: Client,
    table: String,
    /// The period, and its wrapped data key.
    current: Mutex<Option<(u128, Vec<u8>)>>,
}

impl Seal {
    pub(super) fn new(key: Arc<SecretsKey>, client: Client, table: String) -> Self {
        Self { key, client, table, current: Mutex::new(None) }
    }

    /// Returns the row with its secrets sealed.
    pub(super) async fn close(&self, mut item: Item) -> Result<Item, StorageError> {
        let row = row_name(&item);
        let secrets: Item = SECRETS.iter().filter_map(|name| item.remove_entry(*name)).collect();
        let secrets: Map<String, Value> =
            serde_dynamo::from_item(secrets).map_err(|error| StorageError::corrupt(&row, error))?;
        let wrapped = self.data_key().await?;
        let text = Value::from(secrets).to_string();
        let Sealed { nonce, ciphertext } = self.key.seal(&wrapped, text.as_bytes(), &row).await?;
        let sealed = [("k", wrapped), ("n", nonce), ("c", ciphertext)];
        let sealed = sealed.map(|(name, bytes)| (name.to_owned(), AttributeValue::B(Blob::new(bytes))));
        item.insert(SEALED.to_owned(), AttributeValue::M(HashMap::from(sealed)));
        Ok(item)
    }

    /// Returns the wrapped data key of this period, the same in all processes.
    async fn data_key(&self) -> Result<Vec<u8>, StorageError> {
        let period = self.key.period();
        let mut current = self.current.lock().await;
        if let Some((of, wrapped)) = current.as_ref()
            && *of == period
        {
            return Ok(wrapped.clone());
        }
        let wrapped = match self.recorded(period).await? {
            Some(wrapped) => wrapped,
            None => self.record(period, self.key.new_data_key().await?).await?,
        };
        *current = Some((period, wrapped.clone()));
        Ok(wrapped)
    }

    async fn recorded(&self, period: u128) -> Result<Option<Vec<u8>>, StorageError> {
        let answer = self
            .client
            .get_item()
            .table_name(&self.table)
            .set_key(Some(self.row_key(period)))
            .consistent_read(true)
            .send()
            .await
            .map_err(StorageError::from_call("GetItem"))?;
        answer.item.map(|item| bytes(&item, "data_key", &self.row_name(period))).transpose()
    }

    /// Records a data key, unless another process was faster. Returns the one on record.
    async fn record(&self, period: u128, wrapped: Vec<u8>) -> Result<Vec<u8>, StorageError> {
        let answer = self
            .client
            .update_item()
            .table_name(&self.table)
            .set_key(Some(self.row_key(period)))
            .update_expression("SET data_key = if_not_exists(data_key, :wrapped)")
            .expression_attribute_values(":wrapped", AttributeValue::B(Blob::new(wrapped)))
            .return_values(ReturnValue::AllNew)
            .send()
            .await
            .map_err(StorageError::from_call("UpdateItem"))?;
        bytes(&answer.attributes.unwrap_or_default(), "data_key", &self.row_name(period))
    }

    fn row_key(&self, period: u128) -> Item {
        primary_key(format!("datakey#{}", self.key.arn()), period.to_string())
    }

    fn row_name(&self, period: u128) -> String {
        row_name(&self.row_key(period))
    }
}

/// Returns the row with its secrets opened. A row that was written without a key is returned unchanged.
pub(super) async fn open(seal: Option<&Seal>, mut item: Item) -> Result<Item, StorageError> {
    let Some(sealed) = item.remove(SEALED) else { return Ok(item) };
    let row = row_name(&item);
    let Some(seal) = seal else { return Err(StorageError::NoSecretsKey { key: row }) };
    let parts = sealed.as_m().map_err(|_| StorageError::corrupt(&row, "its sealed secrets are not a map"))?;
    let part = |name| bytes(parts, name, &row);
    let sealed = Sealed { nonce: part("n")?, ciphertext: part("c")? };
    let text = seal.key.open(&part("k")?, &sealed, &row).await?;
    let secrets: Map<String, Value> =
        serde_json::from_slice(&text).map_err(|error| StorageError::corrupt(&row, error))?;
    let secrets: Item = serde_dynamo::to_item(secrets).map_err(|error| StorageError::corrupt(&row, error))?;
    item.extend(secrets);
    Ok(item)
}

/// Returns the row's key as text. A secret that is sealed in one row cannot be opened in another.
fn row_name(item: &Item) -> String {
    format!("{}/{}", text(item, "pk"), text(item, "sk"))
}

fn bytes(item: &Item, name: &str, row: &str) -> Result<Vec<u8>, StorageError> {
    let bytes = item.get(name).and_then(|value| value.as_b().ok());
    let bytes = bytes.map(|bytes| bytes.as_ref().to_vec());
    bytes.ok_or_else(|| StorageError::corrupt(row, format!("its value `{name}` is missing or not binary")))
}
