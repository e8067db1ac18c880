//! Sweeps one shard.

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

/// How much later than an attempt's first message a copy of it is due: the longest time that an attempt may take (the
/// template's maximum of `DeliveryTimeoutSeconds`, 25), and five seconds. By then the first attempt is on record. If the
/// first message was lost, the retry is late by this much.
pub const COPIES_LATER: Duration = Duration::from_secs(25 + 5);

/// One shard while it is swept.
pub(super) struct ShardSweep<'s> {
    sweeper: &'s Sweeper,
    time: &'s Time,
    shard: u32,
    horizon: Minute,
    /// Everything before this place has been sent.
    place: Place,
    /// The last known mark of the shard's row.
    mark: Option<Mark>,
    /// Whether this sweep has written the shard's row.
    is_ours: bool,
    /// Whether another sweep may have sent the next rows.
    again: bool,
    sent: usize,
}

/// The result of sweeping a shard.
pub(super) struct Swept {
    /// The number of retries sent.
    pub(super) sent: usize,
    /// The first minute that is not completely sent.
    pub(super) minute: Minute,
    /// Errors if the shard could not be swept further, for another reason than lack of time.
    pub(super) outcome: Result<(), StorageError>,
}

/// A row that is handled.
struct Done {
    sort_key: String,
    /// Whether it has to be deleted: it was sent, and does not expire.
    goes: bool,
}

/// The part of a page that could not be sent.
struct Unsent {
    /// The index of its first unsent row.
    first: usize,
    /// The reason.
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

    /// Returns the minute that it has reached.
    pub(super) fn minute(&self) -> Minute {
        self.place.minute
    }

    /// Sends page after page until the horizon, or until there is no time left. Does nothing while another sweep is
    /// working on the shard.
    pub(super) async fn run(mut self) -> Swept {
        let outcome = if self.place.sending.is_some_and(|until| until > self.sweeper.clock.now()) {
            tracing::info!(shard = self.shard, "another sweep is in progress");
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
                "sweep of a shard failed"
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
            // A sweep writes the row before it sends: of two sweeps at the same place, one then stops before it has
            // sent anything.
            if !self.is_ours && self.keep_place(Some(self.time.deadline)).await? == Written::Before {
                return Ok(());
            }
            if self.send_page(page).await? == Written::Before {
                return Ok(());
            }
            self.again = false;
            may_be_sending = self.place.sending.is_some();
        }
        // The last minutes had no rows.
        if may_be_sending { self.keep_place(None).await.map(|_| ()) } else { Ok(()) }
    }

    fn goes_on(&self) -> bool {
        self.place.minute < self.horizon && self.time.is_left()
    }

    /// Sends a page and moves the place past it, or past the part that was sent.
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
            // Nothing more is sent, and some of the rows that follow have been.
            Some(_) => Some(self.sweeper.clock.now()),
            None => self.goes_on().then_some(self.time.deadline),
        };
        let kept = self.keep_place(sending).await;
        if !matches!(kept, Ok(Written::Now)) {
            // Others may send it again, so the place does not pass it.
            self.place = before;
            return kept;
        }
        self.forget(minute, done).await;
        unsent.map_or(kept, |unsent| Err(unsent.error))
    }

    /// Sends retries until all that can be sent are. Returns what became of the rows.
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
            let messages =
                unsent.iter().map(|(_, retry)| (retry.message.clone(), self.delay(retry, is_repeated)));
            let results = self.sweeper.outbox.forward(messages.collect()).await;
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
            // A failed call may still have been carried out.
            (unsent, is_repeated) = (left, true);
            sleep(waits.take()).await;
        }
    }

    /// Skips a row that cannot be sent, so that it does not delay others. It stays in the table.
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

    /// Writes how far the shard is swept, and until when this sweep may be sending more. Errors if there is no time
    /// left.
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

    /// Deletes rows of 0.1.0, which don't expire. No sweep sends them again, so a failure here does not fail the sweep.
    async fn forget(&self, minute: Minute, done: &[Done]) {
        let old: Vec<_> = done.iter().filter(|row| row.goes).map(|row| row.sort_key.clone()).collect();
        if let Err(cause) = self.sweeper.due.remove(minute, self.shard, &old).await {
            let cause = &cause as &dyn std::error::Error;
            tracing::warn!(
                minute = minute.0,
                shard = self.shard,
                error = cause,
                "rows of sent retries could not be deleted"
            );
        }
    }
}
