//! Retries that are due later than a queue can hold them back.

use std::collections::HashMap;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::{AttributeValue, Select};
use futures::future::try_join_all;
use posthorn_domain::{DeliveryMessage, DeliveryWork, Timestamp};

use crate::outbox::Parcel;
use crate::{StorageError, Written};

const MINUTE_MILLIS: i64 = 60_000;
/// The key of the row that holds the cursor.
const CURSOR: &str = "cursor";

/// The due table: `pk = due#{minute}#{shard}`, `sk = {due ms}#{event}#{endpoint}#{attempt}`, and the cursor, the
/// first minute that has not been swept yet. Minutes count from the Unix epoch.
#[derive(Debug, Clone)]
pub struct DueRetries {
    client: Client,
    table: String,
}

/// A retry that waits.
#[derive(Debug, Clone)]
pub struct DueRetry {
    /// When it is due.
    pub due: Timestamp,
    /// What to send then.
    pub parcel: Parcel,
    key: HashMap<String, AttributeValue>,
}

/// A minute since the Unix epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Minute(pub i64);

impl Minute {
    /// The minute that a time lies in.
    pub fn of(at: Timestamp) -> Self {
        Self(at.as_millis().div_euclid(MINUTE_MILLIS))
    }

    /// The minute after this.
    #[must_use]
    pub fn next(self) -> Self {
        Self(self.0 + 1)
    }
}

impl DueRetries {
    /// Over how many partitions a minute's retries are spread; each takes 1,000 writes a second. It may grow, and
    /// must not shrink while retries wait.
    pub const SHARDS: u32 = 4;

    /// The retries in this table.
    pub fn new(client: Client, table: String) -> Self {
        Self { client, table }
    }

    /// Keeps messages until shortly before they are due. The same message is kept once.
    pub async fn put(&self, messages: &[(DeliveryMessage, Timestamp)]) -> Result<(), StorageError> {
        try_join_all(messages.iter().map(|(message, due)| self.put_one(message, *due))).await?;
        Ok(())
    }

    async fn put_one(&self, message: &DeliveryMessage, due: Timestamp) -> Result<(), StorageError> {
        let Parcel { body, group } = Parcel::of(message);
        let DeliveryMessage { event_id, work, .. } = message;
        let sort_key = match work {
            DeliveryWork::Attempt { attempt, .. } => {
                format!("{:013}#{event_id}#{group}#{attempt}", due.as_millis())
            }
            DeliveryWork::First { .. } | DeliveryWork::Resend { .. } | DeliveryWork::Chunk => {
                format!("{:013}#{event_id}#{group}", due.as_millis())
            }
        };
        // The last character of an event's id is chance.
        let shard = event_id.to_string().bytes().last().map_or(0, u32::from) % Self::SHARDS;
        self.client
            .put_item()
            .table_name(&self.table)
            .item("pk", AttributeValue::S(partition(Minute::of(due), shard)))
            .item("sk", AttributeValue::S(sort_key))
            .item("body", AttributeValue::S(body))
            .item("group", AttributeValue::S(group))
            .send()
            .await
            .map_err(StorageError::from_call("PutItem"))?;
        Ok(())
    }

    /// One page of the retries of a minute in a shard, and where the next one starts, if there is one.
    pub async fn page(
        &self,
        minute: Minute,
        shard: u32,
        start: Option<HashMap<String, AttributeValue>>,
    ) -> Result<(Vec<DueRetry>, Option<HashMap<String, AttributeValue>>), StorageError> {
        let answer = self
            .client
            .query()
            .table_name(&self.table)
            .key_condition_expression("pk = :pk")
            .expression_attribute_values(":pk", AttributeValue::S(partition(minute, shard)))
            .consistent_read(true)
            .limit(250)
            .set_exclusive_start_key(start)
            .send()
            .await
            .map_err(StorageError::from_call("Query"))?;
        let retries = answer.items.unwrap_or_default().into_iter().map(DueRetry::read);
        Ok((retries.collect::<Result<_, _>>()?, answer.last_evaluated_key))
    }

    /// Forgets retries that have been sent.
    pub async fn remove(&self, retries: &[DueRetry]) -> Result<(), StorageError> {
        try_join_all(retries.iter().map(|retry| async {
            let delete = self.client.delete_item().table_name(&self.table);
            delete
                .set_key(Some(retry.key.clone()))
                .send()
                .await
                .map_err(StorageError::from_call("DeleteItem"))
        }))
        .await?;
        Ok(())
    }

    /// The first minute that has not been swept, or `None` when there was no sweep yet.
    pub async fn cursor(&self) -> Result<Option<Minute>, StorageError> {
        let answer = self
            .client
            .get_item()
            .table_name(&self.table)
            .set_key(Some(cursor_key()))
            .consistent_read(true)
            .send()
            .await
            .map_err(StorageError::from_call("GetItem"))?;
        let Some(row) = answer.item else { return Ok(None) };
        let minute = row.get("minute").and_then(|minute| minute.as_n().ok()?.parse().ok());
        minute
            .map(|minute| Some(Minute(minute)))
            .ok_or_else(|| StorageError::corrupt(CURSOR, "it has no minute"))
    }

    /// Moves the cursor, unless another sweep has moved it from where this one read it.
    pub async fn move_cursor(&self, from: Option<Minute>, to: Minute) -> Result<Written, StorageError> {
        let put = self
            .client
            .put_item()
            .table_name(&self.table)
            .set_item(Some(cursor_key()))
            .item("minute", AttributeValue::N(to.0.to_string()));
        let put = match from {
            None => put.condition_expression("attribute_not_exists(pk)"),
            Some(from) => put
                .condition_expression("#minute = :from OR #minute = :to")
                .expression_attribute_names("#minute", "minute")
                .expression_attribute_values(":from", AttributeValue::N(from.0.to_string()))
                .expression_attribute_values(":to", AttributeValue::N(to.0.to_string())),
        };
        Written::read("PutItem", put.send().await)
    }

    /// How many retries wait, as far as the first `at_most` rows tell. It reads them, at half the price of a consistent
    /// read.
    pub async fn count(&self, at_most: u32) -> Result<u64, StorageError> {
        let (mut count, mut left, mut start) = (0, at_most, None);
        loop {
            let page = self
                .client
                .scan()
                .table_name(&self.table)
                .select(Select::Count)
                // The cursor's row has none.
                .filter_expression("attribute_exists(body)")
                .limit(i32::try_from(left).unwrap_or(i32::MAX))
                .set_exclusive_start_key(start)
                .send()
                .await
                .map_err(StorageError::from_call("Scan"))?;
            let number = |rows: i32| u32::try_from(rows).unwrap_or(0);
            count += u64::from(number(page.count));
            left = left.saturating_sub(number(page.scanned_count));
            start = page.last_evaluated_key;
            if start.is_none() || left == 0 {
                return Ok(count);
            }
        }
    }

    /// The first minute that anything waits in. It reads the whole table: for the first sweep alone.
    pub async fn earliest(&self) -> Result<Option<Minute>, StorageError> {
        let mut rows = self
            .client
            .scan()
            .table_name(&self.table)
            .projection_expression("pk")
            .consistent_read(true)
            .into_paginator()
            .items()
            .send();
        let mut earliest = None;
        while let Some(row) = rows.next().await {
            let row = row.map_err(StorageError::from_call("Scan"))?;
            let minute =
                row.get("pk").and_then(|pk| pk.as_s().ok()?.split('#').nth(1)?.parse().ok()).map(Minute);
            earliest = [earliest, minute].into_iter().flatten().min();
        }
        Ok(earliest)
    }
}

impl DueRetry {
    fn read(mut row: HashMap<String, AttributeValue>) -> Result<Self, StorageError> {
        let mut text = |name: &str| match row.remove(name) {
            Some(AttributeValue::S(text)) => Ok(text),
            _ => Err(StorageError::corrupt("due", format!("it has no {name}"))),
        };
        let (pk, sk) = (text("pk")?, text("sk")?);
        let due = sk.split('#').next().and_then(|millis| millis.parse().ok());
        let due = due.ok_or_else(|| StorageError::corrupt(&sk, "it names no time"))?;
        Ok(Self {
            due: Timestamp::from_millis(due),
            parcel: Parcel { body: text("body")?, group: text("group")? },
            key: HashMap::from([
                ("pk".to_owned(), AttributeValue::S(pk)),
                ("sk".to_owned(), AttributeValue::S(sk)),
            ]),
        })
    }
}

fn partition(minute: Minute, shard: u32) -> String {
    format!("due#{}#{shard}", minute.0)
}

fn cursor_key() -> HashMap<String, AttributeValue> {
    let name = || AttributeValue::S(CURSOR.to_owned());
    HashMap::from([("pk".to_owned(), name()), ("sk".to_owned(), name())])
}
