//! Takes care of what an endpoint holds when its hold ends: it is sent or canceled, by a recovery.

use std::sync::Arc;
use std::time::Duration;

use posthorn_domain::{
    Clock, Endpoint, Hold, Random, Recovery, RecoveryId, RecoveryMessage, RecoveryScope, RecoveryStatus,
    Tenant,
};
use posthorn_storage::{DeliveryOutbox, Recoveries, StorageError};

/// How long the recovery waits, so that the endpoint's own change is most likely written before.
const HEAD_START: Duration = Duration::from_secs(2);

/// The most time between two slices of a recovery.
const SILENCE: Duration = Duration::from_mins(30);

/// Begins recoveries.
pub struct Release {
    /// The progress of recoveries.
    pub recoveries: Recoveries,
    /// The deliveries queue, for the recovery's first message.
    pub outbox: DeliveryOutbox,
    /// The clock.
    pub clock: Arc<dyn Clock>,
    /// The source of ids.
    pub random: Arc<dyn Random>,
}

impl Release {
    /// Returns whether the recovery that drains the endpoint is in progress. One that has written nothing for half an hour
    /// has lost its message to the dead-letter queue.
    pub async fn is_draining(&self, tenant: &Tenant, endpoint: &Endpoint) -> Result<bool, StorageError> {
        let Some(drain) = endpoint.hold.and_then(Hold::drain) else { return Ok(false) };
        let recovery = self.recoveries.get(tenant, drain).await?;
        let is_alive = |recovery: Recovery| {
            let is_recent = self.clock.now().since(recovery.updated_at) < SILENCE;
            recovery.status == RecoveryStatus::Running && is_recent
        };
        Ok(recovery.is_some_and(is_alive))
    }

    /// Begins a recovery of what the endpoint holds, before the end of the hold is written: whatever happens in between,
    /// nothing stays held for good. Returns the id of a recovery that sends what is held; `None` if that is canceled, or
    /// the endpoint has no hold.
    pub async fn begin(
        &self,
        tenant: &Tenant,
        endpoint: &Endpoint,
        scope: RecoveryScope,
    ) -> Result<Option<RecoveryId>, StorageError> {
        let now = self.clock.now();
        let id = RecoveryId::new(now, self.random.as_ref());
        let Some(recovery) = Recovery::of_held(id, endpoint, scope, now) else { return Ok(None) };
        self.start(tenant, &recovery, HEAD_START).await?;
        Ok((scope == RecoveryScope::Held).then_some(id))
    }

    /// Records a recovery, and queues its first slice.
    pub async fn start(
        &self,
        tenant: &Tenant,
        recovery: &Recovery,
        wait: Duration,
    ) -> Result<(), StorageError> {
        self.recoveries.create(tenant, recovery).await?;
        let message = RecoveryMessage { tenant: tenant.clone(), recovery_id: recovery.id, slice: 0 };
        self.outbox.send_recovery(&message, wait).await
    }
}
