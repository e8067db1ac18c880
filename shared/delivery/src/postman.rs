//! What fanning out and delivering have in common.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use posthorn_domain::{
    Clock, Delivery, DeliveryMessage, DeliveryStatus, DeliveryWork, Endpoint, Random, RetrySchedule,
};
use posthorn_storage::{DeliveryOutbox, EventLog, Progress, RecordKey, StorageError, Written};
use tracing::info;

use crate::{Sender, Snapshots, decision};

/// Carries events to endpoints and keeps the record.
pub struct Postman {
    pub(crate) snapshots: Snapshots,
    pub(crate) log: EventLog,
    pub(crate) outbox: DeliveryOutbox,
    pub(crate) sender: Sender,
    pub(crate) schedule: RetrySchedule,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) random: Arc<dyn Random>,
}

/// What a [`Postman`] is made of.
pub struct PostmanParts {
    /// Where endpoints are looked up.
    pub snapshots: Snapshots,
    /// Where results are recorded.
    pub log: EventLog,
    /// Where retries wait.
    pub outbox: DeliveryOutbox,
    /// What makes the POSTs.
    pub sender: Sender,
    /// When failed deliveries are tried again.
    pub schedule: RetrySchedule,
    /// What time it is.
    pub clock: Arc<dyn Clock>,
    /// Where jitter comes from.
    pub random: Arc<dyn Random>,
}

impl Postman {
    /// A postman of these parts.
    pub fn new(parts: PostmanParts) -> Self {
        let PostmanParts { snapshots, log, outbox, sender, schedule, clock, random } = parts;
        Self { snapshots, log, outbox, sender, schedule, clock, random }
    }

    /// Makes the next attempt of a delivery and decides what follows.
    pub(crate) async fn attempt(
        &self,
        key: &RecordKey,
        endpoint: Arc<Endpoint>,
        delivery: Delivery,
        body: Bytes,
    ) -> Delivery {
        let answer = self.sender.post(&endpoint, key.event_id, &body).await;
        let attempt = answer.attempt;
        let delivery = decision::after(delivery, answer, &self.schedule, self.random.unit());
        info!(
            account = key.tenant.account.as_str(),
            livemode = bool::from(key.tenant.mode),
            event_id = %key.event_id,
            endpoint_id = %endpoint.id,
            attempt = delivery.attempts.len(),
            status = ?delivery.status,
            code = attempt.code,
            error = attempt.error.map(posthorn_domain::AttemptError::as_str),
            duration_ms = u64::try_from(attempt.duration.as_millis()).unwrap_or(u64::MAX),
            next_attempt_at = delivery.next_attempt_at.map(tracing::field::display),
            "delivery attempted"
        );
        delivery
    }

    /// Records the attempts that deliveries of one row have just had, and queues the next ones. A delivery that
    /// somebody else has taken as far is left to them.
    pub(crate) async fn settle(&self, key: &RecordKey, deliveries: &[Delivery]) -> Result<(), StorageError> {
        let progress: Vec<_> = deliveries.iter().map(one_attempt_more).collect();
        let mut ours: Vec<&Delivery> = Vec::new();
        match self.log.advance(key, &progress).await? {
            Written::Now => ours.extend(deliveries),
            Written::Before if deliveries.len() == 1 => {}
            Written::Before => {
                for step in progress {
                    if self.log.advance(key, &[step]).await? == Written::Now {
                        ours.push(step.delivery);
                    }
                }
            }
        }
        self.queue_next(key, ours).await
    }

    /// Queues the next attempt of each delivery that is pending, for when it is due.
    pub(crate) async fn queue_next<'a>(
        &self,
        key: &RecordKey,
        deliveries: impl IntoIterator<Item = &'a Delivery>,
    ) -> Result<(), StorageError> {
        let pending = deliveries.into_iter().filter(|delivery| delivery.status == DeliveryStatus::Pending);
        let messages: Vec<_> =
            pending.map(|delivery| (next_message(key, delivery), self.until_due(delivery))).collect();
        self.outbox.send(&messages).await
    }

    /// How long it is until the delivery's next attempt; nothing when it is due.
    pub(crate) fn until_due(&self, delivery: &Delivery) -> Duration {
        let now = self.clock.now();
        delivery.next_attempt_at.map_or(Duration::ZERO, |at| at.since(now))
    }
}

fn one_attempt_more(delivery: &Delivery) -> Progress<'_> {
    Progress { delivery, attempts_before: delivery.attempts.len() - 1 }
}

fn next_message(key: &RecordKey, delivery: &Delivery) -> DeliveryMessage {
    let work = DeliveryWork::Attempt { endpoint_id: delivery.endpoint_id, attempt: delivery.next_attempt() };
    DeliveryMessage { tenant: key.tenant.clone(), event_id: key.event_id, chunk: key.chunk, work }
}
