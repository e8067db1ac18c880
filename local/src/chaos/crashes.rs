//! Kills the functions at random moments. Tables and queues live on in this process.

use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context as _, Result};
use fastrand::Rng;
use http::StatusCode;
use tokio::process::{Child, Command};
use tokio::time::{Instant, sleep};

use super::{Bench, Tally, events};
use crate::load;
use crate::{Functions, FunctionsOptions, Receiver, Stores, StoresOptions};

/// How long a message that was received by a killed process stays hidden.
const VISIBILITY: Duration = Duration::from_secs(10);
/// How long a process lives on average.
const LIFE: Duration = Duration::from_millis(800);

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
        self.register(bench, &stores, &receiver.url).await?;
        let publish = events::publish(&stores.sqs, self.events, LIFE * self.kills);
        let expected = usize::try_from(self.events * self.endpoints)?;
        let (published, killed, tally) = tokio::join!(
            publish,
            self.kill(bench, &stores),
            events::count(&mut receiver, &stores.sqs, expected)
        );
        published?;
        let (excused, mut last) = killed?;
        last.kill().await?;
        stores.stop().await?;
        Ok(Tally { excused, ..tally? })
    }

    async fn register(&self, bench: &Bench, stores: &Stores, receiver: &str) -> Result<()> {
        let options = FunctionsOptions {
            template: bench.template.clone(),
            dynamodb: stores.dynamodb.clone(),
            sqs: stores.sqs.clone(),
            ..FunctionsOptions::default()
        };
        let functions = Functions::start(&options).await?;
        load::register(&functions.http, (0..self.endpoints).map(|n| format!("{receiver}/{n}")), "chaos.*")
            .await?;
        functions.stop().await
    }

    /// Lets the functions live and kills them, again and again. Answers how many deliveries were under way at the kills,
    /// and the process that lives on.
    async fn kill(&self, bench: &Bench, stores: &Stores) -> Result<(usize, Child)> {
        let mut random = Rng::with_seed(bench.seed);
        let mut under_way = 0;
        let mut process = start(bench, stores)?;
        for _ in 0..self.kills {
            let born = Instant::now();
            sleep(LIFE.mul_f64(2.0 * random.f64())).await;
            process.kill().await.context("the functions' process cannot be killed")?;
            let events = stores.queues.received_within("EventsQueue", born.elapsed())?;
            let deliveries = stores.queues.received_within("DeliveriesQueue", born.elapsed())?;
            under_way += events * usize::try_from(self.endpoints)? + deliveries;
            process = start(bench, stores)?;
        }
        Ok((under_way, process))
    }
}

fn start(bench: &Bench, stores: &Stores) -> Result<Child> {
    let mut command = Command::new(&bench.program);
    command.arg("functions").args(["--http-port", "0", "--log-level", "error"]);
    command
        .args(["--dynamodb", &stores.dynamodb, "--sqs", &stores.sqs])
        .arg("--template")
        .arg(&bench.template);
    command.stdout(Stdio::null()).stderr(Stdio::null()).kill_on_drop(true);
    command.spawn().with_context(|| format!("cannot run {}", bench.program.display()))
}
