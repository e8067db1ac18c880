//! Where tenants want their events.

mod row;
mod seal;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::operation::query::builders::QueryFluentBuilder;
use aws_sdk_dynamodb::types::builders::{PutBuilder, UpdateBuilder};
use aws_sdk_dynamodb::types::{AttributeValue, Delete, KeysAndAttributes, Put, TransactWriteItem, Update};
use backon::{ExponentialBuilder, Retryable as _};
use posthorn_domain::{
    DisabledReason, Endpoint, EndpointId, EndpointOutline, EndpointStatus, Health, Tenant,
};
use tokio::time::sleep;

use crate::error::canceled_at;
use crate::{SecretsKey, StorageError, Written};
use row::{EndpointRow, META, OutlineRow, sort_key};
use seal::Seal;

/// How long to wait before what DynamoDB left out is asked for again; twice as long each time.
const FIRST_WAIT: Duration = Duration::from_millis(50);

/// The endpoints table. Each write moves the tenant's `meta` row (`count`, `version`) in the same transaction,
/// so that a reader who knows the version knows whether anything changed.
#[derive(Debug, Clone)]
pub struct EndpointStore {
    client: Client,
    table: String,
    seal: Option<Arc<Seal>>,
}

/// An endpoint and the version of its row, which each write moves by one.
struct Versioned {
    endpoint: Endpoint,
    version: u64,
}

impl EndpointStore {
    /// The endpoints in this table.
    pub fn new(client: Client, table: String) -> Self {
        Self { client, table, seal: None }
    }

    /// The same, with the secrets and headers of each endpoint that is written sealed under this key.
    #[must_use]
    pub fn sealed_under(self, key: Arc<SecretsKey>) -> Self {
        let seal = Seal::new(key, self.client.clone(), self.table.clone());
        Self { seal: Some(Arc::new(seal)), ..self }
    }

    /// Adds an endpoint, unless the tenant has `limit` already.
    pub async fn create(&self, tenant: &Tenant, endpoint: &Endpoint, limit: u32) -> Result<(), StorageError> {
        let attempt = || async {
            let put = self.put(tenant, endpoint, 1).await?.condition_expression("attribute_not_exists(pk)");
            let meta = self
                .touch_meta(tenant, 1)
                .condition_expression("attribute_not_exists(#count) OR #count < :limit")
                .expression_attribute_values(":limit", AttributeValue::N(limit.to_string()));
            self.write(put_item(put), meta).await.map_err(|failure| match failure {
                Failure::Meta => StorageError::LimitReached { limit },
                other => other.into(),
            })
        };
        retrying(attempt).await
    }

    /// The endpoint, or `None` when the tenant has none of this id.
    pub async fn get(&self, tenant: &Tenant, id: EndpointId) -> Result<Option<Endpoint>, StorageError> {
        Ok(self.read(tenant, id).await?.map(|found| found.endpoint))
    }

    /// All endpoints of the tenant, in no order. Reads as many rows as there are endpoints.
    pub async fn list(&self, tenant: &Tenant) -> Result<Vec<Endpoint>, StorageError> {
        let mut pages = self.rows(tenant).into_paginator().items().send();
        let mut endpoints = Vec::new();
        while let Some(item) = pages.next().await {
            let item = item.map_err(StorageError::from_call("Query"))?;
            endpoints.push(self.open(item, tenant).await?.endpoint);
        }
        Ok(endpoints)
    }

    /// What all endpoints of the tenant are sorted and filtered by, in no order. Reads as many rows as there are endpoints,
    /// but fetches little of each.
    pub async fn outlines(&self, tenant: &Tenant) -> Result<Vec<EndpointOutline>, StorageError> {
        let rows = self
            .rows(tenant)
            .projection_expression("sk, updated_at, #url, #status")
            .expression_attribute_names("#url", "url")
            .expression_attribute_names("#status", "status");
        let mut pages = rows.into_paginator().items().send();
        let mut outlines = Vec::new();
        while let Some(item) = pages.next().await {
            let item = item.map_err(StorageError::from_call("Query"))?;
            outlines.push(OutlineRow::read(item, tenant)?);
        }
        Ok(outlines)
    }

    /// Asks for the rows of all endpoints of the tenant.
    fn rows(&self, tenant: &Tenant) -> QueryFluentBuilder {
        self.client
            .query()
            .table_name(&self.table)
            .key_condition_expression("pk = :pk AND begins_with(sk, :prefix)")
            .expression_attribute_values(":pk", AttributeValue::S(tenant.to_string()))
            .expression_attribute_values(":prefix", AttributeValue::S(row::PREFIX.to_owned()))
            .consistent_read(true)
    }

    /// These endpoints, 100 at most, in no order; those that the tenant has not are left out.
    pub async fn get_all(&self, tenant: &Tenant, ids: &[EndpointId]) -> Result<Vec<Endpoint>, StorageError> {
        let keys = ids.iter().map(|id| key(tenant, &sort_key(*id))).collect();
        let rows = KeysAndAttributes::builder().set_keys(Some(keys)).consistent_read(true).build();
        let mut left = HashMap::from([(self.table.clone(), rows.expect("the keys are set"))]);
        let mut endpoints = Vec::new();
        let mut wait = FIRST_WAIT;
        while !left.is_empty() {
            let answer = self.client.batch_get_item().set_request_items(Some(left)).send().await;
            let answer = answer.map_err(StorageError::from_call("BatchGetItem"))?;
            for item in answer.responses.into_iter().flat_map(HashMap::into_values).flatten() {
                endpoints.push(self.open(item, tenant).await?.endpoint);
            }
            left = answer.unprocessed_keys.unwrap_or_default();
            if !left.is_empty() {
                // DynamoDB throttles. The request has a limit of its own.
                sleep(wait).await;
                wait *= 2;
            }
        }
        Ok(endpoints)
    }

    /// Edits an endpoint and answers it as it then is; `None` when the tenant has none of this id. An edit that
    /// meets another is applied to what that one left; one that `edit` refuses changes nothing.
    pub async fn update<E: From<StorageError>>(
        &self,
        tenant: &Tenant,
        id: EndpointId,
        edit: impl Fn(Endpoint) -> Result<Endpoint, E>,
    ) -> Result<Option<Endpoint>, E> {
        let attempt = || async {
            let Some(found) = self.read(tenant, id).await? else { return Ok(Ok(None)) };
            let endpoint = match edit(found.endpoint) {
                Ok(endpoint) => endpoint,
                Err(refusal) => return Ok(Err(refusal)),
            };
            let put = self
                .put(tenant, &endpoint, found.version + 1)
                .await?
                .condition_expression("version = :version")
                .expression_attribute_values(":version", number(found.version));
            self.write(put_item(put), self.touch_meta(tenant, 0)).await?;
            Ok(Ok(Some(endpoint)))
        };
        retrying(attempt).await?
    }

    /// Removes an endpoint and answers it as it was; `None` when the tenant has none of this id.
    pub async fn delete(&self, tenant: &Tenant, id: EndpointId) -> Result<Option<Endpoint>, StorageError> {
        let attempt = || async {
            let Some(found) = self.read(tenant, id).await? else { return Ok(None) };
            let delete = Delete::builder()
                .table_name(&self.table)
                .set_key(Some(key(tenant, &sort_key(id))))
                .condition_expression("version = :version")
                .expression_attribute_values(":version", number(found.version))
                .build()
                .expect("table and key are set");
            let delete = TransactWriteItem::builder().delete(delete).build();
            self.write(delete, self.touch_meta(tenant, -1)).await?;
            Ok(Some(found.endpoint))
        };
        retrying(attempt).await
    }

    /// Puts on record how an endpoint has been doing, unless somebody else has put something else on record since
    /// `before` was read.
    pub async fn set_health(
        &self,
        tenant: &Tenant,
        before: &Endpoint,
        health: Health,
    ) -> Result<Written, StorageError> {
        self.amend(
            tenant,
            before,
            "SET health = :health, health_since = :since, health_warned = :warned, failed_days = :days, \
             failed_last = :last",
            |update| {
                update
                    .expression_attribute_values(
                        ":health",
                        AttributeValue::S(health.state.as_str().to_owned()),
                    )
                    .expression_attribute_values(
                        ":since",
                        AttributeValue::N(health.since.as_millis().to_string()),
                    )
                    .expression_attribute_values(":warned", AttributeValue::Bool(health.warned))
                    .expression_attribute_values(
                        ":days",
                        AttributeValue::N(health.failed_on.days.to_string()),
                    )
                    .expression_attribute_values(
                        ":last",
                        AttributeValue::N(health.failed_on.last.to_string()),
                    )
            },
        )
        .await
    }

    /// Disables an endpoint, unless somebody else has changed its health or status since `before` was read.
    pub async fn disable(
        &self,
        tenant: &Tenant,
        before: &Endpoint,
        reason: DisabledReason,
    ) -> Result<Written, StorageError> {
        let disabled = EndpointStatus::Disabled.as_str().to_owned();
        self.amend(tenant, before, "SET #status = :disabled, disabled_reason = :reason", |update| {
            update
                .expression_attribute_values(":disabled", AttributeValue::S(disabled))
                .expression_attribute_values(":reason", AttributeValue::S(reason.as_str().to_owned()))
        })
        .await
    }

    /// Makes a change that is not its owner's, unless the endpoint's health or status is no longer as it was.
    async fn amend(
        &self,
        tenant: &Tenant,
        before: &Endpoint,
        set: &str,
        values: impl FnOnce(UpdateBuilder) -> UpdateBuilder,
    ) -> Result<Written, StorageError> {
        let Health { state, since, warned, failed_on } = before.health;
        let update = Update::builder()
            .table_name(&self.table)
            .set_key(Some(key(tenant, &sort_key(before.id))))
            .update_expression(format!("{set} ADD version :one"))
            .condition_expression(
                "#status = :status AND health = :was AND health_since = :was_since AND health_warned = :was_warned \
                 AND (failed_days = :was_days OR attribute_not_exists(failed_days))",
            )
            .expression_attribute_names("#status", "status")
            .expression_attribute_values(":one", number(1))
            .expression_attribute_values(":status", AttributeValue::S(before.status.to_string()))
            .expression_attribute_values(":was", AttributeValue::S(state.as_str().to_owned()))
            .expression_attribute_values(":was_since", AttributeValue::N(since.as_millis().to_string()))
            .expression_attribute_values(":was_warned", AttributeValue::Bool(warned))
            .expression_attribute_values(":was_days", AttributeValue::N(failed_on.days.to_string()));
        let update = values(update).build().expect("table, key and expression are set");
        let update = TransactWriteItem::builder().update(update).build();
        match self.write(update, self.touch_meta(tenant, 0)).await {
            Ok(()) => Ok(Written::Now),
            Err(Failure::Conflict | Failure::Meta) => Ok(Written::Before),
            Err(Failure::Other(error)) => Err(error),
        }
    }

    /// The version of the tenant's endpoints: it moves with each write, and is 0 before the first.
    pub async fn version(&self, tenant: &Tenant) -> Result<u64, StorageError> {
        let answer = self
            .client
            .get_item()
            .table_name(&self.table)
            .set_key(Some(key(tenant, META)))
            .projection_expression("version")
            .consistent_read(true)
            .send()
            .await
            .map_err(StorageError::from_call("GetItem"))?;
        let Some(meta) = answer.item else { return Ok(0) };
        let version = meta.get("version").and_then(|version| version.as_n().ok()?.parse().ok());
        version.ok_or_else(|| StorageError::corrupt(&format!("{tenant}/{META}"), "it has no version"))
    }

    async fn read(&self, tenant: &Tenant, id: EndpointId) -> Result<Option<Versioned>, StorageError> {
        let answer = self
            .client
            .get_item()
            .table_name(&self.table)
            .set_key(Some(key(tenant, &sort_key(id))))
            .consistent_read(true)
            .send()
            .await
            .map_err(StorageError::from_call("GetItem"))?;
        match answer.item {
            Some(item) => self.open(item, tenant).await.map(Some),
            None => Ok(None),
        }
    }

    async fn open(
        &self,
        item: HashMap<String, AttributeValue>,
        tenant: &Tenant,
    ) -> Result<Versioned, StorageError> {
        EndpointRow::read(seal::open(self.seal.as_deref(), item).await?, tenant)
    }

    async fn put(
        &self,
        tenant: &Tenant,
        endpoint: &Endpoint,
        version: u64,
    ) -> Result<PutBuilder, StorageError> {
        let mut item = EndpointRow::item(tenant, endpoint, version)?;
        if let Some(seal) = &self.seal {
            item = seal.close(item).await?;
        }
        Ok(Put::builder().table_name(&self.table).set_item(Some(item)))
    }

    /// Moves the tenant's version by one, and its count by `count`.
    fn touch_meta(&self, tenant: &Tenant, count: i32) -> UpdateBuilder {
        Update::builder()
            .table_name(&self.table)
            .set_key(Some(key(tenant, META)))
            .update_expression("ADD #count :count, version :one")
            .expression_attribute_names("#count", "count")
            .expression_attribute_values(":count", AttributeValue::N(count.to_string()))
            .expression_attribute_values(":one", number(1))
    }

    async fn write(&self, endpoint: TransactWriteItem, meta: UpdateBuilder) -> Result<(), Failure> {
        let meta = meta.build().expect("table, key and expression are set");
        let sent = self
            .client
            .transact_write_items()
            .transact_items(endpoint)
            .transact_items(TransactWriteItem::builder().update(meta).build())
            .send()
            .await;
        sent.map(drop).map_err(|error| match error.as_service_error() {
            Some(cause) if canceled_at(cause, 1) == Some("ConditionalCheckFailed") => Failure::Meta,
            Some(cause) if (0..2).any(|place| canceled_at(cause, place).is_some_and(is_conflict)) => {
                Failure::Conflict
            }
            _ => Failure::Other(StorageError::from_call("TransactWriteItems")(error)),
        })
    }
}

/// Why a transaction was not made.
enum Failure {
    /// The condition on the meta row did not hold.
    Meta,
    /// Somebody else wrote the same rows.
    Conflict,
    Other(StorageError),
}

impl From<Failure> for StorageError {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Meta | Failure::Conflict => Self::Conflict,
            Failure::Other(error) => error,
        }
    }
}

fn is_conflict(code: &str) -> bool {
    matches!(code, "ConditionalCheckFailed" | "TransactionConflict")
}

fn put_item(put: PutBuilder) -> TransactWriteItem {
    TransactWriteItem::builder().put(put.build().expect("table and item are set")).build()
}

/// Runs a read–write cycle again, at most twelve times within about two seconds, as long as it conflicts.
async fn retrying<T, F, Fut>(cycle: F) -> Result<T, StorageError>
where
    F: FnMut() -> Fut,
    Fut: Future<Output = Result<T, StorageError>>,
{
    let backoff = ExponentialBuilder::default()
        .with_min_delay(Duration::from_millis(5))
        .with_max_delay(Duration::from_millis(300))
        .with_max_times(12)
        .with_jitter();
    cycle.retry(backoff).when(|error| matches!(error, StorageError::Conflict)).await
}

fn key(tenant: &Tenant, sort_key: &str) -> HashMap<String, AttributeValue> {
    HashMap::from([
        ("pk".to_owned(), AttributeValue::S(tenant.to_string())),
        ("sk".to_owned(), AttributeValue::S(sort_key.to_owned())),
    ])
}

fn number(number: u64) -> AttributeValue {
    AttributeValue::N(number.to_string())
}
