//! Retries whose time has nearly come: from the due table to the deliveries queue.

use std::sync::Arc;
use std::time::Duration;

use futures::future::try_join_all;
use posthorn_domain::{Clock, Random, Timestamp};
use posthorn_storage::{DeliveryOutbox, DueRetries, DueRetry, Minute, StorageError, Written};
use tokio::time::timeout;

use crate::{Metric, Tally};

/// How far ahead a sweep looks: it runs every minute, and one of them may be missed.
const AHEAD: Duration = Duration::from_mins(2);
/// What a sweep leaves of its time: enough for the minute that it is at.
const RESERVE: Duration = Duration::from_secs(15);
/// Every how many minutes the waiting retries are counted.
const COUNT_EVERY: i64 = 5;
/// How many waiting retries are counted at most: reading 30,000 rows costs $0.00015, or $1.30 a month where there
/// are as many all the time.
const MOST_COUNTED: u32 = 30_000;
/// How long counting them may take.
const COUNTING: Duration = Duration::from_secs(5);

/// Sends retries shortly before they are due, each with the delay that is left. Every five minutes it counts those that
/// wait, up to 30,000.
pub struct Sweeper {
    /// Where they wait.
    pub due: DueRetries,
    /// Where they go.
    pub outbox: DeliveryOutbox,
    /// What time it is.
    pub clock: Arc<dyn Clock>,
    /// What spreads late ones.
    pub random: Arc<dyn Random>,
    /// What is counted meanwhile.
    pub tally: Arc<Tally>,
}

impl Sweeper {
    /// Sends what is due until two minutes from now, oldest first. The cursor moves past a minute when everything
    /// in it has been sent, so that the next sweep goes on wherever this one is ended. Answers how many were sent.
    ///
    /// What is late, as after an outage, is not sent all at once: each retry is delayed by chance, by at most as much
    /// as it is late and at most 15 minutes.
    pub async fn sweep(&self, deadline: Timestamp) -> Result<usize, StorageError> {
        let horizon = Minute::of(self.clock.now().plus(AHEAD));
        let mut cursor = self.due.cursor().await?;
        let mut minute = match cursor {
            Some(minute) => minute,
            None => self.due.earliest().await?.map_or(horizon, |earliest| earliest.min(horizon)),
        };
        let (mut sent, mut counts) = (0, false);
        self.note_lag(minute, horizon);
        while minute < horizon && self.clock.now().plus(RESERVE) < deadline {
            let shards = (0..DueRetries::SHARDS).map(|shard| self.sweep_shard(minute, shard));
            sent += try_join_all(shards).await?.into_iter().sum::<usize>();
            if self.due.move_cursor(cursor, minute.next()).await? == Written::Before {
                tracing::info!("another sweep is under way");
                break;
            }
            // However many minutes a sweep has to catch up with, it counts once.
            counts |= minute.0 % COUNT_EVERY == 0;
            minute = minute.next();
            cursor = Some(minute);
            self.note_lag(minute, horizon);
        }
        let behind = horizon.0 - minute.0;
        tracing::info!(sent, behind_minutes = behind.max(0), "due retries swept");
        if counts {
            self.count_pending().await;
        }
        Ok(sent)
    }

    /// Noted at the beginning as well: a sweep that fails half-way then tells how far it has come.
    fn note_lag(&self, minute: Minute, horizon: Minute) {
        self.tally.set(Metric::SweepLag, u64::try_from(horizon.0 - minute.0).unwrap_or(0) * 60);
    }

    /// Nothing depends on the number, so a sweep does not fail for it.
    async fn count_pending(&self) {
        match timeout(COUNTING, self.due.count(MOST_COUNTED)).await {
            Ok(Ok(pending)) => self.tally.set(Metric::RetriesPending, pending),
            Ok(Err(cause)) => {
                let cause = &cause as &dyn std::error::Error;
                tracing::warn!(error = cause, "waiting retries not counted");
            }
            Err(_) => tracing::warn!("waiting retries not counted in time"),
        }
    }

    async fn sweep_shard(&self, minute: Minute, shard: u32) -> Result<usize, StorageError> {
        let (mut sent, mut start) = (0, None);
        loop {
            let (retries, next) = self.due.page(minute, shard, start).await?;
            let parcels = retries.iter().map(|retry| (retry.parcel.clone(), self.delay(retry)));
            self.outbox.forward(parcels.collect()).await?;
            self.due.remove(&retries).await?;
            sent += retries.len();
            self.tally.add(Metric::RetriesSwept, retries.len() as u64);
            start = next;
            if start.is_none() {
                return Ok(sent);
            }
        }
    }

    fn delay(&self, retry: &DueRetry) -> Duration {
        let now = self.clock.now();
        let late = now.since(retry.due).min(DeliveryOutbox::MAX_DELAY);
        if late.is_zero() { retry.due.since(now) } else { late.mul_f64(self.random.unit()) }
    }
}
