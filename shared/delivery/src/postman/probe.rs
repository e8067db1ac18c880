//! Probes an endpoint that is down: attempts one of the deliveries that it holds, until one succeeds.
//!
//! Each message is one probe, and leads to the message of the next. A probe is put on record before it is made, so a
//! duplicate of its message does nothing, and only the process that has recorded it goes on.

use std::time::Duration;

use posthorn_domain::{
    Endpoint, EndpointId, EventId, Failure, HoldPhase, LAST_LOOK, ProbeMessage, ProbeOrder, Probes,
    RecoveryScope, Tenant, TimeOrder,
};
use posthorn_storage::{DeliveryOutbox, Held, StorageError, Written};
use tracing::{info, warn};

use crate::endpoints::Said;
use crate::postman::{MAX_CONFLICTS, Postman};
use crate::queue_message::{QueueMessage, WorkError};
use crate::tally::Metric;

/// How late a probe may be, until its message counts as lost.
const OVERDUE: Duration = Duration::from_mins(10);
/// The most events that are examined to find one for a probe. The next probe goes on from there.
const MAX_EXAMINED: usize = 2_000;

/// What a probe takes.
struct Chosen {
    /// The delivery; `None` if none was found.
    held: Option<Held>,
    /// After which event the next probe that takes the oldest searches.
    tried: Option<EventId>,
    /// Whether all events were examined, and none is held.
    is_nothing_held: bool,
}

impl Postman {
    /// Makes the probe that a message asks for. `Ok` means that the message can be deleted: the next probe is queued, or
    /// the endpoint's hold has ended.
    pub async fn probe(&self, message: &QueueMessage, asked: &ProbeMessage) -> Result<(), WorkError> {
        let ProbeMessage { tenant, endpoint_id, probe } = asked;
        let Some(endpoint) = self.snapshots.fresh(tenant, *endpoint_id).await? else { return Ok(()) };
        let Some(probes) = probes_of(&endpoint) else {
            // The process that sent the first message may be about to write the hold.
            let may_be_early = *probe == 0 && self.clock.now().since(message.sent_at) < LAST_LOOK;
            return if may_be_early { Err(StorageError::Conflict.into()) } else { Ok(()) };
        };
        if probes.made != *probe {
            // It is made. If the message was received before, that receipt may have ended before it queued the next. The
            // same if the next is long overdue: then this is a dead letter that was moved back.
            let is_overdue = self.clock.now().since(probes.due) > OVERDUE;
            if (message.is_redelivered() || is_overdue) && probes.made > *probe {
                self.queue_probe(tenant, *endpoint_id, probes).await?;
            }
            return Ok(());
        }
        self.require_time(message, self.sender.timeout())?;
        let chosen = self.choose(tenant, &endpoint, probes).await?;
        let now = self.clock.now();
        let next = if chosen.is_nothing_held {
            probes.after_nothing_to_send(now)
        } else {
            Some(probes.after_one_more(chosen.tried, now))
        };
        let Some(next) = next else { return self.release(tenant, *endpoint_id, probes.made).await };
        if !self.put_on_record(tenant, *endpoint_id, probes.made, next).await? {
            return Ok(());
        }
        let told = match chosen.held {
            Some(held) => self.try_held(message, &endpoint, held, next).await?,
            None => Some(next),
        };
        let Some(told) = told else { return self.release(tenant, *endpoint_id, next.made).await };
        self.queue_probe(tenant, *endpoint_id, told).await?;
        if told != next {
            // Only for those who read it: without it, the endpoint shows an earlier failure.
            let _: Written = self.snapshots.store().set_probes(tenant, *endpoint_id, next.made, told).await?;
        }
        Ok(())
    }

    /// Chooses the delivery that the next probe takes.
    async fn choose(
        &self,
        tenant: &Tenant,
        endpoint: &Endpoint,
        probes: Probes,
    ) -> Result<Chosen, StorageError> {
        let (order, after) = match probes.order() {
            ProbeOrder::Oldest => (TimeOrder::OldestFirst, probes.tried),
            ProbeOrder::Newest => (TimeOrder::NewestFirst, None),
        };
        let mut found = self.log.held(tenant, endpoint, order, after, MAX_EXAMINED).await?;
        if after.is_some() && matches!(found, (None, None)) {
            // The next one after the last is the first.
            found = self.log.held(tenant, endpoint, order, None, MAX_EXAMINED).await?;
        }
        let (held, examined) = found;
        let is_nothing_held = held.is_none() && examined.is_none();
        let tried = if order == TimeOrder::OldestFirst { examined } else { probes.tried };
        Ok(Chosen { held, tried, is_nothing_held })
    }

    /// Puts the probe on record as made. Returns whether this process has done so.
    async fn put_on_record(
        &self,
        tenant: &Tenant,
        id: EndpointId,
        made: u32,
        next: Probes,
    ) -> Result<bool, StorageError> {
        let store = self.snapshots.store();
        if store.set_probes(tenant, id, made, next).await? == Written::Now {
            return Ok(true);
        }
        // If the answer of a call was lost, the SDK repeats it and then finds its own write.
        let recorded = store.get(tenant, id).await?;
        Ok(recorded.and_then(|endpoint| probes_of(&endpoint)) == Some(next))
    }

    /// Attempts a delivery that is held. Only a success is recorded as an attempt of it. Returns the probes as the failure
    /// leaves `next`; `None` if it succeeded.
    async fn try_held(
        &self,
        message: &QueueMessage,
        endpoint: &Endpoint,
        held: Held,
        next: Probes,
    ) -> Result<Option<Probes>, WorkError> {
        let Held { key, delivery } = held;
        let sent = match self.recorded(&key).await {
            Ok((sent, _)) => sent,
            Err(WorkError::Poison(reason)) => {
                warn!(event_id = %key.event_id, reason, "event passed over by a probe");
                return Ok(Some(next));
            }
            Err(error) => return Err(error),
        };
        let answer = self.sender.post(endpoint, key.event_id, &sent.body).await?;
        let failed = (!answer.attempt.succeeded()).then(|| {
            let asked = answer.retry_after.unwrap_or_default().min(DeliveryOutbox::MAX_DELAY);
            let due = next.due.max(self.clock.now().plus(asked));
            Probes { failure: Failure::from(&answer.attempt), due, ..next }
        });
        // Its row was just written, to put the probe on record.
        let endpoint = Endpoint { revision: endpoint.revision + 1, ..endpoint.clone() };
        let outcome = self.conclude(&key, endpoint.into(), delivery, answer, None, sent.expires_at);
        if failed.is_none() {
            let settled = self.settle(self.last_write(message), &key, [&outcome.delivery]).await;
            if let Err(refusal @ (StorageError::Refused { .. } | StorageError::Corrupt { .. })) = settled {
                // The endpoint works, whatever is wrong with this record.
                let error = &refusal as &dyn std::error::Error;
                warn!(event_id = %key.event_id, error, "the success of a probe cannot be recorded");
            } else {
                settled?;
            }
        }
        self.enforce(&key.tenant, &[outcome], &[]).await;
        Ok(failed)
    }

    /// Ends the hold of an endpoint that works again, unless another process has changed it since this many probes.
    async fn release(&self, tenant: &Tenant, id: EndpointId, made: u32) -> Result<(), WorkError> {
        let mut begun = None;
        for _ in 0..MAX_CONFLICTS {
            let Some(endpoint) = self.snapshots.fresh(tenant, id).await? else { return Ok(()) };
            let Some(hold) = endpoint.hold.filter(|hold| hold.probes().is_some_and(|now| now.made == made))
            else {
                return Ok(());
            };
            if begun.is_none() {
                begun = self.release.begin(tenant, &endpoint, RecoveryScope::Held).await?;
            }
            let Some(drain) = begun else { return Ok(()) };
            let now = self.clock.now();
            let hold = hold.with(HoldPhase::Draining(drain));
            let released = Endpoint { hold: Some(hold), revision: endpoint.revision + 1, ..endpoint.clone() };
            self.notices.publish(tenant, &released, Said::Released, now).await?;
            if self.snapshots.store().set_hold(tenant, &endpoint, hold).await? == Written::Now {
                self.snapshots.renew(tenant, released, now);
                self.tally.add(Metric::EndpointsReleased, 1);
                info!(account = tenant.account.as_str(), endpoint_id = %id, probes = made, "endpoint released");
                return Ok(());
            }
        }
        Err(StorageError::Conflict.into())
    }

    async fn queue_probe(&self, tenant: &Tenant, id: EndpointId, probes: Probes) -> Result<(), StorageError> {
        let message = ProbeMessage { tenant: tenant.clone(), endpoint_id: id, probe: probes.made };
        // Endpoints that went down together are not probed together.
        let wait = probes.due.since(self.clock.now()).mul_f64(1.0 - self.random.unit() / 5.0);
        self.outbox.send_probe(&message, wait).await
    }
}

/// Returns the probes of an endpoint, if it is down.
fn probes_of(endpoint: &Endpoint) -> Option<Probes> {
    endpoint.held_since()?;
    endpoint.hold?.probes()
}
