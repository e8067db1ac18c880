//! What all tables have in common: the primary key, attributes, and reads of several rows.

use std::collections::HashMap;
use std::time::Duration;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::operation::query::builders::QueryFluentBuilder;
use aws_sdk_dynamodb::types::{AttributeValue, KeysAndAttributes};
use posthorn_domain::Timestamp;
use tokio::time::sleep;

use crate::error::{StorageError, readable};

/// The first wait before rows that DynamoDB left out are requested again. Each further wait is twice as long.
const FIRST_WAIT: Duration = Duration::from_millis(50);
/// The longest such wait. If rows are still left out then, the table is throttled, and the caller should try again
/// later.
const LAST_WAIT: Duration = Duration::from_millis(1_600);

/// A row as DynamoDB returns it: its attributes by their names.
pub(crate) type Item = HashMap<String, AttributeValue>;

/// Returns a row's key as attributes.
pub(crate) fn primary_key(pk: impl Into<String>, sk: impl Into<String>) -> Item {
    HashMap::from([
        ("pk".to_owned(), AttributeValue::S(pk.into())),
        ("sk".to_owned(), AttributeValue::S(sk.into())),
    ])
}

/// Returns an attribute's text; an empty one if there is none.
pub(crate) fn text<'i>(item: &'i Item, name: &str) -> &'i str {
    item.get(name).and_then(|value| value.as_s().ok()).map_or("", String::as_str)
}

/// Returns a time as milliseconds since the Unix epoch.
pub(crate) fn millis(at: Timestamp) -> AttributeValue {
    AttributeValue::N(at.as_millis().to_string())
}

/// Returns a time as seconds since the Unix epoch, as DynamoDB expects it where a row says when it expires.
pub(crate) fn seconds(at: Timestamp) -> AttributeValue {
    AttributeValue::N(at.as_seconds().to_string())
}

/// Reads rows by their keys (at most 100), in no order. Leaves out those that do not exist.
pub(crate) async fn get_all(
    client: &Client,
    table: &str,
    rows: KeysAndAttributes,
) -> Result<Vec<Item>, StorageError> {
    let mut left = HashMap::from([(table.to_owned(), rows)]);
    let mut items = Vec::new();
    let mut wait = FIRST_WAIT;
    loop {
        let answer = client.batch_get_item().set_request_items(Some(left)).send().await;
        let answer = answer.map_err(StorageError::from_call("BatchGetItem"))?;
        items.extend(answer.responses.into_iter().flat_map(HashMap::into_values).flatten());
        left = answer.unprocessed_keys.unwrap_or_default();
        if left.is_empty() {
            return Ok(items);
        }
        if wait > LAST_WAIT {
            let source = "DynamoDB repeatedly returned only some of the rows".into();
            return Err(StorageError::Unavailable { operation: "BatchGetItem", source });
        }
        sleep(wait).await;
        wait *= 2;
    }
}

/// Reads the rows of a query until `most` are found that are asked for. Leaves out those that cannot be read.
pub(crate) async fn find_first<T>(
    query: QueryFluentBuilder,
    most: usize,
    read: impl Fn(Item) -> Result<T, StorageError>,
    is_asked: impl Fn(&T) -> bool,
) -> Result<Vec<T>, StorageError> {
    let mut items = query.into_paginator().items().send();
    let mut found = Vec::new();
    while found.len() < most
        && let Some(item) = items.next().await
    {
        let item = item.map_err(StorageError::from_call("Query"))?;
        found.extend(readable(read(item))?.filter(&is_asked));
    }
    Ok(found)
}
