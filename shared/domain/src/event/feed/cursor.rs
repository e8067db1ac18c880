//! What a reader of the feed has passed.

use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::{AHEAD, LOOKS_BACK, Listening, SETTLES};
use crate::id::EventId;
use crate::invalid::Invalid;
use crate::time::Timestamp;

/// The first byte of a cursor, which says what follows.
const VERSION: u8 = 1;

/// The key of a row in the feed. Rows are sorted by it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct FeedPlace {
    /// When the row was written.
    pub at: Timestamp,
    /// Its event.
    pub id: EventId,
}

impl FeedPlace {
    /// Returns the place before all rows that were written at this time or later.
    pub(super) fn before(at: Timestamp) -> Self {
        Self { at, id: EventId::MIN }
    }
}

/// What a reader of the feed has passed: all rows up to a place, and some that come later. It prints as base64 (URL
/// alphabet), at most 4,400 characters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FeedCursor {
    /// The last row of those that were all passed.
    pub(super) rows: FeedPlace,
    /// The rows after that place that were passed, by the [names](EventId::name) of their events.
    pub(super) passed: Vec<u64>,
    /// The time of listening that the cursor relies on.
    pub(super) listening: Listening,
    /// What has to be read in the log.
    pub(super) log: Option<LogPart>,
    /// Events that were passed and that the log will show again, or rows will.
    pub(super) shown: Vec<u64>,
}

/// The part of the log that may have events without a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct LogPart {
    /// The next event.
    pub(super) next: EventId,
    /// From where the log is read again when [listening](Listening) has begun everywhere; `None` if it is not: then the part
    /// is read when that is so.
    pub(super) again: Option<EventId>,
}

impl FeedCursor {
    /// Returns the cursor of a reader that comes `now`, and wants everything accepted at `at` or later. As clocks differ, it
    /// gets some of what was accepted in the seconds before, too.
    pub fn since(at: Timestamp, listening: Listening, now: Timestamp) -> Self {
        let at = at.min(now);
        let first = EventId::first_at(at.minus(AHEAD));
        let log =
            (at <= listening.is_complete_from().plus(AHEAD)).then(|| LogPart::from(first, listening, now));
        let rows = FeedPlace::before(at.minus(SETTLES));
        Self { rows, passed: Vec::new(), listening, log, shown: Vec::new() }
    }

    /// Returns the cursor of the same reader when it comes again `now`. If nobody listened meanwhile, the log has what it
    /// has missed.
    #[must_use]
    pub fn resumed(self, listening: Listening, now: Timestamp) -> Self {
        if listening.since == self.listening.since {
            return Self { listening, ..self };
        }
        let missed = EventId::first_at(self.listening.until.minus(LOOKS_BACK));
        let left = self.log.map(|log| log.next.min(log.again.unwrap_or(log.next)));
        let from = left.map_or(missed, |left| left.min(missed));
        Self { listening, log: Some(LogPart::from(from, listening, now)), ..self }
    }

    /// Returns the time from which on the reader needs events.
    pub fn at(&self) -> Timestamp {
        self.log.map_or(self.rows.at, |log| log.next.at())
    }
}

impl LogPart {
    /// Returns the part that begins with this event. If it cannot be complete now, the end of it is read again later: what
    /// appears in it from now on was accepted a short time ago.
    fn from(next: EventId, listening: Listening, now: Timestamp) -> Self {
        let recent = EventId::first_at(now.minus(LOOKS_BACK));
        Self { next, again: (!listening.is_complete(now)).then(|| next.max(recent)) }
    }
}

impl fmt::Display for FeedCursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut bytes = vec![VERSION];
        let Listening { since, until } = self.listening;
        for at in [self.rows.at, since, until] {
            bytes.extend(at.as_millis().to_be_bytes());
        }
        let (next, again) = self.log.map_or((None, None), |log| (Some(log.next), log.again));
        for id in [Some(self.rows.id), next, again] {
            bytes.push(u8::from(id.is_some()));
            bytes.extend(id.map(EventId::to_bytes).unwrap_or_default());
        }
        bytes.push(u8::try_from(self.passed.len()).expect("a list has at most 200 names"));
        for name in self.passed.iter().chain(&self.shown) {
            bytes.extend(name.to_be_bytes());
        }
        f.write_str(&URL_SAFE_NO_PAD.encode(bytes))
    }
}

impl FromStr for FeedCursor {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        let bytes = URL_SAFE_NO_PAD.decode(text).ok();
        let read = bytes.and_then(|bytes| read(&mut bytes.as_slice()));
        read.ok_or_else(|| Invalid::because("must be the `next_cursor` of a response of the feed"))
    }
}

fn read(bytes: &mut &[u8]) -> Option<FeedCursor> {
    let [VERSION] = take(bytes)? else { return None };
    let mut time = || Some(Timestamp::from_millis(i64::from_be_bytes(take(bytes)?)));
    let (at, since, until) = (time()?, time()?, time()?);
    let mut id = || {
        let [is_given] = take(bytes)?;
        let id = EventId::from_bytes(take(bytes)?);
        Some((is_given == 1).then_some(id))
    };
    let (last, next, again) = (id()?, id()?, id()?);
    let [passed] = take(bytes)?;
    let names: Vec<u64> = std::iter::from_fn(|| take(bytes)).map(u64::from_be_bytes).collect();
    if !bytes.is_empty() || names.len() < usize::from(passed) {
        return None;
    }
    let (passed, shown) = names.split_at(usize::from(passed));
    Some(FeedCursor {
        rows: FeedPlace { at, id: last? },
        passed: passed.to_vec(),
        listening: Listening { since, until },
        log: next.map(|next| LogPart { next, again }),
        shown: shown.to_vec(),
    })
}

/// Takes the first bytes, if there are so many.
fn take<const N: usize>(bytes: &mut &[u8]) -> Option<[u8; N]> {
    let (first, rest) = bytes.split_first_chunk()?;
    *bytes = rest;
    Some(*first)
}

#[cfg(test)]
mod tests {
    use super::super::reading::MOST_NAMED;
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_millis(1_795_514_400_000 + 1000 * seconds)
    }

    #[test]
    fn a_cursor_reads_as_it_prints() {
        let listening = Listening { since: at(0), until: at(3600) };
        let old = FeedCursor::since(at(900), listening, at(900));
        let new = FeedCursor::since(at(-7), listening, at(5));
        assert!(old.log.is_none() && new.log.is_some_and(|log| log.again.is_some()));
        let names: Vec<u64> = (0..MOST_NAMED as u64).map(|n| n * n * 0x1234_5678_9abc).collect();
        let full = FeedCursor { passed: names.clone(), shown: names, ..new.clone() };
        for cursor in [old, new, full] {
            let text = cursor.to_string();
            assert!(text.len() <= 4_400, "{}", text.len());
            assert_eq!(text.parse(), Ok(cursor));
        }
    }

    #[test]
    fn what_is_no_cursor_is_refused() {
        let good = FeedCursor::since(at(0), Listening { since: at(0), until: at(1) }, at(0)).to_string();
        for wrong in ["", "AQ", "evt_1", "Ag", &good[4..], &format!("{good}AA"), &good.replace('A', "*")] {
            assert!(wrong.parse::<FeedCursor>().is_err(), "{wrong}");
        }
    }
}
