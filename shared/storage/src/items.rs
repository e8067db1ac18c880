//! What all tables have in common: the primary key, and lists that are read row by row.

use std::collections::HashMap;

use aws_sdk_dynamodb::operation::query::builders::QueryFluentBuilder;
use aws_sdk_dynamodb::types::AttributeValue;

use crate::error::{StorageError, readable};

/// A row as DynamoDB returns it: its attributes by their names.
pub(crate) type Item = HashMap<String, AttributeValue>;

/// Returns a row's key as attributes.
pub(crate) fn primary_key(pk: impl Into<String>, sk: impl Into<String>) -> Item {
    HashMap::from([
        ("pk".to_owned(), AttributeValue::S(pk.into())),
        ("sk".to_owned(), AttributeValue::S(sk.into())),
    ])
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
