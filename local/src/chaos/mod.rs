//! `cargo run --release -- chaos`: breaks the system on purpose, and counts what is lost, doubled and delayed.

mod crashes;
mod events;
mod isolation;
mod refusals;
mod refusing_proxy;

use std::path::PathBuf;

use anyhow::Result;

pub use crashes::Crashes;
pub use isolation::Isolation;
pub use refusals::Refusals;

/// Where the parts of a system under test come from.
#[derive(Debug, Clone)]
pub struct Bench {
    /// The template.
    pub template: PathBuf,
    /// This program, to be run as a process of its own.
    pub program: PathBuf,
    /// What chance is drawn from: the same seed, the same choices.
    pub seed: u64,
}

/// What became of the events of one run.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tally {
    /// Deliveries that should have arrived.
    pub expected: usize,
    /// Deliveries that never arrived, or are dead letters.
    pub lost: usize,
    /// Arrivals of what had arrived before.
    pub duplicates: usize,
    /// The most duplicates that there may be: deliveries under way when something broke.
    pub excused: usize,
}

impl Tally {
    /// Whether nothing was lost, and no more doubled than can be helped.
    pub fn is_good(&self) -> bool {
        self.expected > 0 && self.lost == 0 && self.duplicates <= self.excused
    }
}

/// Runs everything at full size. Tells whether nothing was lost.
pub async fn run(bench: &Bench) -> Result<bool> {
    println!("seed {} (the same seed makes the same choices)\n", bench.seed);
    println!("Killing the functions' process 20 times during 5,000 events to 5 endpoints:");
    let crashes = Crashes { events: 5_000, endpoints: 5, kills: 20 }.run(bench).await?;
    report(&crashes);
    println!(
        "Refusing 10 % of the calls to tables and queues, half of them after they were done, during 5,000 events:"
    );
    let refusals = Refusals { events: 5_000, endpoints: 5, share: 0.1 }.run(bench).await?;
    report(&refusals);
    let few = Isolation { events: 2_000, healthy: 8, hanging: 2, midway: false, rounds: 5 };
    let many = Isolation { events: 20_000, rounds: 1, ..few };
    for isolation in
        [few, many, Isolation { healthy: 1, hanging: 9, ..few }, Isolation { midway: true, ..many }]
    {
        println!("{isolation}:");
        println!("{}", isolation.run(bench).await?);
    }
    Ok(crashes.is_good() && refusals.is_good())
}

fn report(tally: &Tally) {
    let Tally { expected, lost, duplicates, excused } = tally;
    println!(
        "  {expected} deliveries expected, {lost} lost, {duplicates} doubled (at most {excused} can't be helped)\n"
    );
}
