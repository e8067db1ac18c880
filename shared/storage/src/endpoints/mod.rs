//! Tenants' endpoints.

mod attention;
mod listening;
mod meta;
mod row;
mod seal;
mod state;

use std::collections::HashMap;
use std::sync::Arc;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::operation::query::builders::QueryFluentBuilder;
use aws_sdk_dynamodb::operation::transact_get_items::TransactGetItemsError;
use aws_sdk_dynamodb::types::builders::{PutBuilder, UpdateBuilder};
use aws_sdk_dynamodb::types::{
    AttributeValue, Delete, Get, ItemResponse, KeysAndAttributes, Put, TransactGetItem, TransactWriteItem,
};
use posthorn_domain::{AuditEntry, Endpoint, EndpointId, EndpointOutline, Tenant, Trouble};
use tokio::task::consume_budget;

use crate::error::{StorageError, readable};
use crate::items::{get_all, primary_key};
use crate::secrets_key::SecretsKey;
use crate::transaction::{delete_item, put_item, retrying, transact, update_item};
use crate::written::Written;
use crate::{accounts, audit_log};
pub use attention::{InTrouble, Whose};
pub use meta::{Latest, Version};
use row::{EndpointRow, OutlineRow, sort_key};
use seal::Seal;

/// How many endpoints are read in one transaction. An endpoint has less than 160 KB; a transaction returns at most 4
/// MB.
const AT_ONCE: usize = 25;

/// The endpoints table. An owner's change, or disabling an endpoint, moves the tenant's [version](Version) in the same
/// transaction, and so does the beginning or the end of a hold. So a reader that knows the version can tell whether
/// anything changed, and what. A change of health does not move it, so that no two endpoints' changes of health wait for
/// each other.
#[derive(Debug, Clone)]
pub struct EndpointStore {
    client: Client,
    table: String,
    seal: Option<Arc<Seal>>,
    audit: Option<Arc<AuditEntry>>,
}

impl EndpointStore {
    /// Uses the endpoints in this table.
    pub fn new(client: Client, table: String) -> Self {
        Self { client, table, seal: None, audit: None }
    }

    /// Seals the secrets and headers of each endpoint that is written from now on under this key.
    #[must_use]
    pub fn sealed_under(self, key: Arc<SecretsKey>) -> Self {
        let seal = Seal::new(key, self.client.clone(), self.table.clone());
        Self { seal: Some(Arc::new(seal)), ..self }
    }

    /// Writes this entry of the audit log in the same transaction as a change.
    #[must_use]
    pub fn audited(&self, entry: AuditEntry) -> Self {
        Self { audit: Some(Arc::new(entry)), ..self.clone() }
    }

    /// Adds an endpoint. Its account comes to exist if it did not. Errors if the tenant already has `limit`, or the
    /// account is being deleted.
    pub async fn create(&self, tenant: &Tenant, endpoint: &Endpoint, limit: u32) -> Result<(), StorageError> {
        let attempt = || async {
            let put =
                self.put(tenant, endpoint.clone()).await?.condition_expression("attribute_not_exists(pk)");
            let free = "attribute_not_exists(#count) OR #count < :limit";
            let moved = meta::move_version(endpoint.id, 1, Some(free))
                .expression_attribute_values(":limit", AttributeValue::N(limit.to_string()));
            let account = accounts::touch(&self.table, &tenant.account, endpoint.created_at);
            let attention = self.attention(tenant, endpoint.id, None, endpoint.trouble());
            match self.write(tenant, put_item(put), moved, [account].into_iter().chain(attention)).await? {
                Transaction::Closed => Err(StorageError::AccountDeleted),
                Transaction::Refused(latest) if latest.count >= u64::from(limit) => {
                    Err(StorageError::LimitReached { limit })
                }
                other => other.done(),
            }
        };
        retrying(attempt).await
    }

    /// Returns the endpoint, or `None` if the tenant has none with this id.
    pub async fn get(&self, tenant: &Tenant, id: EndpointId) -> Result<Option<Endpoint>, StorageError> {
        match self.item(tenant, &sort_key(id)).await? {
            Some(item) => self.open(item, tenant).await.map(Some),
            None => Ok(None),
        }
    }

    /// Passes all endpoints of the tenant to `take`, one by one in the order of their ids, except those that cannot be
    /// read. Reads as many rows as there are endpoints; other tasks may run in between.
    pub async fn read_all(
        &self,
        tenant: &Tenant,
        mut take: impl FnMut(Endpoint),
    ) -> Result<(), StorageError> {
        let mut pages = self.rows(tenant).into_paginator().items().send();
        while let Some(item) = pages.next().await {
            let item = item.map_err(StorageError::from_call("Query"))?;
            if let Some(endpoint) = readable(self.open(item, tenant).await)? {
                take(endpoint);
            }
            consume_budget().await;
        }
        Ok(())
    }

    /// Returns the fields that lists sort and filter by, of all the tenant's endpoints, in no order. Reads as many rows
    /// as there are endpoints, but transfers little of each.
    pub async fn outlines(&self, tenant: &Tenant) -> Result<Vec<EndpointOutline>, StorageError> {
        let rows = self
            .rows(tenant)
            .projection_expression("sk, updated_at, #url, #status, held_since, drain, probes")
            .expression_attribute_names("#url", "url")
            .expression_attribute_names("#status", "status");
        let mut pages = rows.into_paginator().items().send();
        let mut outlines = Vec::new();
        while let Some(item) = pages.next().await {
            let item = item.map_err(StorageError::from_call("Query"))?;
            outlines.extend(readable(OutlineRow::read(item, tenant))?);
        }
        Ok(outlines)
    }

    /// Prepares the query for the rows of all the tenant's endpoints.
    fn rows(&self, tenant: &Tenant) -> QueryFluentBuilder {
        self.client
            .query()
            .table_name(&self.table)
            .key_condition_expression("pk = :pk AND begins_with(sk, :prefix)")
            .expression_attribute_values(":pk", AttributeValue::S(tenant.to_string()))
            .expression_attribute_values(":prefix", AttributeValue::S(row::PREFIX.to_owned()))
            .consistent_read(true)
    }

    /// Returns these endpoints (at most 100), in no order. Leaves out those that the tenant does not have, and those
    /// that cannot be read.
    pub async fn get_all(&self, tenant: &Tenant, ids: &[EndpointId]) -> Result<Vec<Endpoint>, StorageError> {
        let keys = ids.iter().map(|id| key(tenant, &sort_key(*id))).collect();
        let rows = KeysAndAttributes::builder().set_keys(Some(keys)).consistent_read(true).build();
        let mut endpoints = Vec::new();
        for item in get_all(&self.client, &self.table, rows.expect("the keys are set")).await? {
            endpoints.extend(readable(self.open(item, tenant).await)?);
        }
        Ok(endpoints)
    }

    /// Returns these endpoints as their last transaction left them, each with its id; `None` if the tenant does not
    /// have it, or it cannot be read. A plain read may see one row as a transaction left it, and a moment later another
    /// as it was before; this waits until the transaction is over.
    pub async fn get_settled(
        &self,
        tenant: &Tenant,
        ids: &[EndpointId],
    ) -> Result<Vec<(EndpointId, Option<Endpoint>)>, StorageError> {
        let mut found = Vec::new();
        for ids in ids.chunks(AT_ONCE) {
            let rows = retrying(|| self.get_together(tenant, ids)).await?;
            for (id, row) in ids.iter().zip(rows) {
                let endpoint = match row.item {
                    Some(item) => readable(self.open(item, tenant).await)?,
                    None => None,
                };
                found.push((*id, endpoint));
            }
        }
        Ok(found)
    }

    async fn get_together(
        &self,
        tenant: &Tenant,
        ids: &[EndpointId],
    ) -> Result<Vec<ItemResponse>, StorageError> {
        let gets = ids.iter().map(|id| {
            let get = Get::builder().table_name(&self.table).set_key(Some(key(tenant, &sort_key(*id))));
            TransactGetItem::builder().get(get.build().expect("table and key are set")).build()
        });
        let answer = self.client.transact_get_items().set_transact_items(Some(gets.collect())).send().await;
        match answer {
            Ok(answer) => Ok(answer.responses.unwrap_or_default()),
            Err(error) => {
                let is_conflict = error
                    .as_service_error()
                    .is_some_and(TransactGetItemsError::is_transaction_canceled_exception);
                Err(if is_conflict {
                    StorageError::Conflict
                } else {
                    StorageError::from_call("TransactGetItems")(error)
                })
            }
        }
    }

    /// Edits an endpoint and returns it as it then is; `None` if the tenant has none with this id. If another edit was
    /// written first, this one is applied to its result. If `edit` returns an error, nothing changes.
    pub async fn update<E: From<StorageError>>(
        &self,
        tenant: &Tenant,
        id: EndpointId,
        edit: impl Fn(Endpoint) -> Result<Endpoint, E>,
    ) -> Result<Option<Endpoint>, E> {
        let attempt = || async {
            let Some(found) = self.get(tenant, id).await? else { return Ok(Ok(None)) };
            let (revision, before) = (found.revision, found.trouble());
            let mut endpoint = match edit(found) {
                Ok(endpoint) => endpoint,
                Err(refusal) => return Ok(Err(refusal)),
            };
            let put = self
                .put(tenant, endpoint.clone())
                .await?
                .condition_expression("version = :revision")
                .expression_attribute_values(":revision", number(revision));
            let attention = self.attention(tenant, id, before, endpoint.trouble());
            self.write(tenant, put_item(put), meta::move_version(id, 0, None), attention).await?.done()?;
            endpoint.revision += 1;
            Ok(Ok(Some(endpoint)))
        };
        retrying(attempt).await?
    }

    /// Deletes an endpoint and returns it as it was; `None` if the tenant has none with this id.
    pub async fn delete(&self, tenant: &Tenant, id: EndpointId) -> Result<Option<Endpoint>, StorageError> {
        let attempt = || async {
            let Some(found) = self.get(tenant, id).await? else { return Ok(None) };
            let delete = Delete::builder()
                .table_name(&self.table)
                .set_key(Some(key(tenant, &sort_key(id))))
                .condition_expression("version = :revision")
                .expression_attribute_values(":revision", number(found.revision));
            let attention = self.attention(tenant, id, found.trouble(), None);
            self.write(tenant, delete_item(delete), meta::move_version(id, -1, None), attention)
                .await?
                .done()?;
            Ok(Some(found))
        };
        retrying(attempt).await
    }

    fn attention(
        &self,
        tenant: &Tenant,
        id: EndpointId,
        before: Option<Trouble>,
        after: Option<Trouble>,
    ) -> Option<TransactWriteItem> {
        attention::change(&self.table, tenant, id, before, after)
    }

    /// Returns how many endpoints the tenant has.
    pub async fn count(&self, tenant: &Tenant) -> Result<u64, StorageError> {
        Ok(self.latest(tenant).await?.count)
    }

    /// Returns the version of the tenant's endpoints, and the last changes.
    pub async fn latest(&self, tenant: &Tenant) -> Result<Latest, StorageError> {
        let item = self.item(tenant, meta::SORT_KEY).await?;
        item.map_or_else(|| Ok(Latest::default()), |item| Latest::read(&item, tenant))
    }

    /// Reads one of the tenant's rows, consistently.
    async fn item(
        &self,
        tenant: &Tenant,
        sort_key: &str,
    ) -> Result<Option<HashMap<String, AttributeValue>>, StorageError> {
        let get = self.client.get_item().table_name(&self.table).set_key(Some(key(tenant, sort_key)));
        let answer = get.consistent_read(true).send().await;
        Ok(answer.map_err(StorageError::from_call("GetItem"))?.item)
    }

    async fn open(
        &self,
        item: HashMap<String, AttributeValue>,
        tenant: &Tenant,
    ) -> Result<Endpoint, StorageError> {
        EndpointRow::read(seal::open(self.seal.as_deref(), item).await?, tenant)
    }

    /// Prepares the write of an endpoint, as its next revision.
    async fn put(&self, tenant: &Tenant, mut endpoint: Endpoint) -> Result<PutBuilder, StorageError> {
        endpoint.revision += 1;
        let mut item = EndpointRow::item(tenant, &endpoint)?;
        if let Some(seal) = &self.seal {
            item = seal.close(item).await?;
        }
        Ok(Put::builder().table_name(&self.table).set_item(Some(item)))
    }

    /// Writes an endpoint and moves the version; `others` are writes to other rows.
    async fn write(
        &self,
        tenant: &Tenant,
        endpoint: TransactWriteItem,
        moved: UpdateBuilder,
        others: impl IntoIterator<Item = TransactWriteItem>,
    ) -> Result<Transaction, StorageError> {
        let meta = moved.table_name(&self.table).set_key(Some(key(tenant, meta::SORT_KEY)));
        let audit = self.audit.as_ref().map(|entry| audit_log::write(&self.table, entry));
        let writes = [endpoint, update_item(meta)].into_iter().chain(others).chain(audit).collect();
        let failed = transact(&self.client, writes).await?;
        match failed.first() {
            None => Ok(Transaction::Done),
            Some(0) => Ok(Transaction::RowMoved),
            Some(1) => self.forget_changes(tenant).await.map(Transaction::Refused),
            Some(_) => Ok(Transaction::Closed),
        }
    }

    /// Drops the older half of the changes if there is no room for another. Returns the row as it was before.
    async fn forget_changes(&self, tenant: &Tenant) -> Result<Latest, StorageError> {
        let latest = self.latest(tenant).await?;
        if latest.is_full {
            let answer = self
                .client
                .update_item()
                .table_name(&self.table)
                .set_key(Some(key(tenant, meta::SORT_KEY)))
                .update_expression("SET #changes = :kept")
                .condition_expression("logged = :logged")
                .expression_attribute_names("#changes", "changes")
                .expression_attribute_values(":kept", latest.kept())
                .expression_attribute_values(":logged", number(latest.logged()))
                .send()
                .await;
            // If there has been another change since, the next change drops them.
            let _: Written = Written::read("UpdateItem", answer)?;
        }
        Ok(latest)
    }
}

/// The result of a transaction.
enum Transaction {
    Done,
    /// Another process has written the endpoint.
    RowMoved,
    /// The tenant has the maximum number of endpoints, or there is no room for another change.
    Refused(Latest),
    /// The account is being deleted.
    Closed,
}

impl Transaction {
    /// Returns an error that makes callers read again and retry, unless the transaction was done.
    fn done(self) -> Result<(), StorageError> {
        match self {
            Self::Done => Ok(()),
            Self::RowMoved | Self::Refused(_) | Self::Closed => Err(StorageError::Conflict),
        }
    }
}

fn key(tenant: &Tenant, sort_key: &str) -> HashMap<String, AttributeValue> {
    primary_key(tenant.to_string(), sort_key)
}

fn number(number: u64) -> AttributeValue {
    AttributeValue::N(number.to_string())
}
