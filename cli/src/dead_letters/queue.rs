//! A dead-letter queue, and the messages in it.

use std::collections::{HashMap, HashSet};

use anyhow::{Context as _, Result};
use aws_sdk_sqs::Client;
use aws_sdk_sqs::types::{
    ChangeMessageVisibilityBatchRequestEntry, DeleteMessageBatchRequestEntry, Message, MessageAttributeValue,
    MessageSystemAttributeName as System,
};
use posthorn_domain::Timestamp;
use posthorn_storage::{DEAD_MESSAGE_ID, DEAD_SENT_AT};

use crate::output::note;

/// Maximum number of messages in one call to SQS.
const MAX_BATCH: usize = 10;
/// Any wait makes SQS query all its servers, so an empty answer means that the queue is empty.
const WAIT_SECONDS: i32 = 2;
/// How long a message is hidden from this run and all others. If a run crashes, its messages appear again after this
/// time.
const HIDDEN_SECONDS: i32 = 600;

/// A message in a dead-letter queue. Its id and `sent_at` are those from the queue where it failed: SQS keeps both when
/// it moves a message here, and a function that sends one here itself writes them into its attributes.
#[derive(Debug)]
pub(crate) struct DeadLetter {
    pub(crate) id: String,
    pub(crate) body: String,
    pub(crate) sent_at: Timestamp,
    /// How often it was received, in both queues.
    pub(crate) receive_count: u32,
    pub(crate) group: Option<String>,
    pub(crate) trace_header: Option<String>,
    pub(crate) attributes: Option<HashMap<String, MessageAttributeValue>>,
    pub(crate) receipt: String,
}

impl DeadLetter {
    fn read(message: Message) -> Result<Self> {
        let mut system = message.attributes.unwrap_or_default();
        let mut attributes = message.message_attributes.unwrap_or_default();
        let mut written = |name: &str| attributes.remove(name).and_then(|value| value.string_value);
        let (first_id, first_sent_at) = (written(DEAD_MESSAGE_ID), written(DEAD_SENT_AT));
        let number = |name: &System| system.get(name).and_then(|number| number.parse().ok());
        let first_sent_at = first_sent_at.and_then(|number| number.parse().ok());
        let sent_at: i64 =
            first_sent_at.or(number(&System::SentTimestamp)).context("SQS sent no SentTimestamp")?;
        let receive_count = number(&System::ApproximateReceiveCount).unwrap_or_default();
        Ok(Self {
            sent_at: Timestamp::from_millis(sent_at),
            receive_count: u32::try_from(receive_count).unwrap_or(u32::MAX),
            group: system.remove(&System::MessageGroupId),
            trace_header: system.remove(&System::AwsTraceHeader),
            id: first_id.or(message.message_id).context("SQS sent no message id")?,
            body: message.body.context("SQS sent no body")?,
            receipt: message.receipt_handle.context("SQS sent no receipt handle")?,
            attributes: Some(attributes).filter(|attributes| !attributes.is_empty()),
        })
    }
}

/// One pass through a dead-letter queue.
#[derive(Debug)]
pub(crate) struct DeadLetterQueue {
    client: Client,
    url: String,
    seen: HashSet<String>,
}

impl DeadLetterQueue {
    pub(crate) fn new(client: Client, url: String) -> Self {
        Self { client, url, seen: HashSet::new() }
    }

    /// Returns up to `most` messages, but no more than ten, and hides them. Returns none at the end of the queue, or if
    /// the queue returns only messages that this pass has seen.
    pub(crate) async fn next(&mut self, most: usize) -> Result<Vec<DeadLetter>> {
        let receive = self.client.receive_message().queue_url(&self.url);
        let receive = receive.max_number_of_messages(i32::try_from(most.min(MAX_BATCH)).unwrap_or(1));
        let receive = receive.wait_time_seconds(WAIT_SECONDS).visibility_timeout(HIDDEN_SECONDS);
        let receive = receive.message_system_attribute_names(System::All).message_attribute_names("All");
        let received = receive.send().await.context("cannot read the dead-letter queue")?;
        let letters = received.messages.unwrap_or_default().into_iter().map(DeadLetter::read);
        let letters: Vec<DeadLetter> = letters.collect::<Result<_>>()?;
        Ok(letters.into_iter().filter(|letter| self.seen.insert(letter.id.clone())).collect())
    }

    /// Deletes up to ten messages. Returns those that could not be deleted, with the reason.
    pub(crate) async fn delete<'l>(&self, letters: &'l [DeadLetter]) -> Vec<(&'l DeadLetter, String)> {
        let entry = |(n, letter): (usize, &DeadLetter)| {
            let entry = DeleteMessageBatchRequestEntry::builder().id(n.to_string());
            entry.receipt_handle(&letter.receipt).build().expect("id and receipt are set")
        };
        let entries = letters.iter().enumerate().map(entry).collect();
        let delete = self.client.delete_message_batch().queue_url(&self.url).set_entries(Some(entries));
        match delete.send().await {
            Ok(answer) => {
                let kept = answer.failed.into_iter().filter_map(|failed| {
                    let letter = letters.get(failed.id.parse::<usize>().ok()?)?;
                    Some((letter, failed.message.unwrap_or(failed.code)))
                });
                kept.collect()
            }
            Err(error) => {
                let reason = format!("{:#}", anyhow::Error::new(error));
                letters.iter().map(|letter| (letter, reason.clone())).collect()
            }
        }
    }

    /// Makes messages visible to others at once. If that fails, they are visible after ten minutes.
    pub(crate) async fn release(&self, receipts: &[String]) {
        for batch in receipts.chunks(MAX_BATCH) {
            let entry = |(n, receipt): (usize, &String)| {
                let entry = ChangeMessageVisibilityBatchRequestEntry::builder().id(n.to_string());
                let entry = entry.receipt_handle(receipt).visibility_timeout(0);
                entry.build().expect("id and receipt are set")
            };
            let entries = batch.iter().enumerate().map(entry).collect();
            let change = self.client.change_message_visibility_batch().queue_url(&self.url);
            let changed = change.set_entries(Some(entries)).send().await;
            if !changed.is_ok_and(|answer| answer.failed.is_empty()) {
                note("Messages that stay in the dead-letter queue are hidden for up to ten minutes.");
                return;
            }
        }
    }
}
