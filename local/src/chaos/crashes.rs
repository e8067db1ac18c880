//! Kills the functions at random moments. Tables and queues live on in this process.

use std::time::Duration;

use anyhow::{Context as _, Result};
use fastrand::Rng;
use http::StatusCode;
use tokio::process::{Child, Command};
use tokio::time::{Instant, sleep};

use super::events::{self, SILENCE};
use super::{Addresses, Bench, Tally};
use crate::load;
use crate::{Functions, Receiver, Stores};

/// How long a message that was received by a killed process stays hidden.
const VISIBILITY: Duration = Duration::from_secs(10);
/// How long a process lives on average.
pub(super) const LIFE: Duration = Duration::from_millis(800);

/// Kills during events.
#[derive(Debug, Clone, Copy)]
pub struct Crashes {
    /// How many events are published.
    pub events: u32,
    /// To how many endpoints.
    pub endpoints: u32,
    /// How often the process is killed meanwhile.
    pub kills: u32,
}

impl Crashes {
    /// Publishes and kills, then waits until all has arrived.
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

/// Registers endpoints at a receiver, by functions that are gone afterwards.
pub(super) async fn register(bench: &Bench, stores: &Stores, receiver: &str, endpoints: u32) -> Result<()> {
    let functions = Functions::start(&bench.functions(&Addresses::of(stores))).await?;
    load::register_numbered(&functions.http, receiver, endpoints).await?;
    functions.stop().await
}

/// Lets the functions live and kills them, again and again. Returns how many deliveries were under way at the kills,
/// and the process that lives on.
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
        process.kill().await.context("the functions' process cannot be killed")?;
        let received = |queue: &str| stores.queues.received_within(queue, born.elapsed());
        let events = received("EventsQueue")?;
        let deliveries = received("FirstAttemptsQueue")? + received("DeliveriesQueue")?;
        under_way += events * usize::try_from(endpoints)? + deliveries;
        process = bench.start(Command::new(&bench.program), addresses)?;
    }
    Ok((under_way, process))
}
