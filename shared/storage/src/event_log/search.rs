//! Finds the events that a recovery has to send.

use posthorn_domain::{
    Delivery, DeliveryStatus, Endpoint, Recovery, RecoveryScope, Tenant, TimeOrder, Timestamp,
};

use super::{DeliveriesOf, EventLog, Found};
use crate::StorageError;

/// About how many events one search examines.
const EXPECTED: usize = 500;

/// What a recovery does with an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Treatment {
    /// Sends it.
    Send,
    /// Cancels the delivery: its endpoint no longer wants the event's type.
    Cancel,
    /// Leaves it unchanged.
    Leave,
}

/// The events that a recovery examines, oldest first, from its position.
pub struct RecoverySearch<'a> {
    deliveries: DeliveriesOf,
    endpoint: &'a Endpoint,
    scope: RecoveryScope,
    /// Whether an earlier run of the same slice may have recorded deliveries without queueing them.
    pub is_repeated: bool,
}

impl EventLog {
    /// Begins a search at the recovery's position.
    pub async fn search<'a>(
        &self,
        tenant: &Tenant,
        endpoint: &'a Endpoint,
        recovery: &Recovery,
    ) -> Result<RecoverySearch<'a>, StorageError> {
        let (span, order) = (recovery.span(), TimeOrder::OldestFirst);
        let deliveries = match recovery.scope {
            RecoveryScope::Failed => self.failures_of(tenant, endpoint.id, span, order, EXPECTED),
            RecoveryScope::Missing | RecoveryScope::All => {
                self.deliveries_of(tenant, endpoint, span, order, EXPECTED).await?
            }
        };
        Ok(RecoverySearch { deliveries, endpoint, scope: recovery.scope, is_repeated: false })
    }
}

impl RecoverySearch<'_> {
    /// Returns the next event, and what the recovery does with it.
    pub async fn next(&mut self, now: Timestamp) -> Result<Option<(Found, Treatment)>, StorageError> {
        let Some(found) = self.deliveries.next().await? else { return Ok(None) };
        let treatment = self.treatment(&found, now);
        Ok(Some((found, treatment)))
    }

    fn treatment(&self, found: &Found, now: Timestamp) -> Treatment {
        let takes = |delivery: &Delivery| {
            self.scope.takes(delivery, now) || (self.is_repeated && self.scope.takes_untried(delivery))
        };
        match (&found.delivery, &found.open_type) {
            (Some(delivery), _) if !takes(delivery) => Treatment::Leave,
            (Some(delivery), Some(event_type)) if !self.scope.sends(event_type, self.endpoint) => {
                let is_over = delivery.status == DeliveryStatus::Canceled;
                if is_over { Treatment::Leave } else { Treatment::Cancel }
            }
            (Some(_), _) => Treatment::Send,
            (None, Some(event_type)) if self.scope.takes_event(event_type, self.endpoint) => Treatment::Send,
            (None, _) => Treatment::Leave,
        }
    }
}
