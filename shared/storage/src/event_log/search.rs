//! Looking for what a recovery is to send.

use posthorn_domain::{Age, Endpoint, Recovery, RecoveryScope, Tenant, Timestamp};

use super::{DeliveriesOf, EventLog, Found};
use crate::StorageError;

/// About how many events are looked at from one place on.
const EXPECTED: usize = 500;

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
    /// The next event, and whether the recovery is to send it.
    pub async fn next(&mut self, now: Timestamp) -> Result<Option<(Found, bool)>, StorageError> {
        let Some(found) = self.deliveries.next().await? else { return Ok(None) };
        let is_wanted = match (&found.delivery, &found.open_type) {
            (Some(delivery), _) => {
                self.scope.takes(delivery, now) || (self.is_repeated && self.scope.takes_untried(delivery))
            }
            (None, Some(event_type)) => self.scope.takes_event(event_type, self.endpoint),
            (None, None) => false,
        };
        Ok(Some((found, is_wanted)))
    }
}
