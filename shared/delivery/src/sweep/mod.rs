//! Moves retries that are nearly due from the due table to the deliveries queue.
//!
//! Each shard of the table is swept separately, from its own place. A place is written after each page, so it never
//! passes a row that may not have been sent. Whatever ends a sweep, the next one continues there, and at most one page
//! of each shard is sent twice. Such copies are delayed, so that they find their attempts on record. A place also says
//! until when its sweep may go on; another sweep skips the shard until then. Sweeps begin a minute apart and end before
//! the next, so that delays nothing.

mod shard;
mod time;

use std::sync::Arc;
use std::time::Duration;

use futures::future::join_all;
use posthorn_domain::{Clock, Random, Timestamp};
use posthorn_storage::{DeliveryOutbox, DueRetries, Minute, Places, StorageError, Written};

use crate::tally::{Metric, Tally};
pub use shard::COPIES_LATER;
use shard::{ShardSweep, Swept};
use time::Time;

/// How far ahead a sweep reads: it runs every minute, and one run may be missed.
const AHEAD: Duration = Duration::from_mins(2);

/// Sends retries shortly before they are due, each with the remaining delay.
pub struct Sweeper {
    /// The due table.
    pub due: DueRetries,
    /// The deliveries queue.
    pub outbox: DeliveryOutbox,
    /// The clock.
    pub clock: Arc<dyn Clock>,
    /// Spreads late retries, and makes marks for places.
    pub random: Arc<dyn Random>,
    /// Counts metrics.
    pub tally: Arc<Tally>,
}

impl Sweeper {
    /// Sends the retries due within two minutes from now, the oldest of each shard first. Returns how many were sent.
    /// Errors if a shard could not be swept; the others have been.
    ///
    /// Late retries, such as after an outage, are not sent all at once: each gets a random delay, at most as long as it
    /// is late, and at most 15 minutes.
    pub async fn sweep(&self, deadline: Timestamp) -> Result<usize, StorageError> {
        let horizon = Minute::of(self.clock.now().plus(AHEAD));
        let time = Time::until(deadline, &self.clock);
        let places = time.insist(|| self.due.places()).await?;
        for cause in &places.corrupt {
            tracing::error!(
                error = cause as &dyn std::error::Error,
                "a place of the sweep cannot be read and is reset"
            );
        }
        let first = self.first(&places, horizon, &time).await?;
        let shards: Vec<_> = (0..DueRetries::SHARDS)
            .map(|shard| ShardSweep::new(self, shard, places.start_of(shard, first), horizon, &time))
            .collect();
        // Noted at the beginning as well, so that a sweep that panics has reported how late it was.
        self.note_lag(shards.iter().map(ShardSweep::minute), horizon);
        let swept = join_all(shards.into_iter().map(ShardSweep::run)).await;
        self.note_lag(swept.iter().map(|swept| swept.minute), horizon);
        let raised = self.raise_floor(&places, swept.iter().map(|swept| swept.minute).min(), &time).await;
        let sent = swept.iter().map(|swept| swept.sent).sum();
        tracing::info!(sent, "due retries swept");
        swept.into_iter().try_for_each(|Swept { outcome, .. }| outcome)?;
        raised?;
        Ok(sent)
    }

    /// Returns the minute at which the first sweep of all begins: the horizon if the stack is new, as nothing waits.
    /// Otherwise retries may have waited for as long as rows are kept.
    async fn first(&self, places: &Places, horizon: Minute, time: &Time) -> Result<Minute, StorageError> {
        if places.floor.is_some() || time.insist(|| self.due.is_empty()).await? {
            return Ok(horizon);
        }
        Ok(Minute::of(self.clock.now().minus(DueRetries::LIFETIME)))
    }

    /// Notes the minute before which all shards have been sent. So a shard that had nothing to send needs no write of
    /// its own.
    async fn raise_floor(
        &self,
        places: &Places,
        reached: Option<Minute>,
        time: &Time,
    ) -> Result<(), StorageError> {
        let Some(reached) = reached else { return Ok(()) };
        if places.floor.is_some_and(|floor| floor.minute >= reached) {
            return Ok(());
        }
        match time.insist(|| self.due.raise_floor(reached)).await? {
            // Another sweep has got further.
            Written::Now | Written::Before => Ok(()),
        }
    }

    /// Notes the lag: that of the shard that is furthest behind.
    fn note_lag(&self, minutes: impl Iterator<Item = Minute>, horizon: Minute) {
        let behind = minutes.map(|minute| horizon.0 - minute.0).max().unwrap_or(0);
        self.tally.set(Metric::SweepLag, u64::try_from(behind).unwrap_or(0) * 60);
    }
}
