//! Messages that were received and are not done with.

use std::collections::HashMap;
use std::time::Duration;

use aws_sdk_sqs::Client;
use aws_sdk_sqs::types::{ChangeMessageVisibilityBatchRequestEntry, MessageAttributeValue};
use posthorn_domain::Timestamp;

use crate::StorageError;
use crate::queue::whole_seconds;

/// The attributes of a dead letter that Posthorn has sent itself: the id and the time that it had as a message.
pub const DEAD_MESSAGE_ID: &str = "posthorn-message-id";
/// Milliseconds since the Unix epoch.
pub const DEAD_SENT_AT: &str = "posthorn-sent-at";

/// A message as it was received.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Received {
    /// Its id.
    pub id: String,
    /// What names this receipt of it.
    pub receipt_handle: String,
    /// The ARN of the queue that it came from.
    pub queue_arn: String,
    /// What it says.
    pub body: String,
    /// Its message group.
    pub group: Option<String>,
    /// When it was first sent.
    pub sent_at: Timestamp,
}

/// The queues behind a function, as they are seen by whoever receives from them.
#[derive(Debug, Clone)]
pub struct Inbox {
    client: Client,
    /// The queues' URLs by their names.
    urls: HashMap<String, String>,
    dead_letters_url: String,
}

impl Inbox {
    /// The queues with these URLs, and the one for what cannot be handled.
    pub fn new(
        client: Client,
        queue_urls: impl IntoIterator<Item = String>,
        dead_letters_url: String,
    ) -> Self {
        let name = |url: &str| url.rsplit('/').next().unwrap_or_default().to_owned();
        let urls = queue_urls.into_iter().map(|url| (name(&url), url)).collect();
        Self { client, urls, dead_letters_url }
    }

    /// Has messages, ten at most, come again after a wait each. Where that fails, they come again once their queue's
    /// visibility timeout is over.
    pub async fn postpone(&self, messages: &[(&Received, Duration)]) -> Result<(), StorageError> {
        let mut by_queue: HashMap<&str, Vec<_>> = HashMap::new();
        for (n, (message, wait)) in messages.iter().enumerate() {
            let entry = ChangeMessageVisibilityBatchRequestEntry::builder()
                .id(n.to_string())
                .receipt_handle(&message.receipt_handle)
                .visibility_timeout(whole_seconds(*wait))
                .build()
                .expect("id and receipt are set");
            by_queue.entry(self.url(message)?).or_default().push(entry);
        }
        for (url, entries) in by_queue {
            let change = self.client.change_message_visibility_batch().queue_url(url);
            let answer = change.set_entries(Some(entries)).send().await;
            let answer = answer.map_err(StorageError::from_call("ChangeMessageVisibilityBatch"))?;
            if let Some(failed) = answer.failed.first() {
                let reason = failed.message().unwrap_or(failed.code()).to_owned();
                return Err(StorageError::Unavailable {
                    operation: "ChangeMessageVisibilityBatch",
                    source: reason.into(),
                });
            }
        }
        Ok(())
    }

    fn url(&self, message: &Received) -> Result<&str, StorageError> {
        let name = message.queue_arn.rsplit(':').next().unwrap_or_default();
        let url = self.urls.get(name).map(String::as_str);
        url.ok_or_else(|| StorageError::UnknownQueue { arn: message.queue_arn.clone() })
    }

    /// Makes a dead letter of a message, which keeps its id and time as attributes.
    pub async fn bury(&self, message: &Received) -> Result<(), StorageError> {
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
            .message_body(&message.body)
            .set_message_group_id(message.group.clone())
            .message_attributes(DEAD_MESSAGE_ID, attribute("String", message.id.clone()))
            .message_attributes(DEAD_SENT_AT, attribute("Number", message.sent_at.as_millis().to_string()));
        send.send().await.map_err(StorageError::from_call("SendMessage"))?;
        Ok(())
    }
}
