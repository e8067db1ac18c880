//! Records attempts.

use posthorn_domain::{Attempt, Delivery, DeliveryStatus};
use posthorn_storage::{Before, Progress, RecordKey, StorageError, Written};
use tokio::time::Instant;

use crate::decision;
use crate::postman::queueing::Queueing;
use crate::postman::{MAX_CONFLICTS, Postman};

impl Postman {
    /// Records the attempts just made for deliveries of one row, and queues the next ones. Both are repeated while
    /// there is time.
    pub(crate) async fn settle<'a>(
        &self,
        until: Instant,
        key: &RecordKey,
        deliveries: impl IntoIterator<Item = &'a Delivery>,
    ) -> Result<(), StorageError> {
        let deliveries: Vec<&Delivery> = deliveries.into_iter().collect();
        let ours = self.persist(until, || self.record(key, &deliveries)).await?;
        self.send(until, self.packed(key, &ours, Queueing::Once)).await
    }

    /// Records attempts. Returns the deliveries whose next attempt is to be queued. If another process has recorded the
    /// same step of a delivery, it queues the next.
    pub(crate) async fn record(
        &self,
        key: &RecordKey,
        deliveries: &[&Delivery],
    ) -> Result<Vec<Delivery>, StorageError> {
        let progress: Vec<_> = deliveries.iter().copied().map(one_attempt_more).collect();
        if self.log.advance(key, &progress, self.clock.now()).await? == Written::Now {
            let pending = deliveries.iter().filter(|delivery| delivery.status == DeliveryStatus::Pending);
            return Ok(pending.copied().cloned().collect());
        }
        let mut ours = Vec::new();
        for delivery in deliveries {
            ours.extend(self.settle_one(key, delivery).await?);
        }
        Ok(ours)
    }

    /// Adds the last attempt of a delivery to what others have recorded since. Returns the delivery as it is then;
    /// `None` if another process has recorded the same step of the schedule.
    pub(crate) async fn settle_one(
        &self,
        key: &RecordKey,
        ours: &Delivery,
    ) -> Result<Option<Delivery>, StorageError> {
        let made = ours.attempts.last();
        let is_made = |attempt: &Attempt| made.is_some_and(|made| is_same(made, attempt));
        for _ in 0..MAX_CONFLICTS {
            let Some(recorded) = self.log.delivery(key, ours.endpoint_id).await? else { return Ok(None) };
            if recorded.attempts.iter().any(is_made) {
                // An earlier try to write it has succeeded, and only its answer was lost.
                return Ok(Some(recorded));
            }
            let before = Before::of(&recorded);
            let Some(delivery) = decision::joined(recorded, ours) else { return Ok(None) };
            let step = Progress { delivery: &delivery, before };
            if self.log.advance(key, &[step], self.clock.now()).await? == Written::Now {
                return Ok(Some(delivery));
            }
        }
        Err(StorageError::Conflict)
    }
}

/// Returns the step from a pending delivery to this one, which has one more attempt.
fn one_attempt_more(delivery: &Delivery) -> Progress<'_> {
    let now = Before::of(delivery);
    let before = Before { status: DeliveryStatus::Pending, attempts: now.attempts - 1, ..now };
    Progress { delivery, before }
}

/// Returns whether these are the same attempt. A record keeps whole milliseconds, so the duration is not compared.
fn is_same(one: &Attempt, other: &Attempt) -> bool {
    one.at == other.at && one.resend == other.resend && one.code == other.code
}
