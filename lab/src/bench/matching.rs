//! Measures how long it takes to find the endpoints that want an event, among many that do not.

use std::hint::black_box;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use posthorn_delivery::Subscriptions;
use posthorn_domain::{Clock as _, Endpoint, EventType, Fields, NewEndpoint};
use posthorn_runtime::{SystemClock, SystemRandom};
use serde_json::json;

use super::processes::Usage;
use super::report::{Bound, Goal, Report, Row};
use super::rig;

/// The patterns of the endpoints that want the event. All other endpoints want other types.
const WANTED: [&str; 3] = [rig::EVENT_TYPE, "invoice.*", "*"];
/// Duration of each measurement.
const SPAN: Duration = Duration::from_secs(2);
/// Number of events between two readings of the clock.
const EVENTS: u32 = 1_000;

/// The cost of finding an event's endpoints.
#[derive(Debug, Clone, Copy)]
pub struct Matching {
    /// Number of endpoints, each with one pattern.
    pub subscriptions: usize,
    /// Number of endpoints that want the event.
    pub matches: usize,
    /// The time per event, in nanoseconds.
    pub nanoseconds: f64,
    /// The memory of the endpoints and their index, in megabytes.
    pub memory_mb: f64,
}

/// Finds the same endpoints among this number repeatedly.
pub fn matching(subscriptions: usize) -> Result<Matching> {
    let before = Usage::of_self()?.resident_mb;
    let wanted = WANTED.iter().map(|pattern| endpoint(pattern));
    let others = (WANTED.len()..subscriptions).map(|n| endpoint(&format!("other_{n}.event")));
    let index = Subscriptions::default();
    for endpoint in wanted.chain(others) {
        index.put(endpoint?, SystemClock.now());
    }
    let memory_mb = Usage::of_self()?.resident_mb - before;
    let event_type: EventType = rig::EVENT_TYPE.parse().map_err(anyhow::Error::msg)?;
    let matches = index.matching(&event_type).len();
    ensure!(matches == WANTED.len(), "{matches} endpoints were found");
    let (began, mut events) = (Instant::now(), 0);
    while began.elapsed() < SPAN {
        for _ in 0..EVENTS {
            black_box(index.matching(black_box(&event_type)));
        }
        events += EVENTS;
    }
    let nanoseconds = began.elapsed().as_secs_f64() * 1e9 / f64::from(events);
    Ok(Matching { subscriptions, matches, nanoseconds, memory_mb })
}

fn endpoint(pattern: &str) -> Result<Endpoint> {
    let fields = json!({ "url": "https://example.com/", "enabled_events": [pattern] }).to_string();
    let new = NewEndpoint::read(&mut Fields::parse(&fields)?)?;
    Ok(new.register(&rig::tenant(), SystemClock.now(), &SystemRandom))
}

/// The figures as a report.
pub(super) fn report(found: &[Matching]) -> Report {
    let rows = found.iter().map(|matching| {
        Row::default()
            .count("subscriptions", matching.subscriptions)
            .count("matches", matching.matches)
            .number("ns_per_event", matching.nanoseconds)
            .number("memory_mb", matching.memory_mb)
    });
    let goals = found.first().zip(found.last()).map(|(few, many)| Goal {
        what: format!(
            "time among {} subscriptions, in times that among {}",
            many.subscriptions, few.subscriptions
        ),
        bound: Bound::AtMost(2.0),
        measured: many.nanoseconds / few.nanoseconds,
    });
    Report { benchmark: "matching", rows: rows.collect(), goals: goals.into_iter().collect() }
}
