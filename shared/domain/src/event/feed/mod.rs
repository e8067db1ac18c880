//! The feed: all events of a tenant in the order in which they were put on record, for readers that pull them.
//!
//! The log is sorted by the time of acceptance, but an event is put on record later: it waits in a queue, and for its first
//! attempts. So a reader that goes on after the newest event it has seen would pass by events that are not on record yet.
//! The feed has rows of its own, sorted by the time at which they were written. Fan-out adds an event's row after the event
//! is on record, and before it acknowledges the event's message: whoever sees the row can read the event.
//!
//! A row costs a write. So an event has one only while somebody [listens](Listening), and if it is put on record [long
//! after](is_out_of_time) its acceptance. Events without a row were therefore accepted shortly before they were put on
//! record, and a reader that was away finds them in the log.
//!
//! A [cursor](FeedCursor) says what a reader has passed, a [reading](FeedReading) moves it. It moves over a row only when no
//! earlier one can appear any more. Newer rows are read at once, and the cursor remembers them by name.

mod consumer;
mod cursor;
#[cfg(test)]
mod model;
mod reading;

use std::time::Duration;

pub use self::consumer::ConsumerName;
pub use self::cursor::{FeedCursor, FeedPlace};
pub use self::reading::FeedReading;
use crate::id::EventId;
use crate::time::Timestamp;

/// The longest that one write of a row may take. A row that takes longer is written again, under a later time.
pub const FEED_WRITE: Duration = Duration::from_secs(2);

/// How long rows are written after a reader was last there.
const LISTENS: Duration = Duration::from_hours(1);
/// When less than this is left of that time, it is renewed: long before fan-out, which may work with what it read a minute
/// ago, stops writing rows.
const RENEWS: Duration = Duration::from_mins(30);
/// How long after somebody has begun to listen an event may still be put on record without a row: fan-out may work with
/// what it read a minute ago, and an invocation takes at most another. The third minute is for clocks.
const BEGINS: Duration = Duration::from_mins(3);
/// How long after its acceptance an event is put on record that has a row in any case.
const LATE: Duration = Duration::from_mins(5);
/// How far ahead of the clock the time in an event's id may be; further ahead, it has a row in any case. Producers can choose
/// ids.
const AHEAD: Duration = Duration::from_secs(1);
/// How far before the time at which an event without a row may have been put on record a reader looks for it in the log.
const LOOKS_BACK: Duration = LATE.saturating_add(SETTLES);
/// A row appears at most this long after the time in its key: [`FEED_WRITE`], and what clocks may differ by.
const SETTLES: Duration = Duration::from_secs(5);

/// Returns whether an event that is put on record now has a row even if nobody listens.
pub fn is_out_of_time(id: EventId, now: Timestamp) -> bool {
    now.since(id.at()) > LATE || id.at().since(now) > AHEAD
}

/// The time in which somebody listens to a tenant's feed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Listening {
    /// Since when, without a break.
    pub since: Timestamp,
    /// Until when, unless it is renewed.
    pub until: Timestamp,
}

impl Listening {
    /// Returns whether an event that is put on record now has a row.
    pub fn counts(self, now: Timestamp) -> bool {
        now <= self.until
    }

    /// Returns what is to be written when a reader is there now; `None` if nothing. Shortly before it ends, it is too late to
    /// renew it: fan-out may not know that in time.
    pub fn renewed(before: Option<Self>, now: Timestamp) -> Option<Self> {
        let until = now.plus(LISTENS);
        match before.filter(|before| before.until > now.plus(BEGINS)) {
            None => Some(Self { since: now, until }),
            Some(before) => (before.until < now.plus(RENEWS)).then_some(Self { until, ..before }),
        }
    }

    /// Returns from when on all that is put on record has a row.
    fn is_complete_from(self) -> Timestamp {
        self.since.plus(BEGINS)
    }

    /// Returns whether all that was put on record before has appeared in the log.
    fn is_complete(self, now: Timestamp) -> bool {
        now >= self.is_complete_from().plus(SETTLES)
    }
}
