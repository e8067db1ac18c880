//! The sweep of one shard.

use std::time::Duration;

use posthorn_domain::Timestamp;
use posthorn_storage::{
    DeliveryOutbox, DuePage, DueRetry, DueRow, Mark, Minute, Place, Start, StorageError, Written,
};
use tokio::time::sleep;

use super::Sweeper;
use super::time::Time;
use crate::tally::Metric;
use crate::waits::Waits;

/// How much later than the first message of an attempt a copy of it goes: the longest that an attempt may take, and five
/// seconds. By then the first is on record; where it was lost, the retry is late by so much.
const COPIES_LATER: Duration = Duration::from_secs(25 + 5);

/// One shard, while it is swept.
pub(super) struct ShardSweep<'s> {
    sweeper: &'s Sweeper,
    time: &'s Time,
    shard: u32,
    horizon: Minute,
    /// Everything before it has been sent.
    place: Place,
    /// What the shard's row was last known to be marked with.
    mark: Option<Mark>,
    /// Whether we have written the shard's row.
    is_ours: bool,
    /// Whether another sweep may have sent the next rows.
    again: bool,
    sent: usize,
}

/// What became of a shard.
pub(super) struct Swept {
    /// How many retries were sent.
    pub(super) sent: usize,
    /// The first minute that has not been sent as a whole.
    pub(super) minute: Minute,
    /// Why it could not be swept further, where it was not for lack of time.
    pub(super) outcome: Result<(), StorageError>,
}

/// A row that is dealt with.
struct Done {
    sort_key: String,
    /// Whether it has to be deleted: it was sent, and does not expire.
    goes: bool,
}

/// What could not be sent of a page.
struct Unsent {
    /// The number of its first row that was not sent.
    first: usize,
    /// Why.
    error: StorageError,
}

impl<'s> ShardSweep<'s> {
    pub(super) fn new(
        sweeper: &'s Sweeper,
        shard: u32,
        start: Start,
        horizon: Minute,
        time: &'s Time,
    ) -> Self {
        let Start { place, mark } = start;
        let again = place.sending.is_some();
        Self { sweeper, time, shard, horizon, place, mark, is_ours: false, again, sent: 0 }
    }

    /// The minute that it is at.
    pub(super) fn minute(&self) -> Minute {
        self.place.minute
    }

    /// Sends page after page until the horizon, or until there is no time left. Does nothing while another sweep is at it.
    pub(super) async fn run(mut self) -> Swept {
        let outcome = if self.place.sending.is_some_and(|until| until > self.sweeper.clock.now()) {
            tracing::info!(shard = self.shard, "another sweep is under way");
            Ok(())
        } else {
            self.pages().await
        };
        if let Err(cause) = &outcome {
            let cause = cause as &dyn std::error::Error;
            tracing::warn!(
                shard = self.shard,
                minute = self.place.minute.0,
                error = cause,
                "shard not swept"
            );
        }
        Swept { sent: self.sent, minute: self.place.minute, outcome }
    }

    async fn pages(&mut self) -> Result<(), StorageError> {
        let mut may_be_sending = false;
        while self.goes_on() {
            let page = || self.sweeper.due.page(self.place.minute, self.shard, self.place.after.as_deref());
            let page = self.time.insist(page).await?;
            if page.rows.is_empty() {
                let sending = self.place.sending;
                self.place = Place { sending, ..Place::start(self.place.minute.next()) };
                continue;
            }
            // Whoever sends says so first: another sweep at the same place then stops before it has sent anything.
            if !self.is_ours && self.keep_place(Some(self.time.deadline)).await? == Written::Before {
                return Ok(());
            }
            if self.send_page(page).await? == Written::Before {
                return Ok(());
            }
            self.again = false;
            may_be_sending = self.place.sending.is_some();
        }
        // Minutes without rows came last.
        if may_be_sending { self.keep_place(None).await.map(|_| ()) } else { Ok(()) }
    }

    fn goes_on(&self) -> bool {
        self.place.minute < self.horizon && self.time.is_left()
    }

    /// Sends a page and moves the place behind it, or behind what could be sent of it.
    async fn send_page(&mut self, page: DuePage) -> Result<Written, StorageError> {
        let DuePage { rows, is_last } = page;
        let (before, minute) = (self.place.clone(), self.place.minute);
        let (rows, unsent) = self.send(rows).await;
        let done = &rows[..unsent.as_ref().map_or(rows.len(), |unsent| unsent.first)];
        if is_last && unsent.is_none() {
            self.place = Place::start(minute.next());
        } else if let Some(last) = done.last() {
            self.place.after = Some(last.sort_key.clone());
        }
        let sending = match unsent {
            // Nothing more is sent, and some of what follows has been.
            Some(_) => Some(self.sweeper.clock.now()),
            None => self.goes_on().then_some(self.time.deadline),
        };
        let kept = self.keep_place(sending).await;
        if !matches!(kept, Ok(Written::Now)) {
            // Others send it again, so it is not behind us.
            self.place = before;
            return kept;
        }
        self.forget(minute, done).await;
        unsent.map_or(kept, |unsent| Err(unsent.error))
    }

    /// Sends retries until all have gone that can. Returns what became of the rows.
    async fn send(&mut self, rows: Vec<DueRow>) -> (Vec<Done>, Option<Unsent>) {
        let (mut done, mut unsent) = (Vec::with_capacity(rows.len()), Vec::with_capacity(rows.len()));
        for (number, DueRow { sort_key, expires, retry }) in rows.into_iter().enumerate() {
            let goes = retry.is_ok() && !expires;
            match retry {
                Ok(retry) => unsent.push((number, retry)),
                Err(cause) => self.pass_over(&sort_key, &cause),
            }
            done.push(Done { sort_key, goes });
        }
        let (mut waits, mut is_repeated) = (Waits::default(), self.again);
        loop {
            let parcels =
                unsent.iter().map(|(_, retry)| (retry.parcel.clone(), self.delay(retry, is_repeated)));
            let results = self.sweeper.outbox.forward(parcels.collect()).await;
            let (mut left, mut error) = (Vec::new(), None);
            for ((number, retry), result) in unsent.into_iter().zip(results) {
                match result {
                    Ok(()) => {
                        self.sent += 1;
                        self.sweeper.tally.add(Metric::RetriesSwept, 1);
                    }
                    Err(cause) if !cause.may_pass() => {
                        done[number].goes = false;
                        self.pass_over(&done[number].sort_key, &cause);
                    }
                    Err(cause) => {
                        left.push((number, retry));
                        error = Some(cause);
                    }
                }
            }
            let (Some(error), Some(&(first, _))) = (error, left.first()) else { return (done, None) };
            if !self.time.is_left() {
                return (done, Some(Unsent { first, error }));
            }
            // A call that failed may have been made.
            (unsent, is_repeated) = (left, true);
            sleep(waits.take()).await;
        }
    }

    /// A row that nobody can send holds up no other. It stays where it is.
    fn pass_over(&self, sort_key: &str, cause: &StorageError) {
        self.sweeper.tally.add(Metric::RetriesPassedOver, 1);
        let (minute, cause) = (self.place.minute.0, cause as &dyn std::error::Error);
        tracing::error!(minute, shard = self.shard, sort_key, error = cause, "retry passed over");
    }

    fn delay(&self, retry: &DueRetry, is_repeated: bool) -> Duration {
        let now = self.sweeper.clock.now();
        let late = now.since(retry.due).min(DeliveryOutbox::MAX_DELAY);
        let delay =
            if late.is_zero() { retry.due.since(now) } else { late.mul_f64(self.sweeper.random.unit()) };
        if is_repeated { delay + COPIES_LATER } else { delay }
    }

    /// Writes how far the shard is, and until when we may be sending more of it. Fails once there is no time left.
    async fn keep_place(&mut self, sending: Option<Timestamp>) -> Result<Written, StorageError> {
        self.place.sending = sending;
        let new = Mark::of(self.sweeper.random.bits());
        let (place, read) = (&self.place, self.mark.as_ref());
        let keep = || self.sweeper.due.keep_place(self.shard, place, read, &new);
        let written = self.time.insist(keep).await?;
        match written {
            Written::Now => (self.mark, self.is_ours) = (Some(new), true),
            Written::Before => {
                self.is_ours = false;
                tracing::info!(shard = self.shard, "another sweep has taken over");
            }
        }
        Ok(written)
    }

    /// Deletes rows of 0.1.0, which don't expire. Nothing sends them again, so a sweep does not fail for them.
    async fn forget(&self, minute: Minute, done: &[Done]) {
        let old: Vec<_> = done.iter().filter(|row| row.goes).map(|row| row.sort_key.clone()).collect();
        if let Err(cause) = self.sweeper.due.remove(minute, self.shard, &old).await {
            let cause = &cause as &dyn std::error::Error;
            tracing::warn!(
                minute = minute.0,
                shard = self.shard,
                error = cause,
                "rows that were sent are left"
            );
        }
    }
}
