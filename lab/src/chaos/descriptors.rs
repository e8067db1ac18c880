//! Sends to more endpoints than files that a process may open on Lambda.

use std::collections::{BTreeSet, HashSet};
use std::convert::Infallible;
use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::{Context as _, Result};
use http::StatusCode;
use posthorn_domain::{Attempt, AttemptError, EventId};
use posthorn_local::{Receiver, Stores};
use tokio::process::{Child, Command};
use tokio::time::{interval, sleep, timeout};

use super::{Addresses, Bench, events};
use crate::bench::rig;
use crate::load::waiting;

/// The queues' visibility timeout.
const VISIBILITY: Duration = Duration::from_secs(10);
/// If nothing arrives for this long, the missing deliveries count as lost.
const SILENCE: Duration = Duration::from_secs(30);
/// Time between two counts of open files.
const COUNT_EVERY: Duration = Duration::from_millis(20);

/// Sends events to many origins, from a process that may open few files.
#[derive(Debug, Clone, Copy)]
pub struct Descriptors {
    /// Number of endpoints, each with its own host.
    pub receivers: usize,
    /// Number of events. Each is published when the previous one has arrived everywhere.
    pub rounds: usize,
    /// Number of files that the functions' process may have open.
    pub limit: usize,
}

/// The result of a run.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Blame {
    /// Deliveries that should have arrived.
    pub expected: usize,
    /// Deliveries that arrived.
    pub arrived: usize,
    /// Attempts on record.
    pub attempts: usize,
    /// Attempts on record that blame their endpoint for its connection or its name.
    pub blaming: usize,
    /// The highest number of open files counted in the functions' process; 0 if they cannot be counted.
    pub most_open: usize,
}

impl Blame {
    /// Whether everything arrived, and no attempt blames an endpoint.
    pub fn is_good(&self) -> bool {
        self.expected > 0 && self.arrived == self.expected && self.blaming == 0
    }
}

impl Descriptors {
    /// Publishes the events, and reads their records afterwards.
    pub async fn run(&self, bench: &Bench) -> Result<Blame> {
        let mut receiver = Receiver::start(0, |_, _| StatusCode::OK).await?;
        let stores = bench.stores(Some(VISIBILITY)).await?;
        self.register(bench, &stores, &receiver.url).await?;
        let mut process = self.start(bench, &stores)?;
        let most_open = AtomicUsize::new(0);
        let (arrived, events) = tokio::select! {
            seen = self.publish(&stores, &mut receiver) => seen?,
            never = count_open_files(process.id(), &most_open) => match never {},
        };
        let attempts = attempts(bench, &stores, &events).await?;
        process.kill().await?;
        stores.stop().await?;
        let blaming = attempts
            .iter()
            .filter(|attempt| matches!(attempt.error, Some(AttemptError::Connection | AttemptError::Dns)));
        Ok(Blame {
            expected: self.receivers * self.rounds,
            arrived,
            attempts: attempts.len(),
            blaming: blaming.count(),
            most_open: most_open.into_inner(),
        })
    }

    /// Registers healthy endpoints, to which fan-out itself sends, each with its own host.
    async fn register(&self, bench: &Bench, stores: &Stores, receiver: &str) -> Result<()> {
        let store = rig::runtime(&bench.template, stores, "create-endpoint")?.endpoints()?;
        let host = |number: usize| receiver.replace("127.0.0.1", &format!("{number}.localhost"));
        let urls = (0..self.receivers).map(|number| format!("{}/{number}", host(number)));
        for endpoint in rig::healthy_endpoints(urls)? {
            store.create(&rig::tenant(), &endpoint, self.receivers.try_into()?).await?;
        }
        Ok(())
    }

    /// Starts the functions in a separate process that may have `limit` files open.
    fn start(&self, bench: &Bench, stores: &Stores) -> Result<Child> {
        let mut command = Command::new("sh");
        command.args(["-c", &format!("ulimit -n {} && exec \"$0\" \"$@\"", self.limit)]).arg(&bench.program);
        bench.start(command, &Addresses::of(stores))
    }

    /// Publishes each event when the previous one has arrived everywhere. Returns the number of deliveries that
    /// arrived, and the events.
    async fn publish(&self, stores: &Stores, receiver: &mut Receiver) -> Result<(usize, BTreeSet<EventId>)> {
        let (mut arrived, mut events) = (HashSet::new(), BTreeSet::new());
        for round in 1..=self.rounds {
            events::publish(&stores.sqs, 1, Duration::ZERO).await?;
            while arrived.len() < round * self.receivers {
                let Ok(arrival) = timeout(SILENCE, receiver.next()).await else { break };
                events.insert(arrival.event_id().parse()?);
                arrived.insert((arrival.event_id().to_owned(), arrival.path));
            }
        }
        // A delivery whose retry waits for minutes has failed.
        let idle = async {
            while waiting(&stores.sqs).await? > 0 {
                sleep(COUNT_EVERY).await;
            }
            anyhow::Ok(())
        };
        timeout(SILENCE, idle).await.unwrap_or(Ok(()))?;
        Ok((arrived.len(), events))
    }
}

/// Reads the recorded attempts of these events.
async fn attempts(bench: &Bench, stores: &Stores, events: &BTreeSet<EventId>) -> Result<Vec<Attempt>> {
    let log = rig::runtime(&bench.template, stores, "deliver")?.event_log()?;
    let mut attempts = Vec::new();
    for event in events {
        let record = log
            .get_whole(&rig::tenant(), *event)
            .await?
            .with_context(|| format!("there is no record of {event}"))?;
        attempts.extend(record.deliveries.into_iter().flat_map(|delivery| delivery.attempts));
    }
    Ok(attempts)
}

/// Counts the open files of a process repeatedly. This works only on Linux.
async fn count_open_files(process: Option<u32>, most: &AtomicUsize) -> Infallible {
    let mut count = interval(COUNT_EVERY);
    loop {
        count.tick().await;
        let open = process.and_then(|id| std::fs::read_dir(format!("/proc/{id}/fd")).ok());
        most.fetch_max(open.map_or(0, Iterator::count), Ordering::Relaxed);
    }
}

impl fmt::Display for Descriptors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { receivers, rounds, limit } = self;
        write!(f, "{rounds} events to {receivers} hosts, from a process that may have {limit} files open")
    }
}

impl fmt::Display for Blame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { expected, arrived, attempts, blaming, most_open } = self;
        write!(
            f,
            "  {arrived} of {expected} deliveries arrived, {attempts} attempts on record, {blaming} of them blame an \
             endpoint; {most_open} files open at most"
        )
    }
}
