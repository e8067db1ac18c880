//! SendMessage and SendMessageBatch.

use serde::{Deserialize, Serialize};

use super::batch::{Batch, BatchAnswer};
use super::{Addressed, Call, seconds};
use crate::sqs::error::{Fault, SqsError};
use crate::sqs::message::{
    MAXIMUM_SIZE, MessageAttributes, attributes_md5, body_md5, check_attributes, check_body, size,
};
use crate::sqs::store::{NewMessage, Queue};

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub(in crate::sqs) struct Outgoing {
    message_body: String,
    delay_seconds: Option<i64>,
    message_attributes: MessageAttributes,
    message_system_attributes: MessageAttributes,
    message_group_id: Option<String>,
    message_deduplication_id: Option<String>,
}

#[derive(Serialize)]
pub(in crate::sqs) struct Sent {
    #[serde(rename = "MessageId")]
    message_id: String,
    #[serde(rename = "MD5OfMessageBody")]
    body_md5: String,
    #[serde(rename = "MD5OfMessageAttributes", skip_serializing_if = "Option::is_none")]
    attributes_md5: Option<String>,
    #[serde(rename = "MD5OfMessageSystemAttributes", skip_serializing_if = "Option::is_none")]
    system_attributes_md5: Option<String>,
}

pub(in crate::sqs) fn send_message(call: &Call<'_>, request: Addressed<Outgoing>) -> Result<Sent, SqsError> {
    send(call, &call.queue(&request.queue_url)?, request.item)
}

pub(in crate::sqs) fn send_message_batch(
    call: &Call<'_>,
    batch: Batch<Outgoing>,
) -> Result<BatchAnswer<Sent>, SqsError> {
    let queue = call.queue(&batch.queue_url)?;
    let sizes =
        batch.entries.iter().map(|entry| size(&entry.item.message_body, &entry.item.message_attributes));
    let total: usize = sizes.sum();
    if total > MAXIMUM_SIZE as usize {
        let message = format!(
            "Batch requests cannot be longer than {MAXIMUM_SIZE} bytes. You have sent {total} bytes."
        );
        return Err(SqsError::new(Fault::BatchRequestTooLong, message));
    }
    batch.each(|message| send(call, &queue, message))
}

fn send(call: &Call<'_>, queue: &Queue, message: Outgoing) -> Result<Sent, SqsError> {
    check(&message, queue)?;
    let delay = message.delay_seconds.map(|delay| seconds("DelaySeconds", delay, 0..=900)).transpose()?;
    let body_md5 = body_md5(&message.message_body);
    let trace_header =
        message.message_system_attributes.get("AWSTraceHeader").and_then(|header| header.text());
    let new = NewMessage {
        attributes: serde_json::to_string(&message.message_attributes)?,
        trace_header: trace_header.map(str::to_owned),
        body: message.message_body,
        group_id: message.message_group_id,
        delay: delay.unwrap_or(queue.spec.delay),
    };
    Ok(Sent {
        message_id: call.store.send(queue, &new)?,
        body_md5,
        attributes_md5: attributes_md5(&message.message_attributes),
        system_attributes_md5: attributes_md5(&message.message_system_attributes),
    })
}

fn check(message: &Outgoing, queue: &Queue) -> Result<(), SqsError> {
    check_body(&message.message_body)?;
    check_attributes(&message.message_attributes)?;
    check_attributes(&message.message_system_attributes)?;
    let most = queue.spec.maximum_message_size;
    if size(&message.message_body, &message.message_attributes) > most as usize {
        return Err(SqsError::parameter_value(format!(
            "One or more parameters are invalid. Reason: Message must be shorter than {most} bytes."
        )));
    }
    if message.message_system_attributes.keys().any(|name| name != "AWSTraceHeader") {
        return Err(SqsError::parameter_value(
            "The only system attribute a message can be sent with is AWSTraceHeader.",
        ));
    }
    let group_fits = |group: &String| (1..=128).contains(&group.chars().count());
    if !message.message_group_id.as_ref().is_none_or(group_fits) {
        return Err(SqsError::parameter_value("MessageGroupId must have 1 to 128 characters."));
    }
    if message.message_deduplication_id.is_some() {
        return Err(SqsError::parameter_value("MessageDeduplicationId is not valid for a standard queue."));
    }
    Ok(())
}
