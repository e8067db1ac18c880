//! Handles the messages of both queues of deliveries: one attempt at one endpoint, or the first attempts of a chunk.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use posthorn_domain::{
    DeliveredEvent, Delivery, DeliveryMessage, DeliveryStatus, DeliveryWork, Endpoint, EndpointId,
    EndpointStatus, EventType, Tenant, Timestamp,
};
use posthorn_storage::{Before, Progress, RecordKey, StorageError, Written};

use crate::decision;
use crate::postman::dispatch::{DISPATCH, Dispatched};
use crate::postman::put_off::FirstAttempt;
use crate::postman::queueing::{Queueing, next_message};
use crate::postman::{Postman, endpoints_of};
use crate::queue_message::{QueueMessage, WorkError};
use crate::sending::Pace;
use crate::tally::Metric;

/// How long before it is due an attempt may be made.
const EARLY: Duration = Duration::from_secs(1);
/// How long after its event's acceptance a new delivery may be due. One that is due later was added by a recovery, so
/// nobody waited for it.
const USUALLY_DUE: Duration = Duration::from_hours(1);

/// The number of a first attempt.
const FIRST: u32 = 1;

impl Postman {
    /// Does the work that a message of the first attempts queue or the deliveries queue asks for. `Ok` means that the
    /// message can be deleted: its work is done and on record, and whatever follows is queued.
    pub async fn deliver(&self, message: &QueueMessage, asked: &DeliveryMessage) -> Result<(), WorkError> {
        let key = RecordKey { tenant: asked.tenant.clone(), event_id: asked.event_id, chunk: asked.chunk };
        if let DeliveryWork::First { endpoint_id } = asked.work
            && self.is_for_the_slow(message, &key.tenant, endpoint_id).await?
        {
            // The record is not needed for that.
            let due = Delivery::due(endpoint_id, self.clock.now());
            self.queue(&key, [&due], Queueing::AmongSlow).await?;
            self.enforce(&key.tenant, &[], &[endpoint_id]).await;
            return Ok(());
        }
        let (sent, deliveries) = self.recorded(&key).await?;
        let delivery_to = |endpoint_id, deliveries: Vec<Delivery>| {
            let mut deliveries = deliveries.into_iter();
            let delivery = deliveries.find(|delivery| delivery.endpoint_id == endpoint_id);
            delivery.ok_or_else(|| {
                WorkError::Poison(format!("the event {} has no delivery to {endpoint_id}", key.event_id))
            })
        };
        match asked.work {
            DeliveryWork::Chunk => self.deliver_chunk(message, &key, sent, deliveries).await,
            DeliveryWork::First { endpoint_id } => {
                let delivery = delivery_to(endpoint_id, deliveries)?;
                self.deliver_one(message, &key, sent, delivery, FIRST, Pace::Brisk).await
            }
            DeliveryWork::Attempt { endpoint_id, attempt } => {
                let delivery = delivery_to(endpoint_id, deliveries)?;
                self.deliver_one(message, &key, sent, delivery, attempt, Pace::Patient).await
            }
            DeliveryWork::Resend { endpoint_id, resend } => {
                let delivery = delivery_to(endpoint_id, deliveries)?;
                self.resend(message, &key, sent.body, delivery, resend).await
            }
        }
    }

    async fn deliver_one(
        &self,
        message: &QueueMessage,
        key: &RecordKey,
        sent: SentEvent,
        delivery: Delivery,
        attempt: u32,
        pace: Pace,
    ) -> Result<(), WorkError> {
        if delivery.status != DeliveryStatus::Pending {
            return Ok(());
        }
        if delivery.next_attempt() != attempt {
            // The attempt is on record. If the message was received before, that receipt may have ended before it
            // queued the next attempt.
            let unfinished = message.is_redelivered().then_some(&delivery);
            return Ok(self.queue(key, unfinished, Queueing::Again).await?);
        }
        if self.until_due(&delivery) > EARLY {
            return Ok(self.queue(key, [&delivery], Queueing::Once).await?);
        }
        let Some(endpoint) = self.recipient(message, &key.tenant, &sent, &delivery).await? else {
            return self.cancel(key, delivery).await;
        };
        if let Some(since) = endpoint.held_since().filter(|_| !sent.is_test) {
            return self.hold(key, delivery, since).await;
        }
        let longest = if pace == Pace::Brisk { DISPATCH } else { self.sender.timeout() };
        self.require_time(message, longest)?;
        if let Some(wait) = self.may_wait(message, key, &endpoint, &delivery) {
            return Ok(self.outbox.send(&[(next_message(key, &delivery), wait)]).await?);
        }
        if message.is_redelivered() && self.log.confirm(key, &delivery).await? == Written::Before {
            // A duplicate of the message has led to this attempt meanwhile, and may have ended before it queued the
            // next one.
            let recorded = self.log.delivery(key, delivery.endpoint_id).await?;
            return Ok(self.queue(key, &recorded, Queueing::Again).await?);
        }
        let accepted_at = accepted_at(key, &delivery);
        let answer = match pace {
            Pace::Brisk => {
                let time = self.seen.watch.patience(endpoint.id);
                self.post_briefly(time, &endpoint, key.event_id, &sent.body).await?
            }
            Pace::Patient => self.sender.post(&endpoint, key.event_id, &sent.body).await?,
        };
        let outcome = self.conclude(key, endpoint, delivery, answer, accepted_at, sent.expires_at);
        self.settle(self.last_write(message), key, [&outcome.delivery]).await?;
        let doubted = (pace == Pace::Patient).then_some(outcome.delivery.endpoint_id);
        self.enforce(&key.tenant, &[outcome], doubted.as_slice()).await;
        Ok(())
    }

    /// Returns whether the endpoint gets attempts, but a first one is not likely to end within a second.
    async fn is_for_the_slow(
        &self,
        message: &QueueMessage,
        tenant: &Tenant,
        id: EndpointId,
    ) -> Result<bool, StorageError> {
        let known = self.snapshots.get(tenant, message).await?.get(id);
        Ok(known.is_some_and(|endpoint| endpoint.held_since().is_none() && !self.may_be_brief(&endpoint)))
    }

    /// Returns whether a first attempt at the endpoint is likely to end within a second.
    fn may_be_brief(&self, endpoint: &Endpoint) -> bool {
        let now = self.clock.now();
        self.seen.watch.is_worth_a_second(endpoint, now) && !self.seen.watch.was_cut_short(endpoint, now)
    }

    /// Returns the endpoint of a due delivery, if it is still to get the event: it is enabled, and subscribes to the
    /// event's type. A test event is sent to its endpoint whatever that subscribes to, and the first time even if it is
    /// disabled: its owner may want to test a fix before enabling it.
    async fn recipient(
        &self,
        message: &QueueMessage,
        tenant: &Tenant,
        sent: &SentEvent,
        delivery: &Delivery,
    ) -> Result<Option<Arc<Endpoint>>, StorageError> {
        let id = delivery.endpoint_id;
        if sent.is_test && !delivery.was_tried() {
            return Ok(self.snapshots.store().get(tenant, id).await?.map(Arc::new));
        }
        let is_wanted = |endpoint: &Endpoint| {
            sent.is_test || delivery.insisted || endpoint.enabled_events.matches(&sent.event_type)
        };
        let endpoint = self.not_disabled(message, tenant, id).await?;
        Ok(endpoint.filter(|endpoint| is_wanted(endpoint)))
    }

    /// Returns the endpoint, unless it is disabled. If it is not in memory, it is read, because it may have been left out
    /// as unreadable. Then this is an error, and the delivery is not canceled.
    async fn not_disabled(
        &self,
        message: &QueueMessage,
        tenant: &Tenant,
        id: EndpointId,
    ) -> Result<Option<Arc<Endpoint>>, StorageError> {
        if let Some(known) = self.snapshots.get(tenant, message).await?.get(id) {
            return Ok(Some(known));
        }
        let found = self.snapshots.store().get(tenant, id).await?;
        Ok(found.filter(|endpoint| endpoint.status != EndpointStatus::Disabled).map(Arc::new))
    }

    /// Makes the attempt of a manual retry, unless it is on record: then the message was received twice.
    async fn resend(
        &self,
        message: &QueueMessage,
        key: &RecordKey,
        body: Bytes,
        delivery: Delivery,
        resend: u32,
    ) -> Result<(), WorkError> {
        let endpoint_id = delivery.endpoint_id;
        if delivery.attempts.iter().any(|attempt| attempt.resend == Some(resend)) {
            return Ok(());
        }
        let Some(endpoint) = self.not_disabled(message, &key.tenant, endpoint_id).await? else {
            tracing::info!(event_id = %key.event_id, %endpoint_id, "not resent: the endpoint is disabled or deleted");
            return Ok(());
        };
        self.require_time(message, self.sender.timeout())?;
        let mut answer = self.sender.post(&endpoint, key.event_id, &body).await?;
        answer.attempt.resend = Some(resend);
        let outcome = self.conclude(key, endpoint, delivery, answer, None, None);
        self.persist(self.last_write(message), || self.settle_one(key, &outcome.delivery)).await?;
        self.enforce(&key.tenant, &[outcome], &[endpoint_id]).await;
        Ok(())
    }

    /// Returns how long a first attempt, or the first one after a recovery, waits because its endpoint is overloaded. A
    /// retry keeps to its schedule.
    fn may_wait(
        &self,
        message: &QueueMessage,
        key: &RecordKey,
        endpoint: &Endpoint,
        delivery: &Delivery,
    ) -> Option<Duration> {
        let now = self.clock.now();
        let until =
            self.seen.watch.asked_to_wait_until(endpoint.id, now).filter(|_| !delivery.has_begun())?;
        let first = FirstAttempt { due: delivery.next_attempt_at?, sent_at: message.sent_at };
        let wait = first.put_off(until, now, self.random.unit());
        if wait.is_none() {
            self.tally.add(Metric::ChainsStopped, 1);
            tracing::warn!(event_id = %key.event_id, endpoint_id = %endpoint.id, "attempt not delayed any longer");
        }
        wait
    }

    async fn deliver_chunk(
        &self,
        message: &QueueMessage,
        key: &RecordKey,
        sent: SentEvent,
        deliveries: Vec<Delivery>,
    ) -> Result<(), WorkError> {
        if message.is_redelivered() {
            // Work that an earlier receipt has begun continues with a message for each delivery.
            return Ok(self.queue(key, &deliveries, Queueing::Again).await?);
        }
        let subscriptions = self.snapshots.get(&key.tenant, message).await?;
        self.require_time(message, DISPATCH)?;
        let (mut prompt, mut slow) = (Vec::new(), Vec::new());
        let (untried, begun): (Vec<_>, Vec<_>) =
            deliveries.into_iter().partition(|delivery| delivery.attempts.is_empty());
        let is_due = |delivery: &Delivery| delivery.status == DeliveryStatus::Pending;
        for delivery in untried.into_iter().filter(is_due) {
            match subscriptions.get(delivery.endpoint_id) {
                Some(endpoint)
                    if endpoint.enabled_events.matches(&sent.event_type)
                        && endpoint.held_since().is_none()
                        && self.may_be_brief(&endpoint) =>
                {
                    prompt.push((endpoint, delivery));
                }
                // Handled alone, a delivery is held if its endpoint's are, and canceled if that is disabled, deleted, or no
                // longer wants the event.
                _ => slow.push(delivery),
            }
        }
        let Dispatched { outcomes, postponed } =
            self.dispatch(key, prompt, &sent.body, key.event_id.at(), sent.expires_at).await;
        let until = self.last_write(message);
        self.settle(until, key, outcomes.iter().map(|outcome| &outcome.delivery)).await?;
        let others = self.packed(key, &postponed, Queueing::Once);
        let others = others.and(self.packed(key, &slow, Queueing::AmongSlow));
        self.send(until, others.and(self.packed(key, &begun, Queueing::Again))).await?;
        self.enforce(&key.tenant, &outcomes, &endpoints_of(&slow)).await;
        Ok(())
    }

    /// Cancels a delivery whose endpoint is disabled, deleted, or no longer wants the event.
    async fn cancel(&self, key: &RecordKey, delivery: Delivery) -> Result<(), WorkError> {
        let before = Before::of(&delivery);
        self.set_aside(key, before, &decision::canceled(delivery)).await
    }

    /// Holds a delivery that has come due, because its endpoint is paused or down.
    async fn hold(&self, key: &RecordKey, delivery: Delivery, since: Timestamp) -> Result<(), WorkError> {
        let before = Before::of(&delivery);
        self.set_aside(key, before, &delivery.held(since)).await?;
        self.tally.add(Metric::DeliveriesHeld, 1);
        Ok(())
    }

    /// Records a delivery that gets no attempt, unless another process has written it meanwhile.
    async fn set_aside(&self, key: &RecordKey, before: Before, delivery: &Delivery) -> Result<(), WorkError> {
        let step = Progress { delivery, before };
        if self.log.advance(key, &[step], self.clock.now()).await? == Written::Now {
            let (endpoint_id, status) = (delivery.endpoint_id, delivery.status);
            tracing::info!(event_id = %key.event_id, %endpoint_id, ?status, "delivery set aside");
        }
        Ok(())
    }

    /// Returns the event, and the deliveries in the row of this key.
    pub(super) async fn recorded(&self, key: &RecordKey) -> Result<(SentEvent, Vec<Delivery>), WorkError> {
        let unknown = || WorkError::Poison(format!("there is no record of the event {}", key.event_id));
        let record = self.log.get(&key.tenant, key.event_id).await?.ok_or_else(unknown)?;
        let event_type = DeliveredEvent::read(&record.body).and_then(|event| event.event_type());
        let event_type = event_type.map_err(|error| {
            WorkError::Poison(format!("the record of {} contains no valid event: {error}", key.event_id))
        })?;
        let deliveries = match key.chunk {
            None => record.deliveries,
            Some(_) => self.log.get_chunk(key).await?.ok_or_else(unknown)?,
        };
        let (is_test, expires_at) = (record.only.is_some(), record.expires_at);
        let sent = SentEvent { event_type, is_test, expires_at, body: record.body.into_bytes() };
        Ok((sent, deliveries))
    }
}

/// An event on record.
pub(super) struct SentEvent {
    event_type: EventType,
    /// Whether it is a test event, for one endpoint only.
    is_test: bool,
    /// When its record expires.
    pub(super) expires_at: Option<Timestamp>,
    /// The body of its deliveries.
    pub(super) body: Bytes,
}

/// Returns when the event of a delivery was accepted; `None` if a recovery added the delivery later.
fn accepted_at(key: &RecordKey, delivery: &Delivery) -> Option<Timestamp> {
    let accepted_at = key.event_id.at();
    delivery.next_attempt_at.is_some_and(|due| due.since(accepted_at) < USUALLY_DUE).then_some(accepted_at)
}
