//! The feed's rows: `pk = {tenant}#feed#{shard}`, `sk = {milliseconds since the Unix epoch}#{event id}`, and the event's
//! `t`ype. They expire with the events.

use std::collections::HashMap;
use std::time::Duration;

use aws_sdk_dynamodb::types::{AttributeValue, KeysAndAttributes};
use bytestring::ByteString;
use futures::future::try_join_all;
use posthorn_domain::{EventId, EventType, FeedPlace, Tenant, Timestamp};
use tokio::time::sleep;

use super::{EventLog, RecordKey, row};
use crate::codec;
use crate::error::{StorageError, readable};
use crate::items::{Item, primary_key};
use crate::written::Written;

/// The number of partitions of a tenant's feed. Each takes a thousand rows a second.
const SHARDS: u8 = 4;
/// The event's type.
const TYPE: &str = "t";
/// The most events whose payloads are read in one call.
const AT_ONCE: usize = 100;
/// How often in vain rows that DynamoDB left out are asked for again, and the first wait before that. Each further wait is
/// twice as long.
const TRIES: u32 = 6;
const FIRST_WAIT: Duration = Duration::from_millis(50);

/// A row of the feed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FeedRow {
    /// Its place.
    pub place: FeedPlace,
    /// The type of its event.
    pub event_type: EventType,
}

impl EventLog {
    /// Adds an event to the feed. `now` becomes the row's place, so the write must not take longer than
    /// [`FEED_WRITE`](posthorn_domain::FEED_WRITE).
    pub async fn add_to_feed(
        &self,
        tenant: &Tenant,
        event_id: EventId,
        event_type: &EventType,
        now: Timestamp,
    ) -> Result<(), StorageError> {
        let mut item =
            primary_key(pk(tenant, shard(event_id)), sort_key(FeedPlace { at: now, id: event_id }));
        item.insert(TYPE.to_owned(), AttributeValue::S(event_type.to_string()));
        item.insert(row::EXPIRES_AT.to_owned(), row::seconds(now.plus(self.retention)));
        let _: Written = self.put(item).await?;
        Ok(())
    }

    /// Returns the first `most` rows after a place, in their order, and whether these are all. Leaves out those that cannot
    /// be read.
    pub async fn feed(
        &self,
        tenant: &Tenant,
        after: FeedPlace,
        most: usize,
    ) -> Result<(Vec<FeedRow>, bool), StorageError> {
        let shards = (0..SHARDS).map(|shard| self.feed_shard(tenant, shard, after, most));
        let shards = try_join_all(shards).await?;
        // Beyond the end of a shard that was not read whole, rows of that shard are missing.
        let end = shards.iter().filter_map(|(_, end)| *end).min();
        let mut rows: Vec<FeedRow> = shards.into_iter().flat_map(|(rows, _)| rows).collect();
        rows.sort_unstable_by_key(|row| row.place);
        if let Some(end) = end {
            rows.retain(|row| row.place <= end);
        }
        let are_all = end.is_none() && rows.len() <= most;
        rows.truncate(most);
        Ok((rows, are_all))
    }

    /// Returns the rows of a shard, and the place of the last one that was read, if there may be more.
    async fn feed_shard(
        &self,
        tenant: &Tenant,
        shard: u8,
        after: FeedPlace,
        most: usize,
    ) -> Result<(Vec<FeedRow>, Option<FeedPlace>), StorageError> {
        let answer = self
            .client
            .query()
            .table_name(&self.table)
            .key_condition_expression("pk = :pk AND sk > :after")
            .expression_attribute_values(":pk", AttributeValue::S(pk(tenant, shard)))
            .expression_attribute_values(":after", AttributeValue::S(sort_key(after)))
            .consistent_read(true)
            .limit(i32::try_from(most).unwrap_or(i32::MAX))
            .send()
            .await
            .map_err(StorageError::from_call("Query"))?;
        let end = answer.last_evaluated_key.as_ref().map(place).transpose()?;
        let mut rows = Vec::new();
        for item in answer.items.unwrap_or_default() {
            rows.extend(readable(read(&item))?);
        }
        Ok((rows, end))
    }

    /// Returns the bodies of these events, as they are delivered, in no order. Those that have expired or cannot be read are
    /// missing.
    pub async fn bodies(
        &self,
        tenant: &Tenant,
        events: &[EventId],
    ) -> Result<HashMap<EventId, ByteString>, StorageError> {
        let mut bodies = HashMap::new();
        for events in events.chunks(AT_ONCE) {
            let keys = events.iter().map(|event_id| {
                row::key(&RecordKey { tenant: tenant.clone(), event_id: *event_id, chunk: None })
            });
            let mut left: Vec<Item> = keys.collect();
            let mut tries = 0;
            while !left.is_empty() {
                let (items, unprocessed) = self.read_bodies(left).await?;
                left = unprocessed;
                if !items.is_empty() {
                    tries = 0;
                } else if tries < TRIES && !left.is_empty() {
                    sleep(FIRST_WAIT * 2_u32.pow(tries)).await;
                    tries += 1;
                } else if !left.is_empty() {
                    return Err(StorageError::timed_out("BatchGetItem"));
                }
                for item in items {
                    bodies.extend(readable(body(&item))?);
                }
            }
        }
        Ok(bodies)
    }

    /// Reads these rows' payloads. Returns the rows, and the keys that DynamoDB left out: its answer has at most 16 MB.
    async fn read_bodies(&self, keys: Vec<Item>) -> Result<(Vec<Item>, Vec<Item>), StorageError> {
        let asked = KeysAndAttributes::builder()
            .set_keys(Some(keys))
            .consistent_read(true)
            .projection_expression("pk, sk, #b")
            .expression_attribute_names("#b", row::BODY)
            .build()
            .expect("the keys are set");
        let answer = self.client.batch_get_item().request_items(&self.table, asked).send().await;
        let answer = answer.map_err(StorageError::from_call("BatchGetItem"))?;
        let items = answer.responses.and_then(|mut tables| tables.remove(&self.table)).unwrap_or_default();
        let left = answer.unprocessed_keys.and_then(|mut tables| tables.remove(&self.table));
        Ok((items, left.map_or(Vec::new(), |left| left.keys)))
    }
}

fn pk(tenant: &Tenant, shard: u8) -> String {
    format!("{tenant}#feed#{shard}")
}

/// Returns the shard of an event: its last bits are random.
fn shard(event_id: EventId) -> u8 {
    event_id.to_bytes()[15] % SHARDS
}

/// Returns a sort key. Those of later places are greater until the year 2286.
fn sort_key(FeedPlace { at, id }: FeedPlace) -> String {
    format!("{:013}#{id}", at.as_millis().max(0))
}

fn text<'i>(item: &'i Item, name: &str) -> &'i str {
    item.get(name).and_then(|value| value.as_s().ok()).map_or("", String::as_str)
}

fn place(item: &Item) -> Result<FeedPlace, StorageError> {
    let sort_key = text(item, "sk");
    let place = sort_key.split_once('#').and_then(|(at, id)| {
        Some(FeedPlace { at: Timestamp::from_millis(at.parse().ok()?), id: id.parse().ok()? })
    });
    place.ok_or_else(|| StorageError::corrupt(sort_key, "its key is no place in the feed"))
}

fn read(item: &Item) -> Result<FeedRow, StorageError> {
    let event_type =
        text(item, TYPE).parse().map_err(|reason| StorageError::corrupt(text(item, "sk"), reason))?;
    Ok(FeedRow { place: place(item)?, event_type })
}

fn body(item: &Item) -> Result<(EventId, ByteString), StorageError> {
    let event_id = row::event_id(item)?;
    let corrupt = |reason: String| StorageError::corrupt(&event_id.to_string(), reason);
    let packed = item.get(row::BODY).ok_or_else(|| corrupt("it has no payload".to_owned()))?;
    Ok((event_id, codec::unpack(packed).map_err(corrupt)?.into()))
}
