//! The progress of recoveries: `pk = {tenant}#recoveries`, `sk = {recovery id}` in the events table.

use std::collections::HashMap;
use std::time::Duration;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::AttributeValue;
use posthorn_domain::{
    EndpointId, EventId, Recovery, RecoveryId, RecoveryScope, RecoveryStatus, Tenant, Timestamp,
};
use serde::{Deserialize, Serialize};

use crate::error::StorageError;
use crate::written::Written;

/// The recoveries in the events table. Each is kept as long as events are.
#[derive(Debug, Clone)]
pub struct Recoveries {
    client: Client,
    table: String,
    retention: Duration,
}

impl Recoveries {
    /// Uses the recoveries in this table. Each expires `retention` after its last step.
    pub fn new(client: Client, table: String, retention: Duration) -> Self {
        Self { client, table, retention }
    }

    /// Returns the recovery, or `None` if the tenant has none with this id.
    pub async fn get(&self, tenant: &Tenant, id: RecoveryId) -> Result<Option<Recovery>, StorageError> {
        let answer = self
            .client
            .get_item()
            .table_name(&self.table)
            .key("pk", AttributeValue::S(pk(tenant)))
            .key("sk", AttributeValue::S(id.to_string()))
            .consistent_read(true)
            .send()
            .await
            .map_err(StorageError::from_call("GetItem"))?;
        answer.item.map(|item| RecoveryRow::read(item, tenant)).transpose()
    }

    /// Writes a new recovery.
    pub async fn create(&self, tenant: &Tenant, recovery: &Recovery) -> Result<(), StorageError> {
        let put = self.client.put_item().table_name(&self.table).set_item(Some(self.item(tenant, recovery)?));
        put.send().await.map_err(StorageError::from_call("PutItem"))?;
        Ok(())
    }

    /// Writes a recovery's next step, unless it has ended or its number of slices is no longer `slices`.
    pub async fn advance(
        &self,
        tenant: &Tenant,
        recovery: &Recovery,
        slices: u32,
    ) -> Result<Written, StorageError> {
        let put = self
            .client
            .put_item()
            .table_name(&self.table)
            .set_item(Some(self.item(tenant, recovery)?))
            .condition_expression("slices = :slices AND #status = :running")
            .expression_attribute_names("#status", "status")
            .expression_attribute_values(":slices", AttributeValue::N(slices.to_string()))
            .expression_attribute_values(":running", AttributeValue::S("running".to_owned()));
        Written::read("PutItem", put.send().await)
    }

    fn item(
        &self,
        tenant: &Tenant,
        recovery: &Recovery,
    ) -> Result<HashMap<String, AttributeValue>, StorageError> {
        let row = RecoveryRow {
            pk: pk(tenant),
            sk: recovery.id.to_string(),
            endpoint_id: recovery.endpoint_id,
            scope: recovery.scope,
            since: recovery.since.as_millis(),
            until: recovery.until.as_millis(),
            status: recovery.status,
            events_examined: recovery.events_examined,
            deliveries_recovered: recovery.deliveries_recovered,
            reached: recovery.reached.map(Timestamp::as_millis),
            created_at: recovery.created_at.as_millis(),
            updated_at: recovery.updated_at.as_millis(),
            position: recovery.position,
            slices: recovery.slices,
            stalled: recovery.stalled,
            looks: recovery.looks,
            is_restless: recovery.is_restless,
            expires_at: recovery.updated_at.plus(self.retention).as_seconds(),
        };
        serde_dynamo::to_item(&row).map_err(|error| StorageError::corrupt(&row.sk, error))
    }
}

/// The attributes of the row. Times are milliseconds since the Unix epoch, except `expires_at`, which is in seconds.
#[derive(Serialize, Deserialize)]
struct RecoveryRow {
    pk: String,
    sk: String,
    endpoint_id: EndpointId,
    scope: RecoveryScope,
    since: i64,
    until: i64,
    status: RecoveryStatus,
    events_examined: u64,
    deliveries_recovered: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    reached: Option<i64>,
    created_at: i64,
    updated_at: i64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    position: Option<EventId>,
    slices: u32,
    #[serde(default, skip_serializing_if = "is_zero")]
    stalled: u32,
    #[serde(default, skip_serializing_if = "is_zero")]
    looks: u32,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    is_restless: bool,
    expires_at: i64,
}

impl RecoveryRow {
    fn read(item: HashMap<String, AttributeValue>, tenant: &Tenant) -> Result<Recovery, StorageError> {
        let row: Self = serde_dynamo::from_item(item)
            .map_err(|error| StorageError::corrupt(&format!("{}/…", pk(tenant)), error))?;
        Ok(Recovery {
            id: row.sk.parse().map_err(|reason| StorageError::corrupt(&row.sk, reason))?,
            mode: tenant.mode,
            endpoint_id: row.endpoint_id,
            scope: row.scope,
            since: Timestamp::from_millis(row.since),
            until: Timestamp::from_millis(row.until),
            status: row.status,
            events_examined: row.events_examined,
            deliveries_recovered: row.deliveries_recovered,
            reached: row.reached.map(Timestamp::from_millis),
            created_at: Timestamp::from_millis(row.created_at),
            updated_at: Timestamp::from_millis(row.updated_at),
            position: row.position,
            slices: row.slices,
            stalled: row.stalled,
            looks: row.looks,
            is_restless: row.is_restless,
        })
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes references")]
fn is_zero(number: &u32) -> bool {
    *number == 0
}

fn pk(tenant: &Tenant) -> String {
    format!("{tenant}#recoveries")
}
