//! Kills the functions at random moments. Tables and queues live on in this process.

use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context as _, Result};
use fastrand::Rng;
use http::StatusCode;
use tokio::process::{Child, Command};
use tokio::time::{Instant, sleep};

use super::events::{self, SILENCE};
use super::{Bench, Tally};
use crate::load;
use crate::{Functions, FunctionsOptions, Receiver, Stores, StoresOptions};

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
        let stores = Stores::start(&StoresOptions {
            template: bench.template.clone(),
            visibility_timeout: Some(VISIBILITY),
            ..StoresOptions::default()
        })
        .await?;
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
    let options = FunctionsOptions {
        template: bench.template.clone(),
        dynamodb: stores.dynamodb.clone(),
        sqs: stores.sqs.clone(),
        ..FunctionsOptions::default()
    };
    let functions = Functions::start(&options).await?;
    load::register(&functions.http, (0..endpoints).map(|n| format!("{receiver}/{n}")), "chaos.*").await?;
    functions.stop().await
}

/// Where functions in a process of their own find their tables and queues.
pub(super) struct Addresses {
    pub(super) dynamodb: String,
    pub(super) sqs: String,
}

impl Addresses {
    /// The stores themselves.
    fn of(stores: &Stores) -> Self {
        Self { dynamodb: stores.dynamodb.clone(), sqs: stores.sqs.clone() }
    }
}

/// Lets the functions live and kills them, again and again. Answers how many deliveries were under way at the kills,
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
    let mut process = start(bench, addresses)?;
    for _ in 0..kills {
        let born = Instant::now();
        sleep(LIFE.mul_f64(2.0 * random.f64())).await;
        process.kill().await.context("the functions' process cannot be killed")?;
        let received = |queue: &str| stores.queues.received_within(queue, born.elapsed());
        let events = received("EventsQueue")?;
        let deliveries = received("FirstAttemptsQueue")? + received("DeliveriesQueue")?;
        under_way += events * usize::try_from(endpoints)? + deliveries;
        process = start(bench, addresses)?;
    }
    Ok((under_way, process))
}

fn start(bench: &Bench, addresses: &Addresses) -> Result<Child> {
    let mut command = Command::new(&bench.program);
    command.arg("functions").args(["--http-port", "0", "--log-level", "error"]);
    command
        .args(["--dynamodb", &addresses.dynamodb, "--sqs", &addresses.sqs])
        .arg("--template")
        .arg(&bench.template);
    command.stdout(Stdio::null()).stderr(Stdio::null()).kill_on_drop(true);
    command.spawn().with_context(|| format!("cannot run {}", bench.program.display()))
}
