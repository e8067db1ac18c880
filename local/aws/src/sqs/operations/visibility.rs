//! ChangeMessageVisibility and ChangeMessageVisibilityBatch.

use serde::Deserialize;

use super::batch::{Batch, BatchAnswer};
use super::{Addressed, Call, Empty, seconds};
use crate::sqs::error::{Fault, SqsError};
use crate::sqs::receipt::Receipt;
use crate::sqs::store::Queue;

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub(in crate::sqs) struct Change {
    receipt_handle: String,
    visibility_timeout: Option<i64>,
}

pub(in crate::sqs) fn change_message_visibility(
    call: &Call<'_>,
    request: Addressed<Change>,
) -> Result<Empty, SqsError> {
    change(call, &call.queue(&request.queue_url)?, &request.item)
}

pub(in crate::sqs) fn change_message_visibility_batch(
    call: &Call<'_>,
    batch: Batch<Change>,
) -> Result<BatchAnswer<Empty>, SqsError> {
    let queue = call.queue(&batch.queue_url)?;
    batch.each(|entry| change(call, &queue, &entry))
}

fn change(call: &Call<'_>, queue: &Queue, change: &Change) -> Result<Empty, SqsError> {
    let receipt = Receipt::read(&change.receipt_handle, queue.id)?;
    let timeout = change.visibility_timeout.ok_or_else(|| SqsError::missing("VisibilityTimeout"))?;
    let hidden = seconds("VisibilityTimeout", timeout, 0..=43_200)?;
    match call.store.is_in_flight(queue, receipt.sequence)? {
        Some(true) => {
            call.store.hide(receipt.sequence, hidden)?;
            Ok(Empty {})
        }
        Some(false) => {
            let message = "The specified message is not in flight.";
            Err(SqsError::new(Fault::MessageNotInflight, message))
        }
        None => Err(SqsError::parameter_value(format!(
            "Value {} for parameter ReceiptHandle is invalid. Reason: Message does not exist or is not available \
             for visibility timeout change.",
            change.receipt_handle
        ))),
    }
}
