//! `cargo run --release -- bench`: figures.

mod cold_start;
mod cost;
mod end_to_end;
mod fan_out;
mod matching;
mod meter;
mod processes;
mod reads;
mod report;
pub(crate) mod rig;
mod snapshot;
mod sweep;

use std::path::Path;

use anyhow::Result;
use clap::Subcommand;
use posthorn_domain::EventShards;

use crate::StoresOptions;
pub use cold_start::{Binaries, ColdStart, cold_starts};
pub use cost::{Bill, Cost};
pub use end_to_end::{EndToEnd, Journey, Used};
pub use fan_out::{CpuPerDelivery, FanOut};
pub use matching::{Matching, matching};
pub use reads::{PageCost, page_costs};
pub use snapshot::{Snapshot, SnapshotCost};
pub use sweep::{Sweep, SweepCost};

/// What can be measured.
#[derive(Debug, Subcommand)]
pub enum Benchmark {
    /// How soon each function's process is ready, beside one that does nothing
    ColdStart {
        /// How often each is started
        #[arg(long, value_name = "TIMES", default_value_t = 21)]
        rounds: usize,
    },
    /// What a million deliveries cost on AWS, line by line
    Cost,
    /// How soon events arrive that are published as fast as they are taken, and what each process uses
    EndToEnd,
    /// What a delivery costs the processor, beside a loop that does nothing but POST
    FanOut {
        /// How many endpoints want each event
        #[arg(long, value_name = "NUMBER", value_delimiter = ',', default_values_t = [1, 10, 100])]
        endpoints: Vec<usize>,
        /// How many deliveries there are in a round
        #[arg(long, value_name = "NUMBER", default_value_t = 10_000)]
        deliveries: usize,
        /// How often each is measured
        #[arg(long, value_name = "TIMES", default_value_t = 5)]
        rounds: usize,
    },
    /// How long finding an event's endpoints takes, among many that do not want it
    Matching {
        /// How many endpoints there are
        #[arg(long, value_name = "NUMBER", value_delimiter = ',', default_values_t = [10, 1_000, 100_000])]
        subscriptions: Vec<usize>,
    },
    /// What a page of each list reads from the tables, in logs of different sizes
    Reads {
        /// How many events are in the log
        #[arg(long, value_name = "EVENTS", value_delimiter = ',', default_values_t = [100, 10_000, 1_000_000])]
        sizes: Vec<u64>,
        /// Over how many shards the events of each type are spread
        #[arg(long, value_name = "NUMBER", value_delimiter = ',', default_value = "1,4")]
        shards: Vec<EventShards>,
    },
    /// What a worker reads of an account's endpoints, when its process begins and when something has changed
    Snapshot {
        /// How many endpoints there are
        #[arg(long, value_name = "NUMBER", value_delimiter = ',', default_values_t = [1_000, 10_000, 100_000])]
        endpoints: Vec<usize>,
    },
    /// What it takes to send many retries that are due in the same minute
    Sweep {
        /// How many are due
        #[arg(long, value_name = "NUMBER", default_value_t = 20_000)]
        retries: usize,
    },
}

/// Measures, prints a table, and writes the file of JSON where one is wanted.
pub async fn run(benchmark: &Benchmark, template: &Path, json: Option<&Path>) -> Result<()> {
    let report = match benchmark {
        Benchmark::ColdStart { rounds } => {
            let starts = cold_starts(template, &Binaries::beside_this_program()?, *rounds).await?;
            cold_start::report(&starts)
        }
        Benchmark::Cost => {
            let mut bills = Vec::new();
            for (event_bytes, endpoints, full_batches, failures, events) in cost::SHAPES {
                let (program, template) = (std::env::current_exe()?, template.to_owned());
                let binaries = Some(Binaries::beside_this_program()?);
                let shape = Cost {
                    program,
                    template,
                    binaries,
                    event_bytes,
                    endpoints,
                    full_batches,
                    failures,
                    events,
                };
                bills.push(shape.run().await?);
            }
            cost::report(&bills)
        }
        Benchmark::EndToEnd => {
            let mut journeys = Vec::new();
            for (endpoints, bystanders, events) in [(1, 0, 5_000), (10, 0, 1_000), (1, 99, 2_000)] {
                let (program, template) = (std::env::current_exe()?, template.to_owned());
                let shape = EndToEnd { program, template, endpoints, bystanders, events };
                journeys.push(shape.run().await?);
            }
            end_to_end::report(&journeys)
        }
        Benchmark::FanOut { endpoints, deliveries, rounds } => {
            let mut found = Vec::new();
            for &endpoints in endpoints {
                let (template, deliveries, rounds) = (template.to_owned(), *deliveries, *rounds);
                found.push(FanOut { template, endpoints, deliveries, rounds }.run().await?);
            }
            fan_out::report(&found)
        }
        Benchmark::Matching { subscriptions } => {
            let found = subscriptions.iter().map(|&number| matching(number));
            matching::report(&found.collect::<Result<Vec<_>>>()?)
        }
        Benchmark::Reads { sizes, shards } => {
            let options = StoresOptions { template: template.to_owned(), ..StoresOptions::default() };
            let mut costs = Vec::new();
            for &events in sizes {
                for &shards in shards {
                    costs.extend(page_costs(&options, events, shards).await?);
                }
            }
            reads::report(&costs)
        }
        Benchmark::Snapshot { endpoints } => {
            let mut costs = Vec::new();
            for &endpoints in endpoints {
                costs.extend(Snapshot { template: template.to_owned(), endpoints }.run().await?);
            }
            snapshot::report(&costs)
        }
        Benchmark::Sweep { retries } => {
            let (template, rows) = (template.to_owned(), *retries);
            sweep::report(&Sweep { template, rows, with_bad_ones: false }.run().await?)
        }
    };
    report.publish(json)
}
