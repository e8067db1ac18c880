//! DeleteMessage and DeleteMessageBatch.

use serde::Deserialize;

use super::batch::{Batch, BatchAnswer};
use super::{Addressed, Call, Empty};
use crate::sqs::error::SqsError;
use crate::sqs::receipt::Receipt;
use crate::sqs::store::Queue;

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub(in crate::sqs) struct Done {
    receipt_handle: String,
}

pub(in crate::sqs) fn delete_message(call: &Call<'_>, request: Addressed<Done>) -> Result<Empty, SqsError> {
    delete(call, &call.queue(&request.queue_url)?, &request.item)
}

pub(in crate::sqs) fn delete_message_batch(
    call: &Call<'_>,
    batch: Batch<Done>,
) -> Result<BatchAnswer<Empty>, SqsError> {
    let queue = call.queue(&batch.queue_url)?;
    batch.each(|done| delete(call, &queue, &done))
}

/// Deletes a message. Any of its receipts is valid; deleting a message that is already gone succeeds.
fn delete(call: &Call<'_>, queue: &Queue, done: &Done) -> Result<Empty, SqsError> {
    let receipt = Receipt::read(&done.receipt_handle, queue.id)?;
    call.store.delete(queue, receipt.sequence)?;
    Ok(Empty {})
}
