//! Messages that were received and are not yet acknowledged.

use std::collections::HashMap;
use std::time::Duration;

use aws_sdk_sqs::Client;
use aws_sdk_sqs::types::{ChangeMessageVisibilityBatchRequestEntry, MessageAttributeValue};
use posthorn_domain::Timestamp;

use crate::error::StorageError;
use crate::queue::{MAX_BATCH, whole_seconds};

/// An attribute of a dead letter that Posthorn has sent itself: the id of the original message.
pub const DEAD_MESSAGE_ID: &str = "posthorn-message-id";
/// Another: the time when the original message was sent, in milliseconds since the Unix epoch.
pub const DEAD_SENT_AT: &str = "posthorn-sent-at";

const POSTPONE: &str = "ChangeMessageVisibilityBatch";

/// A message as it was received.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Received<'m> {
    /// Its id.
    pub id: &'m str,
    /// The handle of this receipt.
    pub receipt_handle: &'m str,
    /// The ARN of the queue that it came from.
    pub queue_arn: &'m str,
    /// Its body.
    pub body: &'m str,
    /// Its message group.
    pub group: Option<&'m str>,
    /// When it was first sent.
    pub sent_at: Timestamp,
}

/// The queues that a function receives from.
#[derive(Debug, Clone)]
pub struct Inbox {
    client: Client,
    /// The queues' URLs, by queue name.
    urls: HashMap<String, String>,
    dead_letters_url: String,
}

impl Inbox {
    /// Uses the queues with these URLs, and a dead-letter queue for messages that cannot be handled.
    pub fn new(
        client: Client,
        queue_urls: impl IntoIterator<Item = String>,
        dead_letters_url: String,
    ) -> Self {
        let name = |url: &str| url.rsplit('/').next().unwrap_or_default().to_owned();
        let urls = queue_urls.into_iter().map(|url| (name(&url), url)).collect();
        Self { client, urls, dead_letters_url }
    }

    /// Makes messages of one queue visible again, each after its own wait. All messages must be of the same queue. If
    /// this fails, they return after the queue's visibility timeout.
    pub async fn postpone(&self, messages: &[(Received<'_>, Duration)]) -> Result<(), StorageError> {
        for some in messages.chunks(MAX_BATCH) {
            let entries = some.iter().enumerate().map(|(n, (message, wait))| {
                ChangeMessageVisibilityBatchRequestEntry::builder()
                    .id(n.to_string())
                    .receipt_handle(message.receipt_handle)
                    .visibility_timeout(whole_seconds(*wait))
                    .build()
                    .expect("id and receipt are set")
            });
            let change = self.client.change_message_visibility_batch().queue_url(self.url(&some[0].0)?);
            let answer = change.set_entries(Some(entries.collect())).send().await;
            let answer = answer.map_err(StorageError::from_call(POSTPONE))?;
            if let Some(failed) = answer.failed.first() {
                let source = failed.message().unwrap_or(failed.code()).into();
                return Err(StorageError::Unavailable { operation: POSTPONE, source });
            }
        }
        Ok(())
    }

    fn url(&self, message: &Received<'_>) -> Result<&str, StorageError> {
        let name = message.queue_arn.rsplit(':').next().unwrap_or_default();
        let url = self.urls.get(name).map(String::as_str);
        url.ok_or_else(|| StorageError::UnknownQueue { arn: message.queue_arn.to_owned() })
    }

    /// Sends a copy of a message to the dead-letter queue, with the original's id and time as attributes.
    pub async fn send_to_dead_letter_queue(&self, message: &Received<'_>) -> Result<(), StorageError> {
        let attribute = |kind: &str, value: String| {
            MessageAttributeValue::builder()
                .data_type(kind)
                .string_value(value)
                .build()
                .expect("it has a type")
        };
        let send = self
            .client
            .send_message()
            .queue_url(&self.dead_letters_url)
            .message_body(message.body)
            .set_message_group_id(message.group.map(str::to_owned))
            .message_attributes(DEAD_MESSAGE_ID, attribute("String", message.id.to_owned()))
            .message_attributes(DEAD_SENT_AT, attribute("Number", message.sent_at.as_millis().to_string()));
        send.send().await.map_err(StorageError::from_call("SendMessage"))?;
        Ok(())
    }
}
