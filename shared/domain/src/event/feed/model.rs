//! A model of the feed: fan-out puts events on record, and readers follow them, on the rules of this module. Events wait for
//! hours, invocations know an old state and end between two steps, messages come twice, rows appear late or never, clocks
//! differ, and readers are away for hours. Whatever happens, a reader gets every event.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::{FEED_WRITE, FeedCursor, FeedPlace, FeedReading, Listening, is_out_of_time};
use crate::event::EventSpan;
use crate::id::{EventId, Partition};
use crate::random::Random;
use crate::testing::Seeded;
use crate::time::Timestamp;

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_mins(1);
/// After this time an invocation is ended, and its message comes again.
const INVOCATION: Duration = Duration::from_mins(1);
/// How old the state may be that an invocation knows.
const STANDS_IN: u64 = 60_000;
/// By how many milliseconds a clock may be wrong, either way.
const SKEW: u64 = 400;
/// The most entries of a page.
const PAGE: usize = 7;

/// What happens at a time.
#[derive(Clone, Copy)]
enum Step {
    Publish,
    /// An invocation receives the event's message.
    Receive(EventId),
    /// It puts the event on record.
    Record(EventId, Invocation),
    /// It writes the event's row, if it has one.
    Row(EventId, Invocation),
    Read,
}

#[derive(Clone, Copy)]
struct Invocation {
    listening: Option<Listening>,
    ends: Timestamp,
    /// By how many milliseconds its clock is ahead.
    skew: u64,
}

struct World {
    now: Timestamp,
    random: Seeded,
    /// The order of steps at the same time.
    number: u64,
    steps: BTreeMap<(Timestamp, u64), Step>,
    accepted: BTreeMap<EventId, Timestamp>,
    log: BTreeSet<EventId>,
    /// The rows, and when each appears.
    rows: BTreeMap<FeedPlace, Timestamp>,
    /// The state of listening since each time.
    listening: Vec<(Timestamp, Listening)>,
    wants_since: Timestamp,
    cursor: Option<FeedCursor>,
    got: BTreeMap<EventId, u32>,
    /// Whether events are published as fast as can be.
    is_busy: bool,
    /// How many pages in a row were empty when nothing else happened any more.
    idle: u32,
}

fn start() -> Timestamp {
    Timestamp::from_millis(1_795_514_400_000)
}

fn millis(number: u64) -> Duration {
    Duration::from_millis(number)
}

impl World {
    fn new(seed: u64) -> Self {
        Self {
            now: start(),
            random: Seeded::new(seed),
            number: 0,
            steps: BTreeMap::new(),
            accepted: BTreeMap::new(),
            log: BTreeSet::new(),
            rows: BTreeMap::new(),
            listening: Vec::new(),
            wants_since: start(),
            cursor: None,
            got: BTreeMap::new(),
            is_busy: false,
            idle: 0,
        }
    }

    fn below(&self, bound: u64) -> u64 {
        self.random.bits() % bound
    }

    fn chance(&self, percent: u64) -> bool {
        self.below(100) < percent
    }

    /// Returns a time that is usually short, and sometimes up to `most` milliseconds.
    fn wait(&self, most: u64) -> Duration {
        millis(if self.chance(80) { self.below(50) } else { self.below(most) })
    }

    fn then(&mut self, wait: Duration, step: Step) {
        self.number += 1;
        self.steps.insert((self.now.plus(wait), self.number), step);
    }

    /// Returns the time that a clock shows.
    fn clock(&self, skew: u64) -> Timestamp {
        self.now.plus(millis(skew)).minus(millis(SKEW))
    }

    /// Runs until everything has happened, and the reader had time to read it.
    fn run(mut self, events: usize) -> Self {
        self.then(Duration::ZERO, Step::Publish);
        let first_read = self.wait(7_200_000);
        self.then(first_read, Step::Read);
        while let Some(((at, _), step)) = self.steps.pop_first() {
            self.now = at;
            match step {
                Step::Publish => self.publish(events),
                Step::Receive(id) => self.receive(id),
                Step::Record(id, invocation) => self.record(id, invocation),
                Step::Row(id, invocation) => self.row(id, invocation),
                Step::Read => self.read(),
            }
        }
        self
    }

    fn publish(&mut self, events: usize) {
        let at = self.clock(self.below(2 * SKEW));
        let id = EventId::new(at, Partition::of(&"a".parse().unwrap()), self.random.bits());
        self.accepted.insert(id, self.now);
        let late = if self.chance(3) { 4 * 3_600_000 } else { 2_000 };
        // Hours of it, with bursts of more events than a cursor names.
        let (wait, next) = (self.wait(late), self.wait(if self.is_busy { 40 } else { 500_000 }));
        if self.chance(1) {
            self.is_busy = !self.is_busy;
        }
        self.then(wait, Step::Receive(id));
        if self.accepted.len() < events {
            self.then(next, Step::Publish);
        }
    }

    fn receive(&mut self, id: EventId) {
        let age = if self.chance(20) { self.below(STANDS_IN) } else { 0 };
        let known_at = self.now.minus(millis(age));
        let known = self.listening.iter().rev().find(|(since, _)| *since <= known_at);
        let invocation = Invocation {
            listening: known.map(|(_, listening)| *listening),
            ends: self.now.plus(INVOCATION),
            skew: self.below(2 * SKEW),
        };
        let wait = self.wait(40_000);
        self.then(wait, Step::Record(id, invocation));
    }

    fn record(&mut self, id: EventId, invocation: Invocation) {
        self.log.insert(id);
        let wait = self.wait(1_000);
        self.then(wait, Step::Row(id, invocation));
    }

    fn row(&mut self, id: EventId, invocation: Invocation) {
        if self.now > invocation.ends || self.chance(5) {
            // It ends here. The message comes again.
            let wait = SECOND * 5 + self.wait(360_000);
            return self.then(wait, Step::Receive(id));
        }
        let at = self.clock(invocation.skew);
        let is_heard = invocation.listening.is_some_and(|listening| listening.counts(at));
        if is_heard || is_out_of_time(id, at) {
            let place = FeedPlace { at, id };
            if self.chance(15) {
                // The write is given up. Perhaps it is made all the same, some time.
                if self.chance(50) {
                    self.rows.insert(place, self.now.plus(self.wait(90_000)));
                }
                return self.then(FEED_WRITE, Step::Row(id, invocation));
            }
            let longest = u64::try_from(FEED_WRITE.as_millis()).unwrap();
            self.rows.insert(place, self.now.plus(self.wait(longest)));
        }
        if self.chance(5) {
            let wait = self.wait(360_000);
            self.then(wait, Step::Receive(id));
        }
    }

    fn read(&mut self) {
        let now = self.clock(self.below(2 * SKEW));
        let known = self.listening.last().map(|(_, listening)| *listening);
        if let Some(renewed) = Listening::renewed(known, now) {
            self.listening.push((self.now, renewed));
        }
        let listening = self.listening.last().expect("somebody listens now").1;
        let cursor = if let Some(cursor) = self.cursor.take() {
            cursor.resumed(listening, now)
        } else {
            self.wants_since = if self.chance(50) { now } else { now.minus(self.wait(7_200_000)) };
            FeedCursor::since(self.wants_since, listening, now)
        };
        // A cursor is a text, wherever it is kept.
        let cursor = cursor.to_string().parse().unwrap();
        let (cursor, shown) = self.page(cursor, now);
        self.cursor = Some(cursor);
        let is_last = self.steps.is_empty();
        self.idle = if is_last && shown == 0 { self.idle + 1 } else { 0 };
        if self.idle > 6 {
            return;
        }
        let wait = match self.below(100) {
            _ if is_last => SECOND * 100,
            0..=1 => millis(self.below(5 * 3_600_000)),
            // About when nobody would listen any more.
            2..=3 => listening.until.since(now).saturating_sub(MINUTE) + millis(self.below(120_000)),
            4..=10 => millis(self.below(600_000)),
            _ => self.wait(20_000),
        };
        self.then(wait, Step::Read);
    }

    fn page(&mut self, cursor: FeedCursor, now: Timestamp) -> (FeedCursor, usize) {
        let mut reading = FeedReading::new(cursor, now);
        let mut shown = 0;
        if let Some((first, last)) = reading.log().and_then(EventSpan::ends) {
            for id in self.log.range(first..=last).copied().collect::<Vec<_>>() {
                if shown == PAGE {
                    return (reading.finish(false), shown);
                }
                shown += self.show(id, reading.pass_event(id));
            }
            reading.end_log();
        }
        let places = self
            .rows
            .iter()
            .filter(|(place, appears)| **place > reading.rows_after() && **appears <= self.now);
        for place in places.map(|(place, _)| *place).collect::<Vec<_>>() {
            if shown == PAGE || !reading.has_room(place) {
                return (reading.finish(false), shown);
            }
            shown += self.show(place.id, reading.pass_row(place));
        }
        (reading.finish(true), shown)
    }

    fn show(&mut self, id: EventId, is_new: bool) -> usize {
        if is_new {
            *self.got.entry(id).or_default() += 1;
        }
        usize::from(is_new)
    }
}

/// Returns how many events came twice, of how many, in as many worlds.
fn assert_nothing_is_missed(seeds: std::ops::Range<u64>) -> (usize, usize) {
    let (mut repeated, mut all) = (0, 0);
    for seed in seeds {
        let world = World::new(seed).run(if seed % 10 == 0 { 1_500 } else { 150 });
        let wanted = world.accepted.iter().filter(|(_, at)| **at >= world.wants_since);
        let missed: Vec<_> = wanted.filter(|(id, _)| !world.got.contains_key(id)).collect();
        assert!(
            missed.is_empty(),
            "seed {seed}: {missed:?} of {} since {}",
            world.accepted.len(),
            world.wants_since
        );
        repeated += world.got.values().filter(|times| **times > 1).count();
        all += world.got.len();
    }
    (repeated, all)
}

#[test]
fn a_reader_gets_every_event_whatever_happens() {
    let (repeated, all) = assert_nothing_is_missed(0..300);
    assert!(repeated * 2 < all, "{repeated} of {all} came more than once");
}

/// `cargo test --release -p posthorn-domain feed -- --ignored --nocapture`
#[test]
#[ignore = "takes minutes in a debug build"]
fn a_reader_gets_every_event_in_a_hundred_thousand_worlds() {
    let (repeated, all) = assert_nothing_is_missed(0..100_000);
    println!("{all} events read, {repeated} of them more than once");
}
