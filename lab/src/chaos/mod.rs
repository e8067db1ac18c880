//! `cargo run --release -p posthorn-lab -- chaos`: breaks the system on purpose, and counts lost, duplicate and late deliveries.

mod arrivals;
mod crashes;
mod descriptors;
mod down;
mod events;
mod isolation;
mod new_account;
mod own_writes;
mod pause;
mod refusals;
mod refusing_proxy;
mod storm;
mod throttling;

use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context as _, Result};
use clap::ValueEnum;
use posthorn_local::{FunctionsOptions, Stores, StoresOptions};
use tokio::process::{Child, Command};

pub use crashes::Crashes;
pub use descriptors::Descriptors;
pub use down::Down;
pub use isolation::{Isolation, Trouble};
pub use new_account::NewAccount;
pub use own_writes::OwnWrites;
pub use pause::Pause;
pub use refusals::Refusals;
pub use storm::{Storm, Storms};
pub use throttling::Throttling;

/// The parts of a system under test.
#[derive(Debug, Clone)]
pub struct Bench {
    /// The template.
    pub template: PathBuf,
    /// This program, to run as a separate process.
    pub program: PathBuf,
    /// Random seed: the same seed makes the same choices.
    pub seed: u64,
}

/// The addresses of the functions' tables and queues.
struct Addresses {
    dynamodb: String,
    sqs: String,
}

impl Addresses {
    /// The stores' own addresses, without a proxy.
    fn of(stores: &Stores) -> Self {
        Self { dynamodb: stores.dynamodb.clone(), sqs: stores.sqs.clone() }
    }
}

impl Bench {
    /// Starts new tables and queues with this visibility timeout, or the template's.
    async fn stores(&self, visibility_timeout: Option<Duration>) -> Result<Stores> {
        let template = self.template.clone();
        Stores::start(&StoresOptions { template, visibility_timeout, ..StoresOptions::default() }).await
    }

    /// Options to run the functions in this process.
    fn functions(&self, addresses: &Addresses) -> FunctionsOptions {
        let Addresses { dynamodb, sqs } = addresses;
        FunctionsOptions {
            template: self.template.clone(),
            dynamodb: dynamodb.clone(),
            sqs: sqs.clone(),
            ..FunctionsOptions::default()
        }
    }

    /// Starts the functions in a separate process. `command` runs this program; the arguments are added here.
    fn start(&self, mut command: Command, addresses: &Addresses) -> Result<Child> {
        command.args(["functions", "--http-port", "0", "--log-level", "error"]);
        command.args(["--dynamodb", &addresses.dynamodb, "--sqs", &addresses.sqs]);
        command.arg("--template").arg(&self.template);
        command.stdout(Stdio::null()).stderr(Stdio::null()).kill_on_drop(true);
        command.spawn().with_context(|| format!("cannot run {}", self.program.display()))
    }
}

/// The ways to break the system.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Experiment {
    /// The functions' process is killed repeatedly
    Crashes,
    /// Tables and queues refuse some calls
    Refusals,
    /// Crashes and refusals at once, and queues that return messages twice and out of order
    Storm,
    /// The events table refuses all writes for a while
    Throttling,
    /// Each event is published right after a change to an endpoint
    OwnWrites,
    /// Two endpoints hang beside eight healthy ones
    Isolation,
    /// 300 endpoints hang beside 50 healthy ones
    Outage,
    /// Twenty endpoints fail every other three seconds beside fifty healthy ones
    Flapping,
    /// An endpoint is paused for ten minutes
    Pause,
    /// An endpoint is down for an hour
    Down,
    /// The AWS account may run only ten functions at the same time, or fewer than the queues' limits add up to
    NewAccount,
    /// There are more endpoints than files that the functions' process may open
    Descriptors,
}

/// The result of one run.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tally {
    /// Deliveries that should have arrived.
    pub expected: usize,
    /// Deliveries that never arrived, or are dead letters.
    pub lost: usize,
    /// Deliveries that arrived again.
    pub duplicates: usize,
    /// Maximum number of duplicates allowed: deliveries in progress when something broke.
    pub excused: usize,
}

impl Tally {
    /// Whether nothing was lost, and no more than the allowed duplicates arrived.
    pub fn is_good(&self) -> bool {
        self.expected > 0 && self.lost == 0 && self.duplicates <= self.excused
    }
}

/// Runs experiments at full size, or all of them if the list is empty. Returns whether all had good results.
pub async fn run(bench: &Bench, experiments: &[Experiment]) -> Result<bool> {
    println!("seed {} (the same seed makes the same choices)\n", bench.seed);
    let experiments = if experiments.is_empty() { Experiment::value_variants() } else { experiments };
    let mut is_good = true;
    for experiment in experiments {
        is_good &= match experiment {
            Experiment::Crashes => crashes(bench).await?,
            Experiment::Refusals => refusals(bench).await?,
            Experiment::Storm => storm(bench).await?,
            Experiment::Throttling => throttling(bench).await?,
            Experiment::OwnWrites => own_writes(bench).await?,
            Experiment::Isolation => isolation(bench).await?,
            Experiment::Outage => outage(bench).await?,
            Experiment::Flapping => flapping(bench).await?,
            Experiment::Pause => pause(bench).await?,
            Experiment::Down => down(bench).await?,
            Experiment::NewAccount => new_account(bench).await?,
            Experiment::Descriptors => descriptors(bench).await?,
        };
    }
    Ok(is_good)
}

async fn crashes(bench: &Bench) -> Result<bool> {
    println!("Killing the functions' process 20 times during 5,000 events to 5 endpoints:");
    let tally = Crashes { events: 5_000, endpoints: 5, kills: 20 }.run(bench).await?;
    report(&tally);
    Ok(tally.is_good())
}

async fn refusals(bench: &Bench) -> Result<bool> {
    println!(
        "Refusing 10 % of the calls to tables and queues, half of them after they were done, during 5,000 events:"
    );
    let tally = Refusals { events: 5_000, endpoints: 5, share: 0.1 }.run(bench).await?;
    report(&tally);
    Ok(tally.is_good())
}

async fn storm(bench: &Bench) -> Result<bool> {
    println!(
        "Killing the functions' process 20 times, refusing 10 % of calls, handing out 5 % of messages twice and 5 % late, \
         during 10,000 events to 5 endpoints:"
    );
    let storm = Storm { events: 10_000, endpoints: 5, kills: 20, refused: 0.1, unruly: 0.05 };
    let Storms { tally, killed, refused, copies } = storm.run(bench).await?;
    println!(
        "  {killed} deliveries in progress at the kills, {refused} calls refused, {copies} messages handed out twice"
    );
    report(&tally);
    Ok(tally.is_good())
}

async fn throttling(bench: &Bench) -> Result<bool> {
    let mut is_good = true;
    for (seconds, may_double) in [(4, false), (30, false), (600, true)] {
        println!(
            "Throttling all writes on the events table for {seconds} s from the first of 1,000 events on:"
        );
        let throttling = Throttling { span: Duration::from_secs(seconds), events: 1_000, endpoints: 3 };
        let tally = throttling.run(bench).await?;
        report(&tally);
        is_good &= tally.lost == 0 && (tally.duplicates == 0 || may_double);
    }
    Ok(is_good)
}

async fn own_writes(bench: &Bench) -> Result<bool> {
    println!("Publishing 10,000 events, each right after a change to an endpoint that wants it:");
    let kept = OwnWrites { events: 10_000, owners: 50, processes: 2 }.run(bench).await?;
    println!("  {kept}\n");
    Ok(kept.is_good())
}

async fn isolation(bench: &Bench) -> Result<bool> {
    let burst = Isolation {
        events: 2_000,
        rate: None,
        healthy: 8,
        troubled: 2,
        types: 1,
        trouble: Trouble::Hang,
        rounds: 5,
    };
    let steady = Isolation { rate: Some(100), ..burst };
    let mut is_good = true;
    for isolation in [burst, steady] {
        is_good &= compare(bench, isolation, 1.5).await?;
        is_good &= compare(bench, Isolation { trouble: Trouble::BeginToHang, ..isolation }, 1.5).await?;
    }
    Ok(is_good)
}

async fn outage(bench: &Bench) -> Result<bool> {
    // The rate leaves processor time for seven deliveries of each event, six of them through the queues.
    let outage = Isolation {
        events: 50_000,
        rate: Some(400),
        healthy: 1,
        troubled: 6,
        types: 50,
        trouble: Trouble::Hang,
        rounds: 5,
    };
    compare(bench, outage, 1.2).await
}

async fn flapping(bench: &Bench) -> Result<bool> {
    let flapping = Isolation {
        events: 12_000,
        rate: Some(100),
        healthy: 5,
        troubled: 2,
        types: 10,
        trouble: Trouble::Flap,
        rounds: 3,
    };
    compare(bench, flapping, 1.5).await
}

async fn down(bench: &Bench) -> Result<bool> {
    println!("One of two endpoints is down for an hour, while 100 events a second are published:");
    let was_down = Down { events: 360_000, rate: 100 }.run(bench).await?;
    println!("{was_down}\n");
    Ok(was_down.is_good())
}

async fn pause(bench: &Bench) -> Result<bool> {
    println!("Pausing one of two endpoints for ten minutes, while 200 events a second are published:");
    let paused = Pause { events: 120_000, rate: 200 }.run(bench).await?;
    println!("{paused}\n");
    Ok(paused.is_good())
}

/// Runs an experiment without and with troubled endpoints. Returns whether the healthy ones' p99 is at most `most` times
/// as long with them.
async fn compare(bench: &Bench, isolation: Isolation, most: f64) -> Result<bool> {
    println!("{isolation}:");
    let comparison = isolation.run(bench).await?;
    let is_good = comparison.ratio() <= most;
    println!("{comparison}");
    println!("  at most {most:.1} times as long at p99: {}\n", if is_good { "yes" } else { "no" });
    Ok(is_good)
}

async fn new_account(bench: &Bench) -> Result<bool> {
    let mut is_good = true;
    for concurrency in [10, 4] {
        println!(
            "A burst of 50,000 events in an account that may run {concurrency} functions at the same time:"
        );
        let tally = NewAccount { events: 50_000, endpoints: 1, concurrency }.run(bench).await?;
        report(&tally);
        is_good &= tally.lost == 0;
    }
    Ok(is_good)
}

async fn descriptors(bench: &Bench) -> Result<bool> {
    let mut is_good = true;
    // First Lambda's limit, which the process must never reach; then a limit so low that connections cannot be opened.
    for limit in [1_024, 300] {
        let descriptors = Descriptors { receivers: 1_500, rounds: 3, limit };
        println!("{descriptors}:");
        let blame = descriptors.run(bench).await?;
        println!("{blame}\n");
        is_good &= blame.is_good();
    }
    Ok(is_good)
}

fn report(tally: &Tally) {
    let Tally { expected, lost, duplicates, excused } = tally;
    println!(
        "  {expected} deliveries expected, {lost} lost, {duplicates} duplicated (at most {excused} are unavoidable)\n"
    );
}
