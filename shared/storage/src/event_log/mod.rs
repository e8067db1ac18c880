//! The event log: a row for each event, with its payload and the state of its deliveries.

mod deliveries_of;
mod failures;
mod feed;
mod new_rows;
mod row;
mod scan;
mod search;
mod types;

use std::collections::HashMap;
use std::fmt::Write as _;
use std::time::Duration;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::operation::get_item::builders::GetItemFluentBuilder;
use aws_sdk_dynamodb::operation::update_item::builders::UpdateItemFluentBuilder;
use aws_sdk_dynamodb::types::AttributeValue;
use bytestring::ByteString;
use futures::future::try_join_all;
use posthorn_domain::{Delivery, DeliveryStatus, EndpointId, EventId, EventType, Tenant, Timestamp};

use crate::batcher::Batcher;
use crate::error::StorageError;
use crate::written::Written;
pub use deliveries_of::{DeliveriesOf, Found};
pub use feed::FeedRow;
use new_rows::NewRows;
pub use scan::EventScan;
pub use search::{Held, RecoverySearch, Treatment};
use types::Noted;

/// The events table. If an event has too many deliveries for one row, they are in chunks, which are rows of their own.
/// A chunk's number is partly random, so that two runs that split the same event do not mix their chunks: the record
/// names those that count.
#[derive(Debug, Clone)]
pub struct EventLog {
    client: Client,
    table: String,
    retention: Duration,
    new_rows: Batcher<NewRows>,
    noted: Noted,
}

/// The key of a row: an event's record, or one of its chunks.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct RecordKey {
    /// The tenant that the event belongs to.
    pub tenant: Tenant,
    /// The event.
    pub event_id: EventId,
    /// The chunk; `None` for the record itself.
    pub chunk: Option<u32>,
}

/// The record of an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventRecord {
    /// The body of its deliveries.
    pub body: ByteString,
    /// The chunks that contain its deliveries, in the order of their endpoints; empty if the record contains them
    /// itself.
    pub chunks: Vec<Chunk>,
    /// Its deliveries, in no order.
    pub deliveries: Vec<Delivery>,
    /// The only endpoint that the event is for; `None` if it is for all that want it.
    pub only: Option<EndpointId>,
    /// When it expires; `None` if it is not on record yet, or does not expire.
    pub expires_at: Option<Timestamp>,
}

/// A chunk, as the event's record names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Chunk {
    /// Its number.
    pub number: u32,
    /// The first of its endpoints.
    pub first: EndpointId,
}

impl EventRecord {
    /// Returns the keys of the rows that contain its deliveries; `key` is the record's own.
    pub fn rows(&self, key: &RecordKey) -> Vec<RecordKey> {
        if self.chunks.is_empty() {
            return vec![key.clone()];
        }
        let chunks = self.chunks.iter();
        chunks.map(|chunk| RecordKey { chunk: Some(chunk.number), ..key.clone() }).collect()
    }

    /// Returns the chunk that would contain the delivery to this endpoint; `None` if that is the record itself.
    pub fn chunk_of(&self, endpoint_id: EndpointId) -> Option<u32> {
        let follows = self.chunks.partition_point(|chunk| chunk.first <= endpoint_id);
        self.chunks.get(follows.saturating_sub(1)).map(|chunk| chunk.number)
    }
}

/// A delivery that has changed, and its state when it was read.
#[derive(Debug, Clone, Copy)]
pub struct Progress<'a> {
    /// The delivery as it is now.
    pub delivery: &'a Delivery,
    /// Its state when it was read.
    pub before: Before,
}

/// A delivery's state on record: the values that each step changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Before {
    /// Its status.
    pub status: DeliveryStatus,
    /// Its number of attempts.
    pub attempts: usize,
    /// Its number of attempts when it was last recovered; 0 if it never was.
    pub recovered_after: usize,
}

impl Before {
    /// Returns the state of a delivery as it was read.
    pub fn of(delivery: &Delivery) -> Self {
        let Delivery { status, attempts, recovered_after, .. } = delivery;
        Self { status: *status, attempts: attempts.len(), recovered_after: *recovered_after }
    }
}

impl EventLog {
    /// Uses the events in this table. Each is kept for `retention` from when it is put on record. Must be called within a
    /// tokio runtime.
    pub fn new(client: Client, table: String, retention: Duration) -> Self {
        let new_rows = Batcher::new(NewRows { client: client.clone(), table: table.clone() });
        Self { client, table, retention, new_rows, noted: Noted::default() }
    }

    /// Puts an event on record, unless it already is.
    pub async fn create(
        &self,
        key: &RecordKey,
        event_type: &EventType,
        record: &EventRecord,
        now: Timestamp,
    ) -> Result<Written, StorageError> {
        let (noted, failures) = tokio::join!(
            self.note_partition(key, event_type, now),
            self.note_failures(key, record.deliveries.iter(), now)
        );
        noted.and(failures)?;
        self.put(row::item(key, record, now.plus(self.retention))?).await
    }

    /// Puts a chunk of an event's deliveries on record, unless it already is.
    pub async fn create_chunk(
        &self,
        key: &RecordKey,
        deliveries: &[Delivery],
        now: Timestamp,
    ) -> Result<Written, StorageError> {
        self.note_failures(key, deliveries.iter(), now).await?;
        self.put(row::chunk_item(key, deliveries, now.plus(self.retention))?).await
    }

    /// Returns the record of an event, or `None` if it has none.
    pub async fn get(&self, tenant: &Tenant, event_id: EventId) -> Result<Option<EventRecord>, StorageError> {
        let key = RecordKey { tenant: tenant.clone(), event_id, chunk: None };
        let answer = self.read(&key).send().await.map_err(StorageError::from_call("GetItem"))?;
        answer.item.map(|item| row::record(&key, item)).transpose()
    }

    /// Returns the record of an event with all its deliveries, including those in chunks; `None` if it has none.
    pub async fn get_whole(
        &self,
        tenant: &Tenant,
        event_id: EventId,
    ) -> Result<Option<EventRecord>, StorageError> {
        let Some(record) = self.get(tenant, event_id).await? else { return Ok(None) };
        Ok(Some(self.with_chunks(tenant, event_id, record).await?))
    }

    /// Adds the deliveries in the record's chunks to the record.
    pub async fn with_chunks(
        &self,
        tenant: &Tenant,
        event_id: EventId,
        mut record: EventRecord,
    ) -> Result<EventRecord, StorageError> {
        let chunks = record.chunks.iter().map(|chunk| async {
            self.deliveries(&RecordKey { tenant: tenant.clone(), event_id, chunk: Some(chunk.number) }).await
        });
        record.deliveries.extend(try_join_all(chunks).await?.into_iter().flatten());
        Ok(record)
    }

    /// Returns the delivery of an event to an endpoint, and the key of its row; without a delivery, the key of the row
    /// that it would be in. Returns `None` if the event is not on record.
    pub async fn find(
        &self,
        tenant: &Tenant,
        event_id: EventId,
        endpoint_id: EndpointId,
    ) -> Result<Option<(RecordKey, Option<Delivery>)>, StorageError> {
        let Some(record) = self.get(tenant, event_id).await? else { return Ok(None) };
        let key = RecordKey { tenant: tenant.clone(), event_id, chunk: record.chunk_of(endpoint_id) };
        let delivery = self.pick(&key, record.deliveries, endpoint_id).await?;
        Ok(Some((key, delivery)))
    }

    /// Returns the delivery to an endpoint in the row with this key; `recorded` are the deliveries in the record
    /// itself.
    async fn pick(
        &self,
        key: &RecordKey,
        recorded: Vec<Delivery>,
        endpoint_id: EndpointId,
    ) -> Result<Option<Delivery>, StorageError> {
        match key.chunk {
            Some(_) => self.delivery(key, endpoint_id).await,
            None => Ok(recorded.into_iter().find(|delivery| delivery.endpoint_id == endpoint_id)),
        }
    }

    /// Returns the delivery to an endpoint in a row; `None` if the row or the delivery does not exist.
    pub async fn delivery(
        &self,
        key: &RecordKey,
        endpoint_id: EndpointId,
    ) -> Result<Option<Delivery>, StorageError> {
        let mut deliveries = self.deliveries(key).await?.into_iter();
        Ok(deliveries.find(|delivery| delivery.endpoint_id == endpoint_id))
    }

    /// Returns the deliveries in a row, or `None` if there is no such row. Reads no payload.
    pub async fn get_chunk(&self, key: &RecordKey) -> Result<Option<Vec<Delivery>>, StorageError> {
        let read =
            self.read(key).projection_expression("#d").expression_attribute_names("#d", row::DELIVERIES);
        let answer = read.send().await.map_err(StorageError::from_call("GetItem"))?;
        answer.item.map(|item| row::deliveries(key, item)).transpose()
    }

    /// Returns the deliveries in a row; none if there is no such row.
    pub async fn deliveries(&self, key: &RecordKey) -> Result<Vec<Delivery>, StorageError> {
        Ok(self.get_chunk(key).await?.unwrap_or_default())
    }

    /// Writes changes of deliveries in one row. Writes all of them, or none if the recorded state of any is no longer
    /// its `before`.
    pub async fn advance(
        &self,
        key: &RecordKey,
        progress: &[Progress<'_>],
        now: Timestamp,
    ) -> Result<Written, StorageError> {
        if progress.is_empty() {
            return Ok(Written::Now);
        }
        self.note_failures(key, progress.iter().map(|step| step.delivery), now).await?;
        let mut update = self.update(key);
        let (mut set, mut condition) = (String::from("SET "), String::new());
        for (n, step) in progress.iter().enumerate() {
            let Progress { delivery, before: Before { status, attempts, recovered_after } } = *step;
            let (comma, and) = if n == 0 { ("", "") } else { (", ", " AND ") };
            write!(set, "{comma}#d.#{n} = :d{n}").expect("writing to a string does not fail");
            write!(condition, "{and}#d.#{n}.s = :s{n} AND size(#d.#{n}.a) = :a{n} AND ")
                .expect("writing to a string does not fail");
            // An attempt that was made counts even if its delivery is held meanwhile. A condition for each of these would
            // also be too long for DynamoDB.
            if status == DeliveryStatus::Held {
                write!(condition, "attribute_exists(#d.#{n}.h) AND ")
                    .expect("writing to a string does not fail");
            }
            if recovered_after == 0 {
                write!(condition, "attribute_not_exists(#d.#{n}.y)")
            } else {
                update = update.expression_attribute_values(format!(":y{n}"), number(recovered_after));
                write!(condition, "#d.#{n}.y = :y{n}")
            }
            .expect("writing to a string does not fail");
            update = update
                .expression_attribute_names(format!("#{n}"), delivery.endpoint_id.to_string())
                .expression_attribute_values(format!(":d{n}"), row::delivery(delivery)?)
                .expression_attribute_values(format!(":s{n}"), row::status(status)?)
                .expression_attribute_values(format!(":a{n}"), number(attempts));
        }
        let answer = update.update_expression(set).condition_expression(condition).send().await;
        Written::read("UpdateItem", answer)
    }

    /// Writes a delivery's status as it was read. This tests whether the table takes writes, before an attempt whose
    /// result must be written.
    pub async fn confirm(&self, key: &RecordKey, delivery: &Delivery) -> Result<Written, StorageError> {
        let update = self
            .update(key)
            .expression_attribute_names("#e", delivery.endpoint_id.to_string())
            .expression_attribute_values(":s", row::status(delivery.status)?)
            .expression_attribute_values(":a", number(delivery.attempts.len()))
            .update_expression("SET #d.#e.s = :s")
            .condition_expression("#d.#e.s = :s AND size(#d.#e.a) = :a");
        Written::read("UpdateItem", update.send().await)
    }

    /// Adds a delivery to the row of this key, unless the row already has one to the same endpoint, or does not exist.
    pub async fn add(&self, key: &RecordKey, delivery: &Delivery) -> Result<Written, StorageError> {
        let update = self
            .update(key)
            .expression_attribute_names("#e", delivery.endpoint_id.to_string())
            .expression_attribute_values(":d", row::delivery(delivery)?)
            .update_expression("SET #d.#e = :d")
            .condition_expression("attribute_exists(#d) AND attribute_not_exists(#d.#e)");
        Written::read("UpdateItem", update.send().await)
    }

    fn update(&self, key: &RecordKey) -> UpdateItemFluentBuilder {
        self.client
            .update_item()
            .table_name(&self.table)
            .set_key(Some(row::key(key)))
            .expression_attribute_names("#d", row::DELIVERIES)
    }

    async fn put(&self, item: HashMap<String, AttributeValue>) -> Result<Written, StorageError> {
        let written = self.new_rows.send(std::iter::once(item)).await;
        written.into_iter().next().expect("there is a result for each row")
    }

    fn read(&self, key: &RecordKey) -> GetItemFluentBuilder {
        self.client.get_item().table_name(&self.table).set_key(Some(row::key(key))).consistent_read(true)
    }
}

#[expect(clippy::needless_pass_by_value, reason = "takes numbers and references to numbers alike")]
fn number(number: impl ToString) -> AttributeValue {
    AttributeValue::N(number.to_string())
}
