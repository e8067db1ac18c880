//! Kills the functions at random moments. Tables and queues keep running in this process.

use std::time::Duration;

use anyhow::{Context as _, Result};
use fastrand::Rng;
use http::StatusCode;
use posthorn_local::{Functions, Receiver, Stores};
use tokio::process::{Child, Command};
use tokio::time::{Instant, sleep};

use super::events::{self, SILENCE};
use super::{Addresses, Bench, Tally};
use crate::load;

/// How long a message that a killed process received stays hidden.
const VISIBILITY: Duration = Duration::from_secs(10);
/// Average time until a process is killed.
pub(super) const LIFE: Duration = Duration::from_millis(800);

/// Kills the functions' process while events are published.
#[derive(Debug, Clone, Copy)]
pub struct Crashes {
    /// Number of events to publish.
    pub events: u32,
    /// Number of endpoints that want each event.
    pub endpoints: u32,
    /// Number of times to kill the process.
    pub kills: u32,
}

impl Crashes {
    /// Publishes and kills, then waits until everything has arrived.
    pub async fn run(&self, bench: &Bench) -> Result<Tally> {
        let mut receiver = Receiver::start(0, |_, _| StatusCode::OK).await?;
        let stores = bench.stores(Some(VISIBILITY)).await?;
        register(bench, &stores, &receiver.url, self.endpoints).await?;
        let publish = events::publish(&stores.sqs, self.events, LIFE * self.kills);
        let expected = usize::try_from(self.events * self.endpoints)?;
        let addresses = Addresses::of(&stores);
        let (published, killed, tally) = tokio::join!(
            publish,
            kill(bench, &stores, &addresses, self.kills, self.endpoints),
            events::count(&mut receiver, &stores.sqs, expected, SILENCE)
        );
        published?;
        let (excused, mut last) = killed?;
        last.kill().await?;
        stores.stop().await?;
        Ok(Tally { excused, ..tally? })
    }
}

/// Registers endpoints at a receiver, with functions that are stopped afterwards.
pub(super) async fn register(bench: &Bench, stores: &Stores, receiver: &str, endpoints: u32) -> Result<()> {
    let functions = Functions::start(&bench.functions(&Addresses::of(stores))).await?;
    load::register_numbered(&functions.http, receiver, endpoints).await?;
    functions.stop().await
}

/// Starts and kills the functions repeatedly. Returns the number of deliveries in progress at the kills, and the last
/// process, which keeps running.
pub(super) async fn kill(
    bench: &Bench,
    stores: &Stores,
    addresses: &Addresses,
    kills: u32,
    endpoints: u32,
) -> Result<(usize, Child)> {
    let mut random = Rng::with_seed(bench.seed);
    let mut under_way = 0;
    let mut process = bench.start(Command::new(&bench.program), addresses)?;
    for _ in 0..kills {
        let born = Instant::now();
        sleep(LIFE.mul_f64(2.0 * random.f64())).await;
        process.kill().await.context("cannot kill the functions' process")?;
        let received = |queue: &str| stores.queues.received_within(queue, born.elapsed());
        let events = received("EventsQueue")?;
        let deliveries = received("FirstAttemptsQueue")? + received("DeliveriesQueue")?;
        under_way += events * usize::try_from(endpoints)? + deliveries;
        process = bench.start(Command::new(&bench.program), addresses)?;
    }
    Ok((under_way, process))
}
