//! ReceiveMessage without the waiting, which `server` does between two calls.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{Call, seconds, within};
use crate::sqs::error::SqsError;
use crate::sqs::location::{ACCOUNT, Location};
use crate::sqs::message::{MessageAttributes, attributes_md5, body_md5};
use crate::sqs::receipt::Receipt;
use crate::sqs::store::{Due, Message, Queue};

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub(in crate::sqs) struct ReceiveRequest {
    queue_url: String,
    max_number_of_messages: Option<i64>,
    visibility_timeout: Option<i64>,
    wait_time_seconds: Option<i64>,
    message_attribute_names: Vec<String>,
    /// The older name of `message_system_attribute_names`; both work.
    attribute_names: Vec<String>,
    message_system_attribute_names: Vec<String>,
}

/// The messages that are visible now, and how long the caller may wait for others.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(in crate::sqs) struct ReceiveAnswer {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(in crate::sqs) messages: Vec<Received>,
    /// Total time that this receive may wait for a first message.
    #[serde(skip)]
    pub(in crate::sqs) wait_time: Duration,
    /// Time until the next hidden message becomes visible.
    #[serde(skip)]
    pub(in crate::sqs) next_due: Option<Duration>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(in crate::sqs) struct Received {
    message_id: String,
    receipt_handle: String,
    #[serde(rename = "MD5OfBody")]
    body_md5: String,
    body: String,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    attributes: BTreeMap<&'static str, String>,
    #[serde(rename = "MD5OfMessageAttributes", skip_serializing_if = "Option::is_none")]
    attributes_md5: Option<String>,
    #[serde(skip_serializing_if = "MessageAttributes::is_empty")]
    message_attributes: MessageAttributes,
}

/// Receives the messages that are visible now.
pub(in crate::sqs) fn receive(call: &Call<'_>, request: &ReceiveRequest) -> Result<ReceiveAnswer, SqsError> {
    let queue = call.queue(&request.queue_url)?;
    let limit = within("MaxNumberOfMessages", request.max_number_of_messages.unwrap_or(1), 1..=10)?;
    let hidden = request.visibility_timeout.map(|hidden| seconds("VisibilityTimeout", hidden, 0..=43_200));
    let wait_time = request.wait_time_seconds.map(|wait| seconds("WaitTimeSeconds", wait, 0..=20));
    let hidden = hidden.transpose()?.unwrap_or(queue.spec.visibility_timeout);
    let wait_time = wait_time.transpose()?.unwrap_or(queue.spec.receive_wait);

    call.store.expire(&queue)?;
    let mut messages = Vec::new();
    for due in due_messages(call, &queue, usize::try_from(limit).unwrap_or(10))? {
        let message = call.store.receive(due.sequence, hidden)?;
        let receipt = Receipt { queue: queue.id, sequence: due.sequence, receive: message.receive_count };
        messages.push(request.present(message, receipt, call.location)?);
    }
    Ok(ReceiveAnswer { messages, wait_time, next_due: call.store.next_due(&queue)? })
}

/// Returns the messages at the head of the queue, after moving those that are dead letters to their queue.
fn due_messages(call: &Call<'_>, queue: &Queue, limit: usize) -> Result<Vec<Due>, SqsError> {
    let redrive = queue.spec.redrive.as_ref();
    let dead_letter_queue =
        redrive.map(|redrive| call.store.queue(&redrive.dead_letter_queue)).transpose()?.flatten();
    loop {
        let due = call.store.due(queue, limit)?;
        // Without a dead-letter queue, no message becomes a dead letter.
        let (Some(redrive), Some(dead_letter_queue)) = (redrive, &dead_letter_queue) else { return Ok(due) };
        let mut dead = due.iter().filter(|due| due.receives >= redrive.max_receive_count).peekable();
        if dead_letter_queue.id == queue.id || dead.peek().is_none() {
            return Ok(due);
        }
        for due in dead {
            call.store.move_to_dead_letter_queue(due.sequence, queue, dead_letter_queue)?;
        }
    }
}

impl ReceiveRequest {
    /// Returns the message with the requested attributes.
    fn present(&self, message: Message, receipt: Receipt, location: &Location) -> Result<Received, SqsError> {
        let mut message_attributes: MessageAttributes = serde_json::from_str(&message.attributes)?;
        message_attributes
            .retain(|name, _| self.message_attribute_names.iter().any(|asked| covers(asked, name)));
        let mut attributes = system_attributes(&message, location);
        let asked = || self.attribute_names.iter().chain(&self.message_system_attribute_names);
        attributes.retain(|name, _| asked().any(|asked| asked == "All" || asked == name));
        Ok(Received {
            message_id: message.id,
            receipt_handle: receipt.handle(),
            body_md5: body_md5(&message.body),
            body: message.body,
            attributes,
            attributes_md5: attributes_md5(&message_attributes),
            message_attributes,
        })
    }
}

/// Whether `asked` includes the message attribute `name`: by its name, by a prefix (`order.*`), or as all.
fn covers(asked: &str, name: &str) -> bool {
    asked == "All" || asked == name || asked.strip_suffix(".*").is_some_and(|prefix| name.starts_with(prefix))
}

fn system_attributes(message: &Message, location: &Location) -> BTreeMap<&'static str, String> {
    let mut attributes = BTreeMap::from([
        ("ApproximateFirstReceiveTimestamp", message.first_received_at.to_string()),
        ("ApproximateReceiveCount", message.receive_count.to_string()),
        ("SenderId", ACCOUNT.to_owned()),
        ("SentTimestamp", message.sent_at.to_string()),
    ]);
    let source = message.dead_letter_source.as_ref().map(|source| location.arn(source));
    attributes.extend(source.map(|source| ("DeadLetterQueueSourceArn", source)));
    attributes.extend(message.group_id.clone().map(|group| ("MessageGroupId", group)));
    attributes.extend(message.trace_header.clone().map(|header| ("AWSTraceHeader", header)));
    attributes
}
