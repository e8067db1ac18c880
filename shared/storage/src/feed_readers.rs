//! Who reads feeds: the places of those that wait for events, and the cursors that Posthorn keeps.

use std::hash::{BuildHasher as _, BuildHasherDefault, DefaultHasher};
use std::time::Duration;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::AttributeValue;
use posthorn_domain::{ConsumerName, FeedCursor, Tenant, Timestamp};

use crate::error::StorageError;
use crate::items::{Item, millis, primary_key, seconds, text};
use crate::written::Written;

/// How long a cursor is kept after it was last moved. It is much longer than events are kept, so that a consumer that was away
/// for too long is told so.
const REMEMBERED: Duration = Duration::from_hours(24 * 400);
/// How many readers of one tenant may wait at the same time.
const OF_A_TENANT: u64 = 2;

/// The readers of feeds, in the events table. A kept cursor is in `pk = {tenant}#consumers`, `sk = {name}`. Whoever waits has a
/// place, `pk = feed#waiting`, `sk = {number}`, until it is free again.
#[derive(Debug, Clone)]
pub struct FeedReaders {
    client: Client,
    table: String,
    places: u64,
}

/// A place among those who wait for events.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WaitingPlace {
    number: u64,
    until: Timestamp,
}

impl WaitingPlace {
    fn key(self) -> Item {
        primary_key("feed#waiting", self.number.to_string())
    }
}

impl FeedReaders {
    /// Uses the readers in this table. At most `places` readers wait at the same time, of one tenant at most two.
    pub fn new(client: Client, table: String, places: u64) -> Self {
        Self { client, table, places: places.max(1) }
    }

    /// Returns the cursor of a consumer; `None` if it has none.
    pub async fn cursor(
        &self,
        tenant: &Tenant,
        name: &ConsumerName,
    ) -> Result<Option<FeedCursor>, StorageError> {
        let key = primary_key(consumers(tenant), name.as_str());
        let get = self.client.get_item().table_name(&self.table).set_key(Some(key)).consistent_read(true);
        let answer = get.send().await.map_err(StorageError::from_call("GetItem"))?;
        let Some(item) = answer.item else { return Ok(None) };
        let label = || format!("{}/{}", consumers(tenant), name.as_str());
        text(&item, "cursor").parse().map(Some).map_err(|reason| StorageError::corrupt(&label(), reason))
    }

    /// Keeps a consumer's cursor.
    pub async fn keep(
        &self,
        tenant: &Tenant,
        name: &ConsumerName,
        cursor: &FeedCursor,
        now: Timestamp,
    ) -> Result<(), StorageError> {
        self.client
            .put_item()
            .table_name(&self.table)
            .set_item(Some(primary_key(consumers(tenant), name.as_str())))
            .item("cursor", AttributeValue::S(cursor.to_string()))
            .item("expires_at", seconds(now.plus(REMEMBERED)))
            .send()
            .await
            .map_err(StorageError::from_call("PutItem"))?;
        Ok(())
    }

    /// Takes a place to wait until `until`; `None` if all are taken.
    pub async fn wait(
        &self,
        tenant: &Tenant,
        now: Timestamp,
        until: Timestamp,
    ) -> Result<Option<WaitingPlace>, StorageError> {
        let first = BuildHasherDefault::<DefaultHasher>::default().hash_one(tenant);
        for number in 0..OF_A_TENANT.min(self.places) {
            let place = WaitingPlace { number: first.wrapping_add(number) % self.places, until };
            let put = self
                .client
                .put_item()
                .table_name(&self.table)
                .set_item(Some(place.key()))
                .item("until", millis(until))
                .item("expires_at", seconds(until))
                .condition_expression("attribute_not_exists(pk) OR #until <= :now")
                .expression_attribute_names("#until", "until")
                .expression_attribute_values(":now", millis(now));
            if Written::read("PutItem", put.send().await)? == Written::Now {
                return Ok(Some(place));
            }
        }
        Ok(None)
    }

    /// Frees a place before its time, unless another reader has taken it.
    pub async fn leave(&self, place: WaitingPlace) -> Result<(), StorageError> {
        let delete = self
            .client
            .delete_item()
            .table_name(&self.table)
            .set_key(Some(place.key()))
            .condition_expression("#until = :until")
            .expression_attribute_names("#until", "until")
            .expression_attribute_values(":until", millis(place.until));
        let _: Written = Written::read("DeleteItem", delete.send().await)?;
        Ok(())
    }
}

fn consumers(tenant: &Tenant) -> String {
    format!("{tenant}#consumers")
}
