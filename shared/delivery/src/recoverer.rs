//! Sending again what an endpoint has no success for, a slice at a time.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use futures::{StreamExt as _, stream};
use posthorn_domain::{
    Clock, Delivery, DeliveryMessage, Endpoint, EndpointId, EndpointStatus, EventId, Recovery,
    RecoveryMessage, RecoveryScope, RecoveryStatus, Tenant, Timestamp,
};
use posthorn_storage::{
    Before, DeliveryOutbox, EndpointStore, EventLog, Progress, RecordKey, Recoveries, StorageError,
    Treatment, Written,
};

use crate::decision;
use crate::postman::next_message;
use crate::queue_message::{QueueMessage, WorkError};
use crate::tally::{Metric, Tally};

/// How many seconds' worth of deliveries are recovered in one slice.
const SLICE_SECONDS: u32 = 10;
/// The most events that are looked at in one slice.
const MAX_LOOKED_AT: u64 = 2_000;
/// How many records are written at the same time.
const AT_ONCE: usize = 16;
/// What has to be left of an invocation's time to begin a slice, and to go on looking.
const RESERVE: Duration = Duration::from_secs(15);
/// How long the next slice waits after one that came no further, as it does where a table is slow.
const STALLED_WAIT: Duration = Duration::from_mins(1);

/// Works recoveries off. Each message of one does a slice, and queues the message for the next.
pub struct Recoverer {
    /// The endpoints.
    pub endpoints: EndpointStore,
    /// What became of every event.
    pub log: EventLog,
    /// How far recoveries have come.
    pub recoveries: Recoveries,
    /// Where deliveries go that are to be made again, and the messages that keep recoveries going.
    pub outbox: DeliveryOutbox,
    /// How many deliveries each recovery makes again in a second.
    pub rate: NonZeroU32,
    /// What time it is.
    pub clock: Arc<dyn Clock>,
    /// What is counted meanwhile.
    pub tally: Arc<Tally>,
}

/// What has been done; `None` where a record can never be written, such as one that is too large: the recovery goes on with
/// the others.
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

/// A delivery that is to be made again, or for the first time.
struct Recovered {
    key: RecordKey,
    delivery: Option<Delivery>,
}

impl Recovered {
    /// The delivery as it is to be made again.
    fn due(&self, endpoint_id: EndpointId, at: Timestamp) -> Delivery {
        self.delivery
            .as_ref()
            .map_or_else(|| Delivery::due(endpoint_id, at), |delivery| delivery.recovered(at))
    }
}

impl Recoverer {
    /// Does the slice that a message asks for. `Ok` means that the message may go: the slice is done and on record, and
    /// the next one queued.
    pub async fn recover(&self, message: &QueueMessage, asked: &RecoveryMessage) -> Result<(), WorkError> {
        let RecoveryMessage { tenant, recovery_id, slice } = asked;
        let recovery = self.recoveries.get(tenant, *recovery_id).await?;
        let recovery =
            recovery.ok_or_else(|| WorkError::Poison(format!("{recovery_id} is not on record")))?;
        if recovery.status != RecoveryStatus::Running {
            return Ok(());
        }
        if recovery.slices != *slice {
            // The slice is done. If this is not the first receipt, an earlier one may have ended before it queued the
            // next slice.
            if message.is_redelivered() {
                self.go_on(tenant, &recovery, Duration::ZERO).await?;
            }
            return Ok(());
        }
        if message.deadline.since(self.clock.now()) < RESERVE {
            return Err(WorkError::OutOfTime);
        }
        let (recovery, took) = self.slice(tenant, recovery, message).await?;
        let written = self.recoveries.advance(tenant, &recovery, *slice).await?;
        // A call whose answer was lost is repeated by the SDK, and then finds what it has written itself.
        let is_ours = written == Written::Now
            || self.recoveries.get(tenant, recovery.id).await?.as_ref() == Some(&recovery);
        if written == Written::Now {
            self.count_if_spent(&recovery);
        }
        if is_ours {
            self.go_on(tenant, &recovery, took).await?;
        }
        Ok(())
    }

    /// Called once for each slice, by whoever has put it on record.
    fn count_if_spent(&self, recovery: &Recovery) {
        if recovery.status == RecoveryStatus::Stopped && recovery.is_spent() {
            self.tally.add(Metric::ChainsStopped, 1);
            let Recovery { id, endpoint_id, slices, stalled, .. } = recovery;
            tracing::warn!(recovery_id = %id, %endpoint_id, slices, stalled, "recovery stopped at its bound");
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

    /// The recovery after its next slice, and how long the deliveries of that slice take at its rate.
    async fn slice(
        &self,
        tenant: &Tenant,
        mut recovery: Recovery,
        message: &QueueMessage,
    ) -> Result<(Recovery, Duration), StorageError> {
        let position_before = recovery.position;
        recovery.slices += 1;
        recovery.updated_at = self.clock.now();
        let endpoint = self.endpoints.get(tenant, recovery.endpoint_id).await?;
        let Some(endpoint) = endpoint.filter(|endpoint| endpoint.status == EndpointStatus::Enabled) else {
            recovery.status = RecoveryStatus::Stopped;
            return Ok((recovery, Duration::ZERO));
        };
        let most = u64::from(self.rate.get()) * u64::from(SLICE_SECONDS);
        let mut search = self.log.search(tenant, &endpoint, &recovery).await?;
        search.is_repeated = message.is_redelivered();
        let (mut recovered, mut unwanted) = (Vec::new(), Vec::new());
        let mut looked_at = 0;
        let has_time = || message.deadline.since(self.clock.now()) >= RESERVE;
        while (recovered.len() as u64) < most && looked_at < MAX_LOOKED_AT && has_time() {
            let Some((found, treatment)) = search.next(self.clock.now()).await? else {
                recovery.status = RecoveryStatus::Completed;
                break;
            };
            looked_at += 1;
            recovery.position = Some(found.event_id());
            match treatment {
                Treatment::Send => recovered.push(Recovered { key: found.key, delivery: found.delivery }),
                Treatment::Cancel => unwanted.extend(found.delivery.map(|delivery| (found.key, delivery))),
                Treatment::Leave => {}
            }
        }
        recovery.events_examined += looked_at;
        recovery.reached = recovery.position.map(EventId::at);
        self.cancel(unwanted).await?;
        let made = self.make_again(&endpoint, recovered, recovery.scope == RecoveryScope::All).await?;
        recovery.deliveries_recovered += made;
        let is_running = recovery.status == RecoveryStatus::Running;
        let is_stalled = is_running && recovery.position == position_before;
        recovery.stalled = if is_stalled { recovery.stalled + 1 } else { 0 };
        if is_running && recovery.is_spent() {
            recovery.status = RecoveryStatus::Stopped;
        }
        let took = Duration::from_secs(made) / self.rate.get();
        Ok((recovery, if is_stalled { STALLED_WAIT } else { took }))
    }

    /// Puts deliveries on record as due again, and queues them at the recovery's rate. Returns how many there were: one
    /// that has just gone on by itself is left alone.
    async fn make_again(
        &self,
        endpoint: &Endpoint,
        recovered: Vec<Recovered>,
        insisted: bool,
    ) -> Result<u64, StorageError> {
        let now = self.clock.now();
        let restarts = (0_u32..).zip(recovered).map(|(place, recovered)| {
            let wait = Duration::from_secs(u64::from(place)) / self.rate.get();
            async move {
                let again = Delivery { insisted, ..recovered.due(endpoint.id, now.plus(wait)) };
                let message = passed_over(recovered.key.event_id, self.restart(recovered, again).await)?;
                Ok::<_, StorageError>(message.flatten().map(|message| (message, wait)))
            }
        });
        let restarts: Vec<_> = restarts.collect();
        // All of them, whatever becomes of one: what is on record as due again has to be queued.
        let restarted: Vec<_> = stream::iter(restarts).buffered(AT_ONCE).collect().await;
        let messages: Vec<_> = restarted.iter().flatten().flatten().cloned().collect();
        self.outbox.send(&messages).await?;
        restarted.into_iter().collect::<Result<Vec<_>, _>>()?;
        Ok(messages.len() as u64)
    }

    /// Ends deliveries that their endpoint does not want any more. One that has just gone on by itself is left alone.
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

    /// Puts one delivery on record as it is to be made again. `None` where somebody else has just written it.
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
