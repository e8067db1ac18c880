//! Reads the feed from a cursor on.

use std::collections::HashSet;

use super::cursor::LogPart;
use super::{AHEAD, FeedCursor, FeedPlace, LOOKS_BACK, SETTLES};
use crate::event::EventSpan;
use crate::id::EventId;
use crate::time::Timestamp;

/// The most events that each list in a cursor names. Both lists together are 4.3 KB of text; API Gateway takes 10 KB of
/// request line and headers.
pub(super) const MOST_NAMED: usize = 200;

/// A page of the feed while it is read: the log as far as [`log`](Self::log) says, then the rows.
#[derive(Debug)]
pub struct FeedReading {
    cursor: FeedCursor,
    now: Timestamp,
    /// All events that the cursor names, and those that were passed since.
    named: HashSet<u64>,
    /// The rows that the cursor names and that were not read again.
    unread: HashSet<u64>,
    /// The rows passed that may have others before them.
    unsettled: Vec<u64>,
    /// The last row passed.
    last: Option<FeedPlace>,
}

impl FeedReading {
    /// Begins to read at this cursor. `now` is the time before the first read.
    pub fn new(cursor: FeedCursor, now: Timestamp) -> Self {
        let named = cursor.passed.iter().chain(&cursor.shown).copied().collect();
        let unread = cursor.passed.iter().copied().collect();
        Self { cursor, now, named, unread, unsettled: Vec::new(), last: None }
    }

    /// Returns the part of the log to read, in the order of its events; `None` if it needs no reading now.
    pub fn log(&self) -> Option<EventSpan> {
        let LogPart { next, again } = self.cursor.log?;
        let end = match again {
            Some(_) => self.now.plus(AHEAD),
            None if self.cursor.listening.is_complete(self.now) => {
                self.cursor.listening.is_complete_from().plus(AHEAD)
            }
            None => return None,
        };
        Some(EventSpan::ALL.from(next).until(end))
    }

    /// Returns whether the reader has seen the event.
    pub fn has_seen(&self, id: EventId) -> bool {
        self.named.contains(&id.name())
    }

    /// Passes an event of the log. Returns whether the reader has not seen it yet.
    pub fn pass_event(&mut self, id: EventId) -> bool {
        if let Some(log) = &mut self.cursor.log {
            log.next = id.next().unwrap_or(id);
            // It comes again, as a row or from the log.
            if id.at() >= self.cursor.listening.since.minus(LOOKS_BACK) {
                self.cursor.shown.push(id.name());
            }
        }
        self.named.insert(id.name())
    }

    /// Notes that the part of the log was read to its end.
    pub fn end_log(&mut self) {
        self.cursor.log = match self.cursor.log {
            Some(LogPart { again: Some(again), .. }) => Some(LogPart { next: again, again: None }),
            _ => None,
        };
    }

    /// Returns the place after which to read rows.
    pub fn rows_after(&self) -> FeedPlace {
        self.cursor.rows
    }

    /// Returns whether the cursor can remember the next row. If not, it is read when others have settled.
    pub fn has_room(&self, next: FeedPlace) -> bool {
        let is_named = next.at < self.settled() || self.unread.contains(&next.id.name());
        is_named || self.unsettled.len() + self.unread.len() < MOST_NAMED
    }

    /// Passes the next row. Returns whether the reader has not seen its event yet.
    pub fn pass_row(&mut self, place: FeedPlace) -> bool {
        let name = place.id.name();
        self.unread.remove(&name);
        if place.at >= self.settled() {
            self.unsettled.push(name);
        }
        if self.cursor.log.is_some() {
            self.cursor.shown.push(name);
        }
        self.last = Some(place);
        self.named.insert(name)
    }

    /// Ends the page. `is_complete` says whether all rows were passed that there were.
    pub fn finish(self, is_complete: bool) -> FeedCursor {
        let settled = FeedPlace::before(self.settled());
        let Self { mut cursor, last, mut unsettled, unread, .. } = self;
        if !is_complete {
            unsettled.extend(unread);
        }
        let rows = match last {
            Some(last) if !is_complete => last.min(settled),
            None if !is_complete => cursor.rows,
            _ => settled,
        };
        cursor.rows = cursor.rows.max(rows);
        cursor.passed = without_duplicates(unsettled);
        let is_past = cursor.log.is_none() && cursor.listening.is_complete(cursor.rows.at);
        cursor.shown = if is_past { Vec::new() } else { without_duplicates(cursor.shown) };
        cursor
    }

    /// Returns the time before which no row can appear any more.
    fn settled(&self) -> Timestamp {
        self.now.minus(SETTLES)
    }
}

/// Returns the last of these names, each once.
fn without_duplicates(names: Vec<u64>) -> Vec<u64> {
    let mut seen = HashSet::new();
    let mut names: Vec<u64> =
        names.into_iter().rev().filter(|name| seen.insert(*name)).take(MOST_NAMED).collect();
    names.reverse();
    names
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::Listening;
    use super::*;
    use crate::id::Partition;

    /// Reads a feed that gets this many rows a second for a minute, every fifty milliseconds. Returns how often each was
    /// shown.
    fn shown(rate: u32) -> Vec<u32> {
        let start = Timestamp::from_millis(1_795_514_400_000);
        let row = |number: u32| {
            let at = start.plus(Duration::from_secs(1) * number / rate);
            FeedPlace { at, id: EventId::new(at, Partition::of(&"a".parse().unwrap()), u64::from(number)) }
        };
        let rows: Vec<_> = (0..60 * rate).map(row).collect();
        let mut shown = vec![0; rows.len()];
        let listening = Listening {
            since: start.minus(Duration::from_mins(10)),
            until: start.plus(Duration::from_mins(30)),
        };
        let mut cursor = FeedCursor::since(start, listening, start);
        for poll in 0..20 * 70 {
            let now = start.plus(Duration::from_millis(50) * poll);
            let mut reading = FeedReading::new(cursor, now);
            let after = reading.rows_after();
            let (mut number, mut is_complete) = (0, true);
            for (place, shown) in
                rows.iter().zip(&mut shown).filter(|(place, _)| **place > after && place.at <= now)
            {
                if number == 100 || !reading.has_room(*place) {
                    is_complete = false;
                    break;
                }
                let is_new = u32::from(reading.pass_row(*place));
                *shown += is_new;
                number += is_new;
            }
            cursor = reading.finish(is_complete);
            assert!(cursor.passed.len() <= MOST_NAMED);
        }
        shown
    }

    #[test]
    fn a_quiet_feed_and_a_busy_one_show_each_event_once() {
        for rate in [1, 30, 45, 60, 200, 900] {
            let shown = shown(rate);
            let others = shown.iter().filter(|times| **times != 1).count();
            assert_eq!(others, 0, "at {rate} a second, of {}", shown.len());
        }
    }
}
