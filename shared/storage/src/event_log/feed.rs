//! The feed's rows: `pk = {tenant}#feed#{shard}`, `sk = {milliseconds since the Unix epoch}#{event id}`, and the event's
//! `t`ype. They expire with the events.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::{AttributeValue, KeysAndAttributes};
use bytestring::ByteString;
use futures::future::try_join_all;
use posthorn_domain::{EventId, EventType, FeedPlace, Tenant, Timestamp};

use super::{EventLog, RecordKey, row};
use crate::codec;
use crate::error::{StorageError, readable};
use crate::items::{Item, get_all, primary_key, seconds, text};
use crate::written::Written;

/// The number of partitions of a tenant's feed. Each takes a thousand rows a second.
const SHARDS: u8 = 4;
/// The event's type.
const TYPE: &str = "t";
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
        item.insert(row::EXPIRES_AT.to_owned(), seconds(now.plus(self.retention)));
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

    /// Returns the bodies of these events (at most 100), as they are delivered, in no order. Those that have expired or cannot
    /// be read are missing.
    pub async fn bodies(
        &self,
        tenant: &Tenant,
        events: &[EventId],
    ) -> Result<HashMap<EventId, ByteString>, StorageError> {
        if events.is_empty() {
            return Ok(HashMap::new());
        }
        let key = |event_id: &EventId| {
            row::key(&RecordKey { tenant: tenant.clone(), event_id: *event_id, chunk: None })
        };
        let rows = KeysAndAttributes::builder()
            .set_keys(Some(events.iter().map(key).collect()))
            .consistent_read(true)
            .projection_expression("pk, sk, #b")
            .expression_attribute_names("#b", row::BODY)
            .build()
            .expect("the keys are set");
        let mut bodies = HashMap::new();
        for item in get_all(&self.client, &self.table, rows).await? {
            bodies.extend(readable(body(&item))?);
        }
        Ok(bodies)
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
