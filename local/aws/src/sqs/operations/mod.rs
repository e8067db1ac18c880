//! SQS's operations: the request, the answer and the function of each.

#![expect(clippy::needless_pass_by_value, reason = "operations are alike: each consumes its request")]

mod attributes;
mod batch;
mod delete;
mod moves;
mod queues;
mod receive;
mod send;
mod visibility;

use std::ops::RangeInclusive;
use std::time::Duration;

use serde::{Deserialize, Serialize};

pub(super) use attributes::{get_queue_attributes, set_queue_attributes};
pub(super) use delete::{delete_message, delete_message_batch};
pub(super) use moves::{cancel_message_move_task, list_message_move_tasks, start_message_move_task};
pub(super) use queues::{create_queue, delete_queue, get_queue_url, list_queues, purge_queue};
pub(super) use receive::{ReceiveRequest, receive};
pub(super) use send::{send_message, send_message_batch};
pub(super) use visibility::{change_message_visibility, change_message_visibility_batch};

use super::error::{Fault, SqsError};
use super::location::Location;
use super::store::{Queue, Store};

/// A call of an operation: its transaction, and how the caller addresses the queues.
pub(super) struct Call<'a> {
    pub(super) store: &'a Store<'a>,
    pub(super) location: &'a Location,
}

impl Call<'_> {
    /// Finds the queue of a URL. Only the last segment, the name, matters, not the host and account.
    fn queue(&self, url: &str) -> Result<Queue, SqsError> {
        if url.is_empty() {
            return Err(SqsError::missing("QueueUrl"));
        }
        self.queue_named(url.rsplit('/').next().unwrap_or(url))
    }

    fn queue_named(&self, name: &str) -> Result<Queue, SqsError> {
        let message = "The specified queue does not exist.";
        self.store.queue(name)?.ok_or_else(|| SqsError::new(Fault::QueueDoesNotExist, message))
    }
}

/// A request for a queue, with or without one entry.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Addressed<T> {
    #[serde(default)]
    queue_url: String,
    #[serde(flatten)]
    item: T,
}

/// No further fields, in a request or an answer.
#[derive(Default, Deserialize, Serialize)]
pub(super) struct Empty {}

/// Converts a number of seconds. Errors if it is outside its limits.
fn seconds(name: &str, value: i64, limits: RangeInclusive<u64>) -> Result<Duration, SqsError> {
    within(name, value, limits).map(Duration::from_secs)
}

fn within(name: &str, value: i64, limits: RangeInclusive<u64>) -> Result<u64, SqsError> {
    let number = u64::try_from(value).ok().filter(|number| limits.contains(number));
    number.ok_or_else(|| {
        let (least, most) = limits.into_inner();
        SqsError::parameter_value(format!(
            "Value {value} for parameter {name} is invalid. Reason: Must be between {least} and {most}."
        ))
    })
}
