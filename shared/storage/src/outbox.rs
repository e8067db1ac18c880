//! Sends messages to the queues.

use std::time::Duration;

use aws_sdk_sqs::Client;
use posthorn_domain::{DeliveryMessage, DeliveryWork, EventMessage, ProbeMessage, RecoveryMessage};

use crate::batcher::{Batcher, Bulk as _};
use crate::error::StorageError;
use crate::queue::{Entry, MAX_DELAY, Queue};

/// The events queue, as publishers see it.
#[derive(Debug, Clone)]
pub struct EventOutbox(Queue);

impl EventOutbox {
    /// The queue with this URL.
    pub fn new(client: Client, queue_url: String) -> Self {
        Self(Queue { client, url: queue_url })
    }

    /// Sends events, in as few messages as possible. Returns the results in the order of the events. An account's events
    /// share a message group, so that one account's flood does not delay the others (SQS fair queues).
    pub async fn send(&self, events: &[EventMessage]) -> Vec<Result<(), StorageError>> {
        let (bodies, packs): (Vec<_>, Vec<_>) = EventMessage::pack(events).into_iter().unzip();
        let entries = bodies.into_iter().zip(&packs).map(|(body, pack)| {
            let group = pack[0].tenant.account.to_string();
            Entry { body, group, delay: Duration::ZERO }
        });
        let sent = self.0.send(entries.collect()).await.into_iter().zip(packs);
        sent.flat_map(|(result, pack)| {
            let copy = move || result.as_ref().copied().map_err(StorageError::copied);
            std::iter::repeat_with(copy).take(pack.len())
        })
        .collect()
    }
}

/// The first attempts queue, or the deliveries queue.
#[derive(Debug, Clone)]
pub struct DeliveryOutbox {
    queue: Queue,
    batcher: Batcher<Queue>,
}

impl DeliveryOutbox {
    /// The queue with this URL. Must be called within a tokio runtime.
    pub fn new(client: Client, queue_url: String) -> Self {
        let queue = Queue { client, url: queue_url };
        Self { batcher: Batcher::new(queue.clone()), queue }
    }

    /// Maximum delay of a message. Longer waits go to [`crate::DueRetries`].
    pub const MAX_DELAY: Duration = MAX_DELAY;

    /// Sends messages, each with its delay. A delay longer than [`Self::MAX_DELAY`] is cut to that. Messages that are
    /// sent at the same time share calls. Errors if any message could not be sent; some others may have been.
    pub async fn send(&self, messages: &[(DeliveryMessage, Duration)]) -> Result<(), StorageError> {
        self.send_each(messages).await.into_iter().collect()
    }

    /// Like [`Self::send`]. Returns the results in the order of the messages.
    pub async fn send_each(&self, messages: &[(DeliveryMessage, Duration)]) -> Vec<Result<(), StorageError>> {
        self.batcher
            .send(messages.iter().map(|(message, delay)| OutgoingMessage::of(message).entry(*delay)))
            .await
    }

    /// Sends the message for a recovery's next slice. The delay is limited as in [`Self::send`].
    pub async fn send_recovery(
        &self,
        message: &RecoveryMessage,
        delay: Duration,
    ) -> Result<(), StorageError> {
        let group = message.tenant.account.to_string();
        let entry = Entry { body: message.to_json(), group, delay };
        self.batcher.send(std::iter::once(entry)).await.into_iter().collect()
    }

    /// Sends the message for an endpoint's next probe. The delay is limited as in [`Self::send`].
    pub async fn send_probe(&self, message: &ProbeMessage, delay: Duration) -> Result<(), StorageError> {
        let group = message.endpoint_id.to_string();
        let entry = Entry { body: message.to_json(), group, delay };
        self.batcher.send(std::iter::once(entry)).await.into_iter().collect()
    }

    /// Sends messages in calls of their own, with delays limited as in [`Self::send`]. Returns the results in the order
    /// of the messages.
    pub async fn forward(&self, messages: Vec<(OutgoingMessage, Duration)>) -> Vec<Result<(), StorageError>> {
        let entries = messages.into_iter().map(|(message, delay)| message.entry(delay));
        self.queue.send(entries.collect()).await
    }
}

/// A message for one of these queues: its body and its message group. An endpoint's messages share a group, so that one
/// endpoint's backlog does not delay the others (SQS fair queues).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutgoingMessage {
    pub(crate) body: String,
    pub(crate) group: String,
}

impl OutgoingMessage {
    pub(crate) fn of(message: &DeliveryMessage) -> Self {
        let group = match message.work {
            DeliveryWork::First { endpoint_id }
            | DeliveryWork::Attempt { endpoint_id, .. }
            | DeliveryWork::Resend { endpoint_id, .. } => endpoint_id.to_string(),
            DeliveryWork::Chunk => message.tenant.account.to_string(),
        };
        Self { body: message.to_json(), group }
    }

    fn entry(self, delay: Duration) -> Entry {
        Entry { body: self.body, group: self.group, delay }
    }
}
