//! Finds the events that a recovery takes care of.

use posthorn_domain::{
    Delivery, DeliveryStatus, Endpoint, EventId, EventSpan, EventType, Recovery, RecoveryScope, Tenant,
    TimeOrder, Timestamp,
};

use super::{DeliveriesOf, EventLog, Found, RecordKey};
use crate::error::StorageError;

/// About how many events are examined to find one that is held.
const FEW: usize = 4;
/// About how many events one search examines.
const EXPECTED: usize = 500;

/// What a recovery does with an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Treatment {
    /// Sends it.
    Send,
    /// Cancels the delivery: its endpoint no longer wants the event's type, or no longer gets what is held.
    Cancel,
    /// Leaves it unchanged, and looks at it again later: it waits for an attempt.
    Await,
    /// Queues its attempt, whose message must have been lost, and looks at it again later.
    Queue,
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
    recovery: Recovery,
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
        Ok(RecoverySearch { deliveries, later, endpoint, recovery: recovery.clone(), is_repeated: false })
    }
}

/// A delivery that is held.
#[derive(Debug)]
pub struct Held {
    /// The row that has it.
    pub key: RecordKey,
    /// The delivery.
    pub delivery: Delivery,
}

impl EventLog {
    /// Returns the first delivery that the endpoint holds and still wants, in this order of time, of the events after
    /// `after`; and the last event that was examined for it, `None` if there are no more. Examines at most `most`.
    pub async fn held(
        &self,
        tenant: &Tenant,
        endpoint: &Endpoint,
        order: TimeOrder,
        after: Option<EventId>,
        most: usize,
    ) -> Result<(Option<Held>, Option<EventId>), StorageError> {
        let Some(since) = endpoint.held_since() else { return Ok((None, None)) };
        let rest = after.map_or(EventSpan::ALL, |after| EventSpan::ALL.after(after));
        let earlier = self.failures_of(tenant, endpoint.id, rest.until(since), order, FEW);
        let wanted = |event_type: &EventType| endpoint.enabled_events.matches(event_type);
        let later = self.deliveries_to(tenant, endpoint.id, wanted, rest.since(since), order, FEW).await?;
        let sources = match order {
            TimeOrder::OldestFirst => [earlier, later],
            TimeOrder::NewestFirst => [later, earlier],
        };
        let mut examined = 0;
        for mut source in sources {
            while let Some(found) = source.next().await? {
                let last = Some(found.event_id());
                examined += 1;
                let held = held_and_wanted(found, endpoint);
                if held.is_some() || examined >= most {
                    return Ok((held, last));
                }
            }
        }
        Ok((None, None))
    }
}

fn held_and_wanted(found: Found, endpoint: &Endpoint) -> Option<Held> {
    let delivery = found.delivery.filter(|delivery| delivery.status == DeliveryStatus::Held)?;
    let is_wanted = |event_type: &EventType| delivery.insisted || endpoint.enabled_events.matches(event_type);
    found.open_type.as_ref().is_some_and(is_wanted).then_some(Held { key: found.key, delivery })
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
        let scope = self.recovery.scope;
        let takes = |delivery: &Delivery| {
            self.recovery.takes(delivery, now) || (self.is_repeated && scope.takes_untried(delivery))
        };
        if scope.ends_hold() {
            return match found.delivery.as_ref().filter(|delivery| self.recovery.is_of_its_hold(delivery)) {
                Some(delivery) if self.recovery.misses(delivery) => {
                    if Recovery::is_overdue(delivery, now) {
                        Treatment::Queue
                    } else {
                        Treatment::Await
                    }
                }
                Some(delivery) if !takes(delivery) => Treatment::Leave,
                Some(_) if scope == RecoveryScope::Skipped => Treatment::Cancel,
                Some(_) => Treatment::Send,
                None => Treatment::Leave,
            };
        }
        let Some(endpoint) = self.endpoint else { return Treatment::Leave };
        match (&found.delivery, &found.open_type) {
            (Some(delivery), _) if !takes(delivery) => Treatment::Leave,
            (Some(delivery), Some(event_type)) if !scope.sends(event_type, endpoint) => {
                let is_over = delivery.status == DeliveryStatus::Canceled;
                if is_over { Treatment::Leave } else { Treatment::Cancel }
            }
            (Some(_), _) => Treatment::Send,
            (None, Some(event_type)) if scope.takes_event(event_type, endpoint) => Treatment::Send,
            (None, _) => Treatment::Leave,
        }
    }
}
