//! Resends what an endpoint has not acknowledged, one slice at a time.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use futures::{StreamExt as _, stream};
use posthorn_domain::{
    Clock, Course, Delivery, DeliveryMessage, Endpoint, EndpointId, EventId, Recovery, RecoveryMessage,
    RecoveryScope, RecoveryStatus, Tenant, Timestamp,
};
use posthorn_storage::{
    Before, DeliveryOutbox, EndpointStore, EventLog, Progress, RecordKey, Recoveries, StorageError,
    Treatment, Written,
};

use crate::decision;
use crate::postman::next_message;
use crate::queue_message::{QueueMessage, WorkError};
use crate::tally::{Metric, Tally};

/// The size of a slice, in seconds' worth of deliveries at the recovery's rate.
const SLICE_SECONDS: u32 = 10;
/// The most events examined in one slice.
const MAX_LOOKED_AT: u64 = 2_000;
/// The most deliveries a second that were held.
const FASTEST_DRAIN: NonZeroU32 = NonZeroU32::new(500).expect("it is not zero");
/// The number of records written concurrently.
const AT_ONCE: usize = 16;
/// The time that an invocation must have left to begin a slice, and to continue searching.
const RESERVE: Duration = Duration::from_secs(15);
/// The wait before the next slice after one without progress, such as when a table is slow.
const STALLED_WAIT: Duration = Duration::from_mins(1);

/// Handles recoveries. Each message does one slice of one, and queues the message for the next.
pub struct Recoverer {
    /// The endpoints.
    pub endpoints: EndpointStore,
    /// The records of all events.
    pub log: EventLog,
    /// The progress of recoveries.
    pub recoveries: Recoveries,
    /// The deliveries queue, for recovered deliveries and for the messages that continue recoveries.
    pub outbox: DeliveryOutbox,
    /// The number of deliveries that each recovery resends per second.
    pub rate: NonZeroU32,
    /// The clock.
    pub clock: Arc<dyn Clock>,
    /// Counts metrics.
    pub tally: Arc<Tally>,
}

/// Returns the result of a write; `None` if the record can never be written, for example because it is too large. The
/// recovery continues with the others.
fn passed_over<T>(event_id: EventId, done: Result<T, StorageError>) -> Result<Option<T>, StorageError> {
    match done {
        Err(refusal @ (StorageError::Refused { .. } | StorageError::Corrupt { .. })) => {
            let error = &refusal as &dyn std::error::Error;
            tracing::error!(%event_id, error, "delivery not recovered: its record cannot be written");
            Ok(None)
        }
        done => done.map(Some),
    }
}

/// A delivery to resend, or an event to send for the first time.
struct Recovered {
    key: RecordKey,
    delivery: Option<Delivery>,
}

impl Recovered {
    /// Returns the delivery as due at `at`.
    fn due(&self, endpoint_id: EndpointId, at: Timestamp) -> Delivery {
        self.delivery
            .as_ref()
            .map_or_else(|| Delivery::due(endpoint_id, at), |delivery| delivery.recovered(at))
    }
}

impl Recoverer {
    /// Does the slice that a message asks for. `Ok` means that the message can be deleted: the slice is done and on
    /// record, and the next one is queued.
    pub async fn recover(&self, message: &QueueMessage, asked: &RecoveryMessage) -> Result<(), WorkError> {
        let RecoveryMessage { tenant, recovery_id, slice } = asked;
        let recovery = self.recoveries.get(tenant, *recovery_id).await?;
        let recovery = recovery
            .ok_or_else(|| WorkError::Poison(format!("there is no record of the recovery {recovery_id}")))?;
        if recovery.status != RecoveryStatus::Running {
            return Ok(());
        }
        if recovery.slices != *slice {
            // The slice is done. If the message was received before, that receipt may have ended before it queued the
            // next slice.
            if message.is_redelivered() {
                self.go_on(tenant, &recovery, Duration::ZERO).await?;
            }
            return Ok(());
        }
        let early = recovery.until_second_look(self.clock.now());
        if !early.is_zero() {
            return Ok(self.go_on(tenant, &recovery, early).await?);
        }
        if message.deadline.since(self.clock.now()) < RESERVE {
            return Err(WorkError::OutOfTime);
        }
        let (recovery, wait) = self.slice(tenant, recovery, message).await?;
        if recovery.scope == RecoveryScope::Held && recovery.status == RecoveryStatus::Completed {
            // Before the end of the recovery is on record: if this fails, the slice is done again.
            self.end_hold(tenant, &recovery).await?;
        }
        let written = self.recoveries.advance(tenant, &recovery, *slice).await?;
        // If the answer of a call was lost, the SDK repeats it and then finds its own write.
        let is_ours = written == Written::Now
            || self.recoveries.get(tenant, recovery.id).await?.as_ref() == Some(&recovery);
        if written == Written::Now {
            self.count_if_spent(&recovery);
        }
        if is_ours {
            self.go_on(tenant, &recovery, wait).await?;
        }
        Ok(())
    }

    /// Called once for each slice, by the process that recorded it.
    fn count_if_spent(&self, recovery: &Recovery) {
        if recovery.status == RecoveryStatus::Stopped && recovery.is_spent() {
            self.tally.add(Metric::ChainsStopped, 1);
            let Recovery { id, endpoint_id, slices, stalled, .. } = recovery;
            tracing::warn!(recovery_id = %id, %endpoint_id, slices, stalled, "recovery stopped at its limit");
        }
    }

    async fn go_on(&self, tenant: &Tenant, recovery: &Recovery, wait: Duration) -> Result<(), StorageError> {
        if recovery.status != RecoveryStatus::Running {
            tracing::info!(recovery_id = %recovery.id, status = ?recovery.status, "recovery ended");
            return Ok(());
        }
        let message =
            RecoveryMessage { tenant: tenant.clone(), recovery_id: recovery.id, slice: recovery.slices };
        self.outbox.send_recovery(&message, wait).await
    }

    /// Returns the recovery after its next slice, and how long to wait before the one after it.
    async fn slice(
        &self,
        tenant: &Tenant,
        mut recovery: Recovery,
        message: &QueueMessage,
    ) -> Result<(Recovery, Duration), StorageError> {
        let position_before = recovery.position;
        let endpoint = self.endpoints.get(tenant, recovery.endpoint_id).await?;
        match recovery.course(endpoint.as_ref(), self.clock.now()) {
            Course::On => {}
            Course::Skip => recovery.scope = RecoveryScope::Skipped,
            // The message comes again soon.
            Course::Wait => return Err(StorageError::Conflict),
            Course::Stop => {
                recovery.status = RecoveryStatus::Stopped;
                return Ok((recovery, Duration::ZERO));
            }
        }
        let now = self.clock.now();
        recovery = Recovery { updated_at: now, slices: recovery.slices + 1, ..recovery.begun(now) };
        let rate = self.rate(&recovery, endpoint.as_ref());
        let most = u64::from(rate.get()) * u64::from(SLICE_SECONDS);
        let mut search = self.log.search(tenant, endpoint.as_ref(), &recovery).await?;
        search.is_repeated = message.is_redelivered();
        let (mut recovered, mut unwanted, mut overdue) = (Vec::new(), Vec::new(), Vec::new());
        let (mut looked_at, mut is_through) = (0, false);
        let has_time = || message.deadline.since(self.clock.now()) >= RESERVE;
        while ((recovered.len() + overdue.len()) as u64) < most && looked_at < MAX_LOOKED_AT && has_time() {
            let Some((found, treatment)) = search.next(self.clock.now()).await? else {
                is_through = true;
                break;
            };
            looked_at += 1;
            recovery.position = Some(found.event_id());
            match treatment {
                Treatment::Send => recovered.push(Recovered { key: found.key, delivery: found.delivery }),
                Treatment::Cancel => unwanted.extend(found.delivery.map(|delivery| (found.key, delivery))),
                Treatment::Queue => overdue.extend(found.delivery.map(|due| next_message(&found.key, &due))),
                Treatment::Await | Treatment::Leave => {}
            }
            let is_at_rest = matches!(treatment, Treatment::Cancel | Treatment::Leave);
            recovery.is_restless |= recovery.looks > 0 && !is_at_rest;
        }
        recovery.events_examined += looked_at;
        recovery.reached = recovery.position.map(EventId::at);
        self.cancel(unwanted).await?;
        let waits = (0_u32..).map(|place| Duration::from_secs(u64::from(place)) / rate.get());
        let again: Vec<_> = overdue.into_iter().zip(waits).collect();
        self.outbox.send(&again).await?;
        let queued = again.len() as u64;
        let insisted = recovery.scope == RecoveryScope::All;
        let made = self.make_again(recovery.endpoint_id, recovered, insisted, rate).await?;
        recovery.deliveries_recovered += made;
        if is_through {
            let (next, wait) = recovery.after_look(self.clock.now());
            if let Some(wait) = wait {
                return Ok((next, wait));
            }
            recovery = next;
        }
        let is_running = recovery.status == RecoveryStatus::Running;
        let is_stalled = is_running && recovery.position == position_before;
        recovery.stalled = if is_stalled { recovery.stalled + 1 } else { 0 };
        if is_running && recovery.is_spent() {
            recovery.status = RecoveryStatus::Stopped;
        }
        // The time for which this slice's deliveries leave, from its beginning on.
        let span = Duration::from_secs(made + queued) / rate.get();
        let left = span.saturating_sub(self.clock.now().since(now));
        Ok((recovery, if is_stalled { STALLED_WAIT } else { left }))
    }

    /// Returns the number of deliveries a second of the next slice. What was held goes out at the rate of other
    /// recoveries at first, and twice as fast after each full slice, while the endpoint answers quickly.
    fn rate(&self, recovery: &Recovery, endpoint: Option<&Endpoint>) -> NonZeroU32 {
        let is_well = endpoint.is_some_and(|endpoint| endpoint.health.state.is_well());
        if recovery.scope != RecoveryScope::Held || !is_well {
            return self.rate;
        }
        let grown_by = recovery.deliveries_recovered / u64::from(SLICE_SECONDS);
        let grown = self.rate.saturating_add(u32::try_from(grown_by).unwrap_or(u32::MAX));
        grown.min(FASTEST_DRAIN.max(self.rate))
    }

    /// Ends an endpoint's hold, if this recovery was draining it.
    async fn end_hold(&self, tenant: &Tenant, recovery: &Recovery) -> Result<(), StorageError> {
        self.endpoints.end_hold(tenant, recovery.endpoint_id, recovery.id).await.map(drop)
    }

    /// Records deliveries as due again, and queues them at the recovery's rate. Returns how many there were. A delivery
    /// that has just progressed by itself is left alone.
    async fn make_again(
        &self,
        endpoint_id: EndpointId,
        recovered: Vec<Recovered>,
        insisted: bool,
        rate: NonZeroU32,
    ) -> Result<u64, StorageError> {
        let now = self.clock.now();
        let restarts = (0_u32..).zip(recovered).map(|(place, recovered)| {
            let wait = Duration::from_secs(u64::from(place)) / rate.get();
            async move {
                let again = Delivery { insisted, ..recovered.due(endpoint_id, now.plus(wait)) };
                let message = passed_over(recovered.key.event_id, self.restart(recovered, again).await)?;
                Ok::<_, StorageError>(message.flatten().map(|message| (message, wait)))
            }
        });
        let restarts: Vec<_> = restarts.collect();
        // All run to the end, even if one fails, because each delivery recorded as due has to be queued.
        let restarted: Vec<_> = stream::iter(restarts).buffered(AT_ONCE).collect().await;
        let messages: Vec<_> = restarted.iter().flatten().flatten().cloned().collect();
        self.outbox.send(&messages).await?;
        restarted.into_iter().collect::<Result<Vec<_>, _>>()?;
        Ok(messages.len() as u64)
    }

    /// Cancels deliveries that their endpoint no longer wants. A delivery that has just progressed by itself is left
    /// alone.
    async fn cancel(&self, unwanted: Vec<(RecordKey, Delivery)>) -> Result<(), StorageError> {
        let cancels = unwanted.into_iter().map(|(key, before)| async move {
            let read = Before::of(&before);
            let delivery = decision::canceled(before);
            let step = Progress { delivery: &delivery, before: read };
            passed_over(key.event_id, self.log.advance(&key, &[step], self.clock.now()).await)
        });
        let cancels: Vec<_> = cancels.collect();
        let canceled: Vec<_> = stream::iter(cancels).buffered(AT_ONCE).collect().await;
        canceled.into_iter().collect::<Result<Vec<_>, _>>().map(drop)
    }

    /// Records one delivery as due again. Returns `None` if another process has just written it.
    async fn restart(
        &self,
        recovered: Recovered,
        delivery: Delivery,
    ) -> Result<Option<DeliveryMessage>, StorageError> {
        let Recovered { key, delivery: before } = recovered;
        let written = if let Some(before) = before {
            let step = Progress { delivery: &delivery, before: Before::of(&before) };
            self.log.advance(&key, &[step], self.clock.now()).await?
        } else {
            self.log.add(&key, &delivery).await?
        };
        let is_ours = written == Written::Now
            || self.log.delivery(&key, delivery.endpoint_id).await?.as_ref() == Some(&delivery);
        Ok(is_ours.then(|| next_message(&key, &delivery)))
    }
}
