//! Retries that are due later than a queue can delay a message.

mod places;

use std::collections::HashMap;
use std::time::Duration;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::{AttributeValue, DeleteRequest, WriteRequest};
use backon::{BackoffBuilder as _, ExponentialBuilder};
use futures::future::join_all;
use posthorn_domain::{DeliveryMessage, DeliveryWork, Timestamp};

use crate::error::StorageError;
use crate::items::{primary_key, seconds};
use crate::outbox::OutgoingMessage;
pub use places::{Floor, Mark, Minute, Place, Places, Start};

/// Number of rows in a page. A sweep that is cut off sends at most this many rows of each shard twice.
const PAGE: i32 = 250;
/// Maximum number of rows in one `BatchWriteItem`.
const MAX_BATCH: usize = 25;
/// When DynamoDB may delete a row: seconds since the Unix epoch. Rows of 0.1.0 have none.
const EXPIRES_AT: &str = "expires_at";

/// The due table: `pk = due#{minute}#{shard}`, `sk = {due ms}#{event}#{endpoint}#{attempt}`, and [how far it has been
/// swept](Places). Minutes count from the Unix epoch.
///
/// A row stays after it was sent. DynamoDB deletes it later, free of charge.
#[derive(Debug, Clone)]
pub struct DueRetries {
    client: Client,
    table: String,
}

/// A row of the due table.
#[derive(Debug)]
pub struct DueRow {
    /// Its sort key, which identifies the retry.
    pub sort_key: String,
    /// Whether DynamoDB will delete it. Rows of 0.1.0 don't expire; whoever has sent them deletes them.
    pub expires: bool,
    /// The retry, or why it cannot be read.
    pub retry: Result<DueRetry, StorageError>,
}

/// A waiting retry.
#[derive(Debug, Clone)]
pub struct DueRetry {
    /// When it is due.
    pub due: Timestamp,
    /// The message to send then.
    pub message: OutgoingMessage,
}

/// Rows of one minute in one shard, in the order of their sort keys.
#[derive(Debug)]
pub struct DuePage {
    /// The rows; empty if there are no more.
    pub rows: Vec<DueRow>,
    /// Whether the minute has no more rows than these.
    pub is_last: bool,
}

impl DueRetries {
    /// Number of partitions for a minute's retries; each takes 1,000 writes a second. It may grow, but must not shrink
    /// while retries wait.
    pub const SHARDS: u32 = 4;
    /// How long a row is kept after it was due. If no sweep runs in this time, the retry is lost.
    pub const LIFETIME: Duration = Duration::from_hours(7 * 24);

    /// The retries in this table.
    pub fn new(client: Client, table: String) -> Self {
        Self { client, table }
    }

    /// Stores messages until shortly before they are due. The same message is stored once. Errors if any message could
    /// not be stored; all others have been.
    pub async fn put(&self, messages: &[(DeliveryMessage, Timestamp)]) -> Result<(), StorageError> {
        self.put_each(messages).await.into_iter().collect()
    }

    /// Like [`Self::put`]. Returns the results in the order of the messages.
    pub async fn put_each(&self, messages: &[(DeliveryMessage, Timestamp)]) -> Vec<Result<(), StorageError>> {
        join_all(messages.iter().map(|(message, due)| self.put_one(message, *due))).await
    }

    async fn put_one(&self, message: &DeliveryMessage, due: Timestamp) -> Result<(), StorageError> {
        let OutgoingMessage { body, group } = OutgoingMessage::of(message);
        let DeliveryMessage { event_id, work, .. } = message;
        let sort_key = match work {
            DeliveryWork::Attempt { attempt, .. } => {
                format!("{:013}#{event_id}#{group}#{attempt}", due.as_millis())
            }
            DeliveryWork::First { .. } | DeliveryWork::Resend { .. } | DeliveryWork::Chunk => {
                format!("{:013}#{event_id}#{group}", due.as_millis())
            }
        };
        // The last character of an event's id is random.
        let shard = event_id.to_string().bytes().last().map_or(0, u32::from) % Self::SHARDS;
        self.client
            .put_item()
            .table_name(&self.table)
            .set_item(Some(key(Minute::of(due), shard, sort_key)))
            .item("body", AttributeValue::S(body))
            .item("group", AttributeValue::S(group))
            .item(EXPIRES_AT, seconds(due.plus(Self::LIFETIME)))
            .send()
            .await
            .map_err(StorageError::from_call("PutItem"))?;
        Ok(())
    }

    /// Returns the first rows of a minute in a shard, or those after the sort key `after`.
    pub async fn page(
        &self,
        minute: Minute,
        shard: u32,
        after: Option<&str>,
    ) -> Result<DuePage, StorageError> {
        let query = self
            .client
            .query()
            .table_name(&self.table)
            .expression_attribute_values(":pk", AttributeValue::S(partition(minute, shard)))
            .consistent_read(true)
            .limit(PAGE);
        let query = match after {
            None => query.key_condition_expression("pk = :pk"),
            Some(after) => query
                .key_condition_expression("pk = :pk AND sk > :after")
                .expression_attribute_values(":after", AttributeValue::S(after.to_owned())),
        };
        let answer = query.send().await.map_err(StorageError::from_call("Query"))?;
        let rows = answer.items.unwrap_or_default().into_iter().map(DueRow::read).collect();
        Ok(DuePage { rows, is_last: answer.last_evaluated_key.is_none() })
    }

    /// Deletes rows of a minute in a shard. If it fails, some rows may be left.
    pub async fn remove(&self, minute: Minute, shard: u32, sort_keys: &[String]) -> Result<(), StorageError> {
        for some in sort_keys.chunks(MAX_BATCH) {
            let requests = some.iter().map(|sort_key| {
                let key = key(minute, shard, sort_key.clone());
                let delete = DeleteRequest::builder().set_key(Some(key)).build().expect("the key is set");
                WriteRequest::builder().delete_request(delete).build()
            });
            self.write_all(requests.collect()).await?;
        }
        Ok(())
    }

    /// Makes one batch of writes. Repeats those that DynamoDB has left out because it is busy, up to five times.
    async fn write_all(&self, mut requests: Vec<WriteRequest>) -> Result<(), StorageError> {
        const OPERATION: &str = "BatchWriteItem";
        let backoff = ExponentialBuilder::default().with_min_delay(Duration::from_millis(50));
        let mut waits = backoff.with_max_times(5).with_jitter().build();
        loop {
            let call = self.client.batch_write_item().request_items(&self.table, requests);
            let answer = call.send().await.map_err(StorageError::from_call(OPERATION))?;
            requests = answer.unprocessed_items.unwrap_or_default().into_values().flatten().collect();
            if requests.is_empty() {
                return Ok(());
            }
            let Some(wait) = waits.next() else {
                let source = format!("DynamoDB did not process {} writes", requests.len()).into();
                return Err(StorageError::Unavailable { operation: OPERATION, source });
            };
            tokio::time::sleep(wait).await;
        }
    }

    /// Returns whether the table has no rows, as in a new stack.
    pub async fn is_empty(&self) -> Result<bool, StorageError> {
        let first = self.client.scan().table_name(&self.table).consistent_read(true).limit(1);
        let answer = first.send().await.map_err(StorageError::from_call("Scan"))?;
        Ok(answer.items().is_empty())
    }
}

impl DueRow {
    fn read(mut row: HashMap<String, AttributeValue>) -> Self {
        let mut text = |name: &str| match row.remove(name) {
            Some(AttributeValue::S(text)) => Some(text),
            _ => None,
        };
        let sort_key = text("sk").unwrap_or_default();
        let corrupt = |reason: &str| StorageError::corrupt(&sort_key, reason);
        let due = sort_key.split('#').next().and_then(|millis| millis.parse().ok());
        let retry = match (due, text("body"), text("group")) {
            (None, ..) => Err(corrupt("its sort key does not begin with a time in milliseconds")),
            (_, None, _) => Err(corrupt("its attribute body is missing or not a string")),
            (_, _, None) => Err(corrupt("its attribute group is missing or not a string")),
            (Some(due), Some(body), Some(group)) => {
                Ok(DueRetry { due: Timestamp::from_millis(due), message: OutgoingMessage { body, group } })
            }
        };
        Self { retry, expires: row.contains_key(EXPIRES_AT), sort_key }
    }
}

fn partition(minute: Minute, shard: u32) -> String {
    format!("due#{}#{shard}", minute.0)
}

fn key(minute: Minute, shard: u32, sort_key: String) -> HashMap<String, AttributeValue> {
    primary_key(partition(minute, shard), sort_key)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(attributes: &[(&str, &str)]) -> DueRow {
        let attributes = attributes.iter().map(|&(name, value)| match name {
            EXPIRES_AT => (name.to_owned(), AttributeValue::N(value.to_owned())),
            _ => (name.to_owned(), AttributeValue::S(value.to_owned())),
        });
        DueRow::read(attributes.collect())
    }

    #[test]
    fn a_row_that_cannot_be_read_says_which_it_is_and_why() {
        let check = |attributes: &[(&str, &str)], expected: Result<i64, &str>| {
            let row = row(attributes);
            let read = row.retry.as_ref().map(|retry| retry.due.as_millis()).map_err(ToString::to_string);
            assert_eq!(read, expected.map_err(str::to_owned), "{attributes:?}");
        };
        let (sk, body, group) = (("sk", "0000000000007#evt#wh#2"), ("body", "{}"), ("group", "wh"));
        check(&[sk, body, group], Ok(7));
        check(&[sk, body, group, (EXPIRES_AT, "9")], Ok(7));
        let why = |key: &str, reason: &str| format!("the row {key} cannot be read: {reason}");
        check(&[sk, group], Err(&why(sk.1, "its attribute body is missing or not a string")));
        check(&[sk, body], Err(&why(sk.1, "its attribute group is missing or not a string")));
        let odd = ("sk", "soon#evt");
        let reason = "its sort key does not begin with a time in milliseconds";
        check(&[odd, body, group], Err(&why(odd.1, reason)));
    }

    #[test]
    fn a_row_of_0_1_0_does_not_expire() {
        let (sk, body, group) = (("sk", "7#evt"), ("body", "{}"), ("group", "wh"));
        assert!(!row(&[sk, body, group]).expires);
        assert!(row(&[sk, body, group, (EXPIRES_AT, "9")]).expires);
    }
}
