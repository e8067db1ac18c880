//! Idempotency keys make publishing safe to repeat.

use std::collections::HashMap;
use std::time::Duration;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::operation::put_item::PutItemError;
use aws_sdk_dynamodb::types::{AttributeValue, ReturnValuesOnConditionCheckFailure};
use posthorn_domain::{EventId, Tenant, Timestamp};
use serde::{Deserialize, Serialize};

use crate::error::StorageError;
use crate::items::{primary_key, seconds};

/// How long a key is kept.
const MEMORY: Duration = Duration::from_hours(24);

/// The idempotency keys, in the events table under `pk = idem#{tenant}#{key}`.
#[derive(Debug, Clone)]
pub struct IdempotencyKeys {
    client: Client,
    table: String,
}

/// The publication that an idempotency key belongs to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claim {
    /// The event that was published with the key.
    pub event_id: EventId,
    /// The request that published it.
    pub request_id: Option<String>,
    /// The SHA-256 of what was published, in hexadecimal.
    pub body_hash: String,
    /// Whether the event is known to be on its queue.
    #[serde(default)]
    pub sent: bool,
}

/// The result of claiming a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Claimed {
    /// The key was unused for the last 24 hours; now it belongs to this claim.
    Now,
    /// The key already belonged to exactly this claim: an earlier attempt wrote it but its answer was lost, or the same
    /// message was received again.
    Again,
    /// The key already belonged to another claim.
    Before(Claim),
}

impl IdempotencyKeys {
    /// Uses the keys in this table.
    pub fn new(client: Client, table: String) -> Self {
        Self { client, table }
    }

    /// Claims a key for an event, unless another claim already has it.
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

    /// Records that the key's event is on its queue. Errors if the key has no claim.
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

    /// Returns the current claim of a key, if there is one.
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
    primary_key(format!("idem#{tenant}#{key}"), "idem")
}
