//! Transactions: several writes, all or none.

use std::time::Duration;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::operation::update_item::builders::UpdateItemFluentBuilder;
use aws_sdk_dynamodb::types::builders::{DeleteBuilder, PutBuilder, UpdateBuilder};
use aws_sdk_dynamodb::types::{TransactWriteItem, Update};
use backon::{ExponentialBuilder, Retryable as _};

use crate::error::{StorageError, canceled_at};

/// Writes all of these or nothing. Returns the places of those whose condition failed; none if all are written.
pub(crate) async fn transact(
    client: &Client,
    writes: Vec<TransactWriteItem>,
) -> Result<Vec<usize>, StorageError> {
    let places = 0..writes.len();
    let sent = client.transact_write_items().set_transact_items(Some(writes)).send().await;
    let Err(error) = sent else { return Ok(Vec::new()) };
    let is_because = |place: usize, reason: &str| {
        error.as_service_error().and_then(|cause| canceled_at(cause, place)) == Some(reason)
    };
    let failed: Vec<_> =
        places.clone().filter(|place| is_because(*place, "ConditionalCheckFailed")).collect();
    if !failed.is_empty() {
        return Ok(failed);
    }
    if places.into_iter().any(|place| is_because(place, "TransactionConflict")) {
        return Err(StorageError::Conflict);
    }
    Err(StorageError::from_call("TransactWriteItems")(error))
}

pub(crate) fn put_item(put: PutBuilder) -> TransactWriteItem {
    TransactWriteItem::builder().put(put.build().expect("table and item are set")).build()
}

pub(crate) fn update_item(update: UpdateBuilder) -> TransactWriteItem {
    let update = update.build().expect("table, key and expression are set");
    TransactWriteItem::builder().update(update).build()
}

pub(crate) fn delete_item(delete: DeleteBuilder) -> TransactWriteItem {
    TransactWriteItem::builder().delete(delete.build().expect("table and key are set")).build()
}

/// Prepares an update as a call of its own.
pub(crate) fn update_alone(client: &Client, update: Update) -> UpdateItemFluentBuilder {
    client
        .update_item()
        .table_name(update.table_name)
        .set_key(Some(update.key))
        .update_expression(update.update_expression)
        .set_condition_expression(update.condition_expression)
        .set_expression_attribute_names(update.expression_attribute_names)
        .set_expression_attribute_values(update.expression_attribute_values)
}

/// Runs a read–write cycle, and repeats it up to twelve times within about two seconds as long as it conflicts.
pub(crate) async fn retrying<T, F, Fut>(cycle: F) -> Result<T, StorageError>
where
    F: FnMut() -> Fut,
    Fut: Future<Output = Result<T, StorageError>>,
{
    let backoff = ExponentialBuilder::default()
        .with_min_delay(Duration::from_millis(5))
        .with_max_delay(Duration::from_millis(300))
        .with_max_times(12)
        .with_jitter();
    cycle.retry(backoff).when(|error| matches!(error, StorageError::Conflict)).await
}
