//! Keys that make publishing safe to repeat.

use std::collections::HashMap;
use std::time::Duration;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::operation::put_item::PutItemError;
use aws_sdk_dynamodb::types::{AttributeValue, ReturnValuesOnConditionCheckFailure};
use posthorn_domain::{EventId, Tenant, Timestamp};
use serde::{Deserialize, Serialize};

use crate::StorageError;

/// How long a key is remembered.
const MEMORY: Duration = Duration::from_hours(24);

/// The idempotency keys, in the events table under `pk = idem#{tenant}#{key}`.
#[derive(Debug, Clone)]
pub struct IdempotencyKeys {
    client: Client,
    table: String,
}

/// What a key stands for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claim {
    /// The event that was published under it.
    pub event_id: EventId,
    /// The request that published it.
    pub request_id: Option<String>,
    /// The SHA-256 of what was published, in hexadecimal.
    pub body_hash: String,
    /// Whether the event is known to be on its queue.
    #[serde(default)]
    pub sent: bool,
}

/// Whose a key is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Claimed {
    /// Nobody had used it within the last 24 hours; now it stands for this claim.
    Now,
    /// It stood for this very claim: an earlier try to make it whose answer was lost, or the same message received again.
    Again,
    /// It stood for something already.
    Before(Claim),
}

impl IdempotencyKeys {
    /// The keys in this table.
    pub fn new(client: Client, table: String) -> Self {
        Self { client, table }
    }

    /// Lets a key stand for an event, unless it stands for one already.
    pub async fn claim(
        &self,
        tenant: &Tenant,
        key: &str,
        claim: &Claim,
        now: Timestamp,
    ) -> Result<Claimed, StorageError> {
        let mut item: HashMap<String, AttributeValue> =
            serde_dynamo::to_item(claim).map_err(|error| StorageError::corrupt(key, error))?;
        item.extend(row_key(tenant, key));
        item.insert("expires_at".to_owned(), seconds(now.plus(MEMORY)));
        let put = self
            .client
            .put_item()
            .table_name(&self.table)
            .set_item(Some(item))
            .condition_expression("attribute_not_exists(pk) OR expires_at <= :now")
            .expression_attribute_values(":now", seconds(now))
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        let Err(error) = put.send().await else { return Ok(Claimed::Now) };
        let Some(PutItemError::ConditionalCheckFailedException(taken)) = error.as_service_error() else {
            return Err(StorageError::from_call("PutItem")(error));
        };
        let row = taken.item().cloned().unwrap_or_default();
        let theirs: Claim =
            serde_dynamo::from_item(row).map_err(|error| StorageError::corrupt(key, error))?;
        Ok(if theirs == *claim { Claimed::Again } else { Claimed::Before(theirs) })
    }

    /// Remembers that the event of a key is on its queue.
    pub async fn mark_sent(&self, tenant: &Tenant, key: &str) -> Result<(), StorageError> {
        self.client
            .update_item()
            .table_name(&self.table)
            .set_key(Some(row_key(tenant, key)))
            .update_expression("SET sent = :sent")
            .condition_expression("attribute_exists(pk)")
            .expression_attribute_values(":sent", AttributeValue::Bool(true))
            .send()
            .await
            .map_err(StorageError::from_call("UpdateItem"))?;
        Ok(())
    }

    /// What a key stands for now.
    pub async fn get(&self, tenant: &Tenant, key: &str) -> Result<Option<Claim>, StorageError> {
        let answer = self
            .client
            .get_item()
            .table_name(&self.table)
            .set_key(Some(row_key(tenant, key)))
            .consistent_read(true)
            .send()
            .await
            .map_err(StorageError::from_call("GetItem"))?;
        let claim = answer.item.map(serde_dynamo::from_item).transpose();
        claim.map_err(|error| StorageError::corrupt(key, error))
    }
}

fn row_key(tenant: &Tenant, key: &str) -> HashMap<String, AttributeValue> {
    HashMap::from([
        ("pk".to_owned(), AttributeValue::S(format!("idem#{tenant}#{key}"))),
        ("sk".to_owned(), AttributeValue::S("idem".to_owned())),
    ])
}

fn seconds(at: Timestamp) -> AttributeValue {
    AttributeValue::N(at.as_seconds().to_string())
}
