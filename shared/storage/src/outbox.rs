//! What leaves for the queues.

use std::time::Duration;

use aws_sdk_sqs::Client;
use posthorn_domain::{DeliveryMessage, DeliveryWork, EventMessage, RecoveryMessage};

use crate::StorageError;
use crate::carrier::Carrier;
use crate::queue::{Entry, MAX_DELAY, Queue};

/// The events queue, as publishers see it.
#[derive(Debug, Clone)]
pub struct EventOutbox(Queue);

impl EventOutbox {
    /// The queue with this URL.
    pub fn new(client: Client, queue_url: String) -> Self {
        Self(Queue { client, url: queue_url })
    }

    /// Sends events, each on its own: the results stand in the events' order. An account's events share a
    /// message group, so that one account's flood does not make the others wait (SQS fair queues).
    pub async fn send(&self, events: &[EventMessage]) -> Vec<Result<(), StorageError>> {
        let entries = events.iter().map(|event| Entry {
            body: event.to_json(),
            group: event.tenant.account.to_string(),
            delay: Duration::ZERO,
        });
        self.0.send(entries.collect()).await
    }
}

/// The first attempts queue, or the deliveries queue.
#[derive(Debug, Clone)]
pub struct DeliveryOutbox {
    queue: Queue,
    carrier: Carrier,
}

impl DeliveryOutbox {
    /// The queue with this URL. Has to be made within a tokio runtime.
    pub fn new(client: Client, queue_url: String) -> Self {
        let queue = Queue { client, url: queue_url };
        Self { carrier: Carrier::new(queue.clone()), queue }
    }

    /// The longest delay of a message; what has to wait longer waits in [`crate::DueRetries`].
    pub const MAX_DELAY: Duration = MAX_DELAY;

    /// Sends messages, each to arrive after its delay; a longer delay than [`Self::MAX_DELAY`] is cut to that. What
    /// others send at the same time shares its calls. Fails when any could not be sent; some others may have been.
    pub async fn send(&self, messages: &[(DeliveryMessage, Duration)]) -> Result<(), StorageError> {
        self.send_each(messages).await.into_iter().collect()
    }

    /// The same; the results stand in the messages' order.
    pub async fn send_each(&self, messages: &[(DeliveryMessage, Duration)]) -> Vec<Result<(), StorageError>> {
        self.carrier.send(messages.iter().map(|(message, delay)| Parcel::of(message).entry(*delay))).await
    }

    /// Sends what keeps a recovery going, with its delay in the same way.
    pub async fn send_recovery(
        &self,
        message: &RecoveryMessage,
        delay: Duration,
    ) -> Result<(), StorageError> {
        let group = message.tenant.account.to_string();
        let entry = Entry { body: message.to_json(), group, delay };
        self.carrier.send(std::iter::once(entry)).await.into_iter().collect()
    }

    /// Sends what was packed before, with delays in the same way, in calls of its own. The results stand in the parcels'
    /// order.
    pub async fn forward(&self, parcels: Vec<(Parcel, Duration)>) -> Vec<Result<(), StorageError>> {
        let entries = parcels.into_iter().map(|(parcel, delay)| parcel.entry(delay));
        self.queue.send(entries.collect()).await
    }
}

/// A message of one of them, packed: its body, and its group. An endpoint's messages share a group, so that
/// one endpoint's backlog does not make the others wait (SQS fair queues).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parcel {
    pub(crate) body: String,
    pub(crate) group: String,
}

impl Parcel {
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
