//! Sends dead letters to their queue.

use anyhow::Error;
use aws_sdk_sqs::Client;
use aws_sdk_sqs::types::{
    MessageAttributeValue, MessageSystemAttributeNameForSends, MessageSystemAttributeValue,
    SendMessageBatchRequestEntry,
};

use super::queue::DeadLetter;

/// Maximum size of the messages in one call to SQS: 1 MiB, less some room for trace headers.
const MAX_BATCH_BYTES: usize = 1024 * 1024 - 16 * 1024;

/// A dead letter, and the body to send.
#[derive(Debug)]
pub(crate) struct RedriveMessage {
    pub(crate) letter: DeadLetter,
    pub(crate) body: String,
}

impl RedriveMessage {
    /// Returns its size as SQS counts it, in bytes.
    fn size(&self) -> usize {
        let attribute = |(name, value): (&String, &MessageAttributeValue)| {
            let text = value.string_value().map_or(0, str::len);
            let bytes = value.binary_value().map_or(0, |bytes| bytes.as_ref().len());
            name.len() + value.data_type().len() + text + bytes
        };
        self.body.len() + self.letter.attributes.iter().flatten().map(attribute).sum::<usize>()
    }

    fn entry(&self, n: usize) -> SendMessageBatchRequestEntry {
        let trace_header = self.letter.trace_header.as_ref().map(|header| {
            let value = MessageSystemAttributeValue::builder().data_type("String").string_value(header);
            let value = value.build().expect("the type is set");
            [(MessageSystemAttributeNameForSends::AwsTraceHeader, value)].into()
        });
        SendMessageBatchRequestEntry::builder()
            .id(n.to_string())
            .message_body(&self.body)
            .set_message_attributes(self.letter.attributes.clone())
            .set_message_system_attributes(trace_header)
            .set_message_group_id(self.letter.group.clone())
            .build()
            .expect("id and body are set")
    }
}

/// The result of a message: the id of the new message, or why it was not sent.
pub(crate) type Outcome = (RedriveMessage, Result<String, String>);

/// Sends up to ten messages, with their groups and attributes.
pub(crate) async fn resend(client: &Client, queue_url: &str, messages: Vec<RedriveMessage>) -> Vec<Outcome> {
    let mut outcomes = Vec::new();
    for call in calls(messages) {
        outcomes.extend(resend_at_once(client, queue_url, call).await);
    }
    outcomes
}

async fn resend_at_once(client: &Client, queue_url: &str, messages: Vec<RedriveMessage>) -> Vec<Outcome> {
    let entries = messages.iter().enumerate().map(|(n, message)| message.entry(n)).collect();
    let request = client.send_message_batch().queue_url(queue_url).set_entries(Some(entries));
    let answer = request.send().await.map_err(|error| format!("{:#}", Error::new(error)));
    let outcome = |(n, message): (usize, RedriveMessage)| {
        let id = n.to_string();
        let result = answer.as_ref().map_err(String::clone).and_then(|answer| {
            let sent = answer.successful.iter().find(|sent| sent.id == id);
            let failed = || answer.failed.iter().find(|failed| failed.id == id);
            sent.map(|sent| sent.message_id.clone()).ok_or_else(|| {
                let reason = failed().map(|failed| failed.message.as_ref().unwrap_or(&failed.code));
                reason.cloned().unwrap_or_else(|| "SQS did not return a result for the message".to_owned())
            })
        });
        (message, result)
    };
    messages.into_iter().enumerate().map(outcome).collect()
}

/// Splits messages into as few calls as SQS allows.
fn calls(messages: Vec<RedriveMessage>) -> Vec<Vec<RedriveMessage>> {
    let mut calls: Vec<Vec<RedriveMessage>> = Vec::new();
    let mut bytes = 0;
    for message in messages {
        bytes += message.size();
        match calls.last_mut() {
            Some(call) if bytes <= MAX_BATCH_BYTES => call.push(message),
            _ => {
                bytes = message.size();
                calls.push(vec![message]);
            }
        }
    }
    calls
}
