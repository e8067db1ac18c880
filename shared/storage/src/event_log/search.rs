//! Finds the events that a recovery takes care of.

use posthorn_domain::{
    Delivery, DeliveryStatus, Endpoint, EventSpan, EventType, Recovery, RecoveryScope, Tenant, TimeOrder,
    Timestamp,
};

use super::{DeliveriesOf, EventLog, Found};
use crate::error::StorageError;

/// About how many events one search examines.
const EXPECTED: usize = 500;

/// What a recovery does with an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Treatment {
    /// Sends it.
    Send,
    /// Cancels the delivery: its endpoint no longer wants the event's type, or no longer gets what is held.
    Cancel,
    /// Leaves it unchanged.
    Leave,
}

/// The events that a recovery examines, oldest first, from its position.
pub struct RecoverySearch<'a> {
    deliveries: DeliveriesOf,
    /// The deliveries after these.
    later: Option<DeliveriesOf>,
    /// The endpoint; `None` if it was deleted.
    endpoint: Option<&'a Endpoint>,
    scope: RecoveryScope,
    /// When the recovery began.
    began: Timestamp,
    /// Whether an earlier run of the same slice may have recorded deliveries without queueing them.
    pub is_repeated: bool,
}

impl EventLog {
    /// Begins a search at the recovery's position. If the endpoint was deleted, events of all types are examined.
    ///
    /// What is held is searched in two places: first in the index of failures, which has the deliveries of events that are
    /// older than the hold, then in the log.
    pub async fn search<'a>(
        &self,
        tenant: &Tenant,
        endpoint: Option<&'a Endpoint>,
        recovery: &Recovery,
    ) -> Result<RecoverySearch<'a>, StorageError> {
        let (id, span, order) = (recovery.endpoint_id, recovery.span(), TimeOrder::OldestFirst);
        let wanted =
            |event_type: &EventType| endpoint.is_none_or(|endpoint| endpoint.may_have_received(event_type));
        let in_log = || self.deliveries_to(tenant, id, wanted, span, order, EXPECTED);
        let (deliveries, later) = match recovery.scope {
            RecoveryScope::Failed => (self.failures_of(tenant, id, span, order, EXPECTED), None),
            RecoveryScope::Missing | RecoveryScope::All => (in_log().await?, None),
            RecoveryScope::Held | RecoveryScope::Skipped => {
                let earlier = EventSpan::ALL.until(recovery.since);
                let earlier = recovery.position.map_or(earlier, |position| earlier.after(position));
                (self.failures_of(tenant, id, earlier, order, EXPECTED), Some(in_log().await?))
            }
        };
        let (scope, began) = (recovery.scope, recovery.created_at);
        Ok(RecoverySearch { deliveries, later, endpoint, scope, began, is_repeated: false })
    }
}

impl RecoverySearch<'_> {
    /// Returns the next event, and what the recovery does with it.
    pub async fn next(&mut self, now: Timestamp) -> Result<Option<(Found, Treatment)>, StorageError> {
        loop {
            if let Some(found) = self.deliveries.next().await? {
                let treatment = self.treatment(&found, now);
                return Ok(Some((found, treatment)));
            }
            let Some(later) = self.later.take() else { return Ok(None) };
            self.deliveries = later;
        }
    }

    fn treatment(&self, found: &Found, now: Timestamp) -> Treatment {
        let takes = |delivery: &Delivery| {
            self.scope.takes(delivery, now) || (self.is_repeated && self.scope.takes_untried(delivery))
        };
        if self.scope.ends_hold() {
            // What is held since later belongs to another hold.
            let is_of_this_hold =
                |delivery: &&Delivery| delivery.held_since.is_none_or(|since| since <= self.began);
            return match found.delivery.as_ref().filter(is_of_this_hold) {
                Some(delivery) if !takes(delivery) => Treatment::Leave,
                Some(_) if self.scope == RecoveryScope::Skipped => Treatment::Cancel,
                Some(_) => Treatment::Send,
                None => Treatment::Leave,
            };
        }
        let Some(endpoint) = self.endpoint else { return Treatment::Leave };
        match (&found.delivery, &found.open_type) {
            (Some(delivery), _) if !takes(delivery) => Treatment::Leave,
            (Some(delivery), Some(event_type)) if !self.scope.sends(event_type, endpoint) => {
                let is_over = delivery.status == DeliveryStatus::Canceled;
                if is_over { Treatment::Leave } else { Treatment::Cancel }
            }
            (Some(_), _) => Treatment::Send,
            (None, Some(event_type)) if self.scope.takes_event(event_type, endpoint) => Treatment::Send,
            (None, _) => Treatment::Leave,
        }
    }
}
