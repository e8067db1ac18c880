//! Looking for what a recovery is to send.

use posthorn_domain::{Age, Delivery, DeliveryStatus, Endpoint, Recovery, RecoveryScope, Tenant, Timestamp};

use super::{DeliveriesOf, EventLog, Found};
use crate::StorageError;

/// About how many events are looked at from one place on.
const EXPECTED: usize = 500;

/// What a recovery makes of an event that it looks at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Treatment {
    /// It sends it.
    Send,
    /// It ends the delivery: its endpoint does not want the event's type any more.
    Cancel,
    /// It leaves it as it is.
    Leave,
}

/// The events that a recovery looks at, the oldest first, from where it stands.
pub struct RecoverySearch<'a> {
    deliveries: DeliveriesOf,
    endpoint: &'a Endpoint,
    scope: RecoveryScope,
    /// Whether an earlier try at the same place may have put deliveries on record without queueing them.
    pub is_repeated: bool,
}

impl EventLog {
    /// Begins to look where the recovery stands.
    pub async fn search<'a>(
        &self,
        tenant: &Tenant,
        endpoint: &'a Endpoint,
        recovery: &Recovery,
    ) -> Result<RecoverySearch<'a>, StorageError> {
        let (span, age) = (recovery.span(), Age::OldestFirst);
        let deliveries = match recovery.scope {
            RecoveryScope::Failed => self.failures_of(tenant, endpoint.id, span, age, EXPECTED),
            RecoveryScope::Missing | RecoveryScope::All => {
                self.deliveries_of(tenant, endpoint, span, age, EXPECTED).await?
            }
        };
        Ok(RecoverySearch { deliveries, endpoint, scope: recovery.scope, is_repeated: false })
    }
}

impl RecoverySearch<'_> {
    /// The next event, and what the recovery makes of it.
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
