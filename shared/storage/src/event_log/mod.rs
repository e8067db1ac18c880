//! What became of every event: one row an event, with its payload and the state of its deliveries.

mod row;

use std::collections::HashMap;
use std::fmt::Write as _;
use std::time::Duration;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::error::SdkError;
use aws_sdk_dynamodb::operation::put_item::PutItemError;
use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::types::AttributeValue;
use futures::future::try_join_all;
use posthorn_domain::{Delivery, EventId, Tenant, Timestamp};

use crate::{StorageError, codec};

/// The events table. An event whose deliveries are too many for one row keeps them in chunks, rows of their
/// own beside it. A chunk's number is partly chance, so that two runs that cut the same event into chunks do not
/// mix theirs: the record names those that count.
#[derive(Debug, Clone)]
pub struct EventLog {
    client: Client,
    table: String,
    retention: Duration,
}

/// Names a row: an event's record, or one of its chunks.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct RecordKey {
    /// Whose event it is.
    pub tenant: Tenant,
    /// The event.
    pub event_id: EventId,
    /// The chunk; `None` for the record itself.
    pub chunk: Option<u32>,
}

/// What is on record of an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventRecord {
    /// The body of its deliveries.
    pub body: String,
    /// The chunks that hold its deliveries; none when the record holds them itself.
    pub chunks: Vec<u32>,
    /// Its deliveries, in no order.
    pub deliveries: Vec<Delivery>,
}

/// Whether a conditional write was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum Written {
    /// It was.
    Now,
    /// Somebody else had already written what this would have.
    Before,
}

/// A delivery that went on, and how many attempts were on record before.
#[derive(Debug, Clone, Copy)]
pub struct Progress<'a> {
    /// The delivery as it is now.
    pub delivery: &'a Delivery,
    /// How many attempts were on record when it was read.
    pub attempts_before: usize,
}

impl EventLog {
    /// The events in this table; each is kept for `retention` from when it is put on record.
    pub fn new(client: Client, table: String, retention: Duration) -> Self {
        Self { client, table, retention }
    }

    /// Puts an event on record, unless it already is.
    pub async fn create(
        &self,
        key: &RecordKey,
        record: &EventRecord,
        now: Timestamp,
    ) -> Result<Written, StorageError> {
        let mut item = self.row(key, &record.deliveries, now)?;
        item.insert(row::BODY.to_owned(), codec::pack(&record.body));
        if !record.chunks.is_empty() {
            let chunks = record.chunks.iter().map(number).collect();
            item.insert(row::CHUNKS.to_owned(), AttributeValue::L(chunks));
        }
        self.put(item).await
    }

    /// Puts a chunk of an event's deliveries on record, unless it already is.
    pub async fn create_chunk(
        &self,
        key: &RecordKey,
        deliveries: &[Delivery],
        now: Timestamp,
    ) -> Result<Written, StorageError> {
        self.put(self.row(key, deliveries, now)?).await
    }

    /// The record of an event, or `None` when it has none.
    pub async fn get(&self, tenant: &Tenant, event_id: EventId) -> Result<Option<EventRecord>, StorageError> {
        let key = RecordKey { tenant: tenant.clone(), event_id, chunk: None };
        let Some(mut item) = self.read(&key).await? else { return Ok(None) };
        let corrupt = |reason: String| StorageError::corrupt(&row::label(&key), reason);
        let body = item.remove(row::BODY).ok_or_else(|| corrupt("it has no payload".to_owned()))?;
        let chunks = match item.remove(row::CHUNKS) {
            Some(chunks) => {
                serde_dynamo::from_attribute_value(chunks).map_err(|error| corrupt(error.to_string()))?
            }
            None => Vec::new(),
        };
        Ok(Some(EventRecord {
            body: codec::unpack(&body).map_err(corrupt)?,
            chunks,
            deliveries: row::deliveries(&key, item)?,
        }))
    }

    /// The record of an event with all its deliveries, those in chunks too; `None` when it has none.
    pub async fn get_whole(
        &self,
        tenant: &Tenant,
        event_id: EventId,
    ) -> Result<Option<EventRecord>, StorageError> {
        let Some(mut record) = self.get(tenant, event_id).await? else { return Ok(None) };
        let chunks = record.chunks.iter().map(|&chunk| async move {
            self.deliveries(&RecordKey { tenant: tenant.clone(), event_id, chunk: Some(chunk) }).await
        });
        record.deliveries.extend(try_join_all(chunks).await?.into_iter().flatten());
        Ok(Some(record))
    }

    /// The deliveries in a chunk, or `None` when there is no such chunk.
    pub async fn get_chunk(&self, key: &RecordKey) -> Result<Option<Vec<Delivery>>, StorageError> {
        self.read(key).await?.map(|item| row::deliveries(key, item)).transpose()
    }

    /// The deliveries in a row; none when there is no such row.
    pub async fn deliveries(&self, key: &RecordKey) -> Result<Vec<Delivery>, StorageError> {
        let row = self.read(key).await?.map(|item| row::deliveries(key, item)).transpose()?;
        Ok(row.unwrap_or_default())
    }

    /// Writes how deliveries in one row went on: all of them, or none when any is no longer pending or has got
    /// further than the reader knew.
    pub async fn advance(&self, key: &RecordKey, progress: &[Progress<'_>]) -> Result<Written, StorageError> {
        if progress.is_empty() {
            return Ok(Written::Now);
        }
        let mut update = self
            .client
            .update_item()
            .table_name(&self.table)
            .set_key(Some(row::key(key)))
            .expression_attribute_names("#d", row::DELIVERIES)
            .expression_attribute_values(":pending", AttributeValue::S(row::PENDING.to_owned()));
        let (mut set, mut condition) = (String::from("SET "), String::new());
        for (n, Progress { delivery, attempts_before }) in progress.iter().enumerate() {
            let (comma, and) = if n == 0 { ("", "") } else { (", ", " AND ") };
            write!(set, "{comma}#d.#{n} = :d{n}").expect("writing to a string does not fail");
            write!(condition, "{and}#d.#{n}.s = :pending AND size(#d.#{n}.a) = :a{n}")
                .expect("writing to a string does not fail");
            update = update
                .expression_attribute_names(format!("#{n}"), delivery.endpoint_id.to_string())
                .expression_attribute_values(format!(":d{n}"), row::delivery(delivery)?)
                .expression_attribute_values(format!(":a{n}"), number(*attempts_before));
        }
        match update.update_expression(set).condition_expression(condition).send().await {
            Ok(_) => Ok(Written::Now),
            Err(SdkError::ServiceError(error))
                if matches!(error.err(), UpdateItemError::ConditionalCheckFailedException(_)) =>
            {
                Ok(Written::Before)
            }
            Err(error) => Err(StorageError::from_call("UpdateItem")(error)),
        }
    }

    async fn put(&self, item: HashMap<String, AttributeValue>) -> Result<Written, StorageError> {
        let put = self
            .client
            .put_item()
            .table_name(&self.table)
            .set_item(Some(item))
            .condition_expression("attribute_not_exists(pk)");
        match put.send().await {
            Ok(_) => Ok(Written::Now),
            Err(SdkError::ServiceError(error))
                if matches!(error.err(), PutItemError::ConditionalCheckFailedException(_)) =>
            {
                Ok(Written::Before)
            }
            Err(error) => Err(StorageError::from_call("PutItem")(error)),
        }
    }

    async fn read(&self, key: &RecordKey) -> Result<Option<HashMap<String, AttributeValue>>, StorageError> {
        let answer = self
            .client
            .get_item()
            .table_name(&self.table)
            .set_key(Some(row::key(key)))
            .consistent_read(true)
            .send()
            .await
            .map_err(StorageError::from_call("GetItem"))?;
        Ok(answer.item)
    }

    fn row(
        &self,
        key: &RecordKey,
        deliveries: &[Delivery],
        now: Timestamp,
    ) -> Result<HashMap<String, AttributeValue>, StorageError> {
        let mut item = row::key(key);
        let rows = deliveries
            .iter()
            .map(|delivery| Ok((delivery.endpoint_id.to_string(), row::delivery(delivery)?)));
        item.insert(
            row::DELIVERIES.to_owned(),
            AttributeValue::M(rows.collect::<Result<_, StorageError>>()?),
        );
        item.insert(row::EXPIRES_AT.to_owned(), number(now.plus(self.retention).as_seconds()));
        Ok(item)
    }
}

#[expect(clippy::needless_pass_by_value, reason = "takes numbers and references to numbers alike")]
fn number(number: impl ToString) -> AttributeValue {
    AttributeValue::N(number.to_string())
}
