//! Queues next attempts.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use posthorn_domain::{Delivery, DeliveryMessage, DeliveryStatus, DeliveryWork, Timestamp};
use posthorn_storage::{DeliveryOutbox, RecordKey, StorageError};
use tokio::time::Instant;

use crate::postman::Postman;
use crate::postman::put_off::FirstAttempt;
use crate::tally::Metric;

/// How next attempts are queued.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Queueing {
    /// For the first time, by the caller that has just recorded what precedes them.
    Once,
    /// An earlier receipt of the message, or a duplicate of it, may have queued the same. Two messages handled at the
    /// same moment would both make the attempt, so these are delayed.
    Again,
    /// The endpoints are known to be slow or failing, so their first attempts are not cut short.
    AmongSlow,
}

/// Messages for next attempts, with their delays, and those due too late for a queue, with their times.
#[derive(Debug, Clone, Default)]
pub(crate) struct Outgoing {
    brief: Vec<(DeliveryMessage, Duration)>,
    patient: Vec<(DeliveryMessage, Duration)>,
    late: Vec<(DeliveryMessage, Timestamp)>,
}

impl Outgoing {
    /// Returns the messages of both.
    pub(crate) fn and(mut self, other: Self) -> Self {
        self.brief.extend(other.brief);
        self.patient.extend(other.patient);
        self.late.extend(other.late);
        self
    }
}

/// Returns those of the messages that were refused.
fn refused<When>(
    messages: Vec<(DeliveryMessage, When)>,
    results: &[Result<(), StorageError>],
) -> Vec<(DeliveryMessage, When)> {
    messages
        .into_iter()
        .zip(results)
        .filter_map(|(message, result)| result.is_err().then_some(message))
        .collect()
}

impl Postman {
    /// Queues the next attempt of each pending delivery, for when it is due.
    pub(crate) async fn queue<'a>(
        &self,
        key: &RecordKey,
        deliveries: impl IntoIterator<Item = &'a Delivery>,
        queueing: Queueing,
    ) -> Result<(), StorageError> {
        self.send(Instant::now(), self.packed(key, deliveries, queueing)).await
    }

    /// Returns the messages for the next attempt of each pending delivery.
    pub(crate) fn packed<'a>(
        &self,
        key: &RecordKey,
        deliveries: impl IntoIterator<Item = &'a Delivery>,
        queueing: Queueing,
    ) -> Outgoing {
        let later = if queueing == Queueing::Again { self.copy_comes_later() } else { Duration::ZERO };
        let mut outgoing = Outgoing::default();
        for delivery in deliveries.into_iter().filter(|delivery| delivery.status == DeliveryStatus::Pending) {
            let wait = self.until_due(delivery).max(self.asked_to_wait(delivery, queueing));
            match delivery.next_attempt_at {
                Some(due) if wait > DeliveryOutbox::MAX_DELAY => {
                    outgoing.late.push((next_message(key, delivery), due));
                }
                _ if queueing != Queueing::AmongSlow && wait.is_zero() && delivery.attempts.is_empty() => {
                    let first = DeliveryWork::First { endpoint_id: delivery.endpoint_id };
                    outgoing.brief.push((message(key, first), later));
                }
                _ => outgoing.patient.push((next_message(key, delivery), wait + later)),
            }
        }
        outgoing
    }

    /// Sends messages. Only refused ones are sent again, while there is time: two messages for one attempt, handled at
    /// the same moment, would both make it.
    pub(crate) async fn send(&self, until: Instant, outgoing: Outgoing) -> Result<(), StorageError> {
        let left = Mutex::new(outgoing);
        self.persist(until, || async {
            let Outgoing { brief, patient, late } =
                left.lock().unwrap_or_else(PoisonError::into_inner).clone();
            let (for_brief, for_patient, for_late) = tokio::join!(
                self.first_attempts.send_each(&brief),
                self.outbox.send_each(&patient),
                self.due.put_each(&late)
            );
            let put = for_late.iter().filter(|result| result.is_ok()).count();
            self.tally.add(Metric::RetriesPutOff, put as u64);
            let refused = Outgoing {
                brief: refused(brief, &for_brief),
                patient: refused(patient, &for_patient),
                late: refused(late, &for_late),
            };
            *left.lock().unwrap_or_else(PoisonError::into_inner) = refused;
            for_brief.into_iter().chain(for_patient).chain(for_late).collect()
        })
        .await
    }

    /// Returns how long the first attempt waits at an endpoint that has asked to wait.
    fn asked_to_wait(&self, delivery: &Delivery, queueing: Queueing) -> Duration {
        let now = self.clock.now();
        let is_first = queueing == Queueing::AmongSlow && delivery.attempts.is_empty();
        let asked = || self.seen.watch.asked_to_wait_until(delivery.endpoint_id, now);
        let Some(until) = is_first.then(asked).flatten() else { return Duration::ZERO };
        let first = FirstAttempt { due: now, sent_at: now };
        first
            .put_off(until, now, self.random.unit())
            .map_or(Duration::ZERO, |wait| wait.min(DeliveryOutbox::MAX_DELAY))
    }
}

/// Returns the message for the next attempt, with the full timeout.
pub(crate) fn next_message(key: &RecordKey, delivery: &Delivery) -> DeliveryMessage {
    let (endpoint_id, attempt) = (delivery.endpoint_id, delivery.next_attempt());
    message(key, DeliveryWork::Attempt { endpoint_id, attempt })
}

/// Returns a message that asks for work on a row of the event log.
pub(crate) fn message(key: &RecordKey, work: DeliveryWork) -> DeliveryMessage {
    DeliveryMessage { tenant: key.tenant.clone(), event_id: key.event_id, chunk: key.chunk, work }
}
