//! `cargo run --release -p posthorn-lab -- bench`: benchmarks.

mod accounts;
mod cold_start;
mod cost;
mod end_to_end;
mod fan_out;
mod feed;
mod matching;
pub(crate) mod meter;
mod processes;
mod reads;
mod receivers;
mod report;
pub(crate) mod rig;
mod snapshot;
mod sweep;

use std::path::Path;

use anyhow::Result;
use clap::Subcommand;
use posthorn_domain::EventShards;
use posthorn_local::{Binaries, StoresOptions};

pub use accounts::{Accounts, RequestCost};
pub use cold_start::{ColdStart, cold_starts};
pub use cost::{Bill, Cost, Sent};
pub use end_to_end::{EndToEnd, Journey, Used};
pub use fan_out::{CpuPerDelivery, FanOut};
pub use feed::{Feed, FeedCost};
pub use matching::{Matching, matching};
pub use reads::{PageCost, page_costs};
pub use receivers::Protocol;
pub use snapshot::{Snapshot, SnapshotCost};
pub use sweep::{Sweep, SweepCost};

/// The benchmarks.
#[derive(Debug, Subcommand)]
pub enum Benchmark {
    /// Time, calls and units of a platform's requests, among many accounts with three endpoints each
    Accounts {
        /// Number of accounts
        #[arg(long, value_name = "NUMBER", default_value_t = 10_000)]
        accounts: usize,
    },
    /// Time until each function's process is ready, compared with a function that does nothing
    ColdStart {
        /// Number of times to start each function
        #[arg(long, value_name = "TIMES", default_value_t = 21)]
        rounds: usize,
    },
    /// Cost of a million deliveries on AWS, line by line
    Cost,
    /// Latency of events published as fast as possible, and the processor time and memory of each process
    EndToEnd,
    /// Processor time of a delivery, compared with a loop that only sends POST requests
    FanOut {
        /// How the endpoints are spoken to
        #[arg(
            long,
            value_name = "PROTOCOL",
            value_delimiter = ',',
            default_values_t = [Protocol::Plain],
            value_enum
        )]
        protocols: Vec<Protocol>,
        /// Number of endpoints that want each event
        #[arg(long, value_name = "NUMBER", value_delimiter = ',', default_values_t = [1, 10, 100])]
        endpoints: Vec<usize>,
        /// Number of deliveries in a round
        #[arg(long, value_name = "NUMBER", default_value_t = 10_000)]
        deliveries: usize,
        /// Number of rounds
        #[arg(long, value_name = "TIMES", default_value_t = 5)]
        rounds: usize,
    },
    /// Calls, units and times of readers of the feed
    Feed {
        /// Number of event types
        #[arg(long, value_name = "NUMBER", value_delimiter = ',', default_values_t = [1, 20, 215])]
        types: Vec<usize>,
    },
    /// Time to find the endpoints that want an event, among many that do not
    Matching {
        /// Number of endpoints
        #[arg(long, value_name = "NUMBER", value_delimiter = ',', default_values_t = [10, 1_000, 100_000])]
        subscriptions: Vec<usize>,
    },
    /// Calls and read units for a page of each list, in event logs of different sizes
    Reads {
        /// Number of events in the log
        #[arg(long, value_name = "EVENTS", value_delimiter = ',', default_values_t = [100, 10_000, 1_000_000])]
        sizes: Vec<u64>,
        /// Number of shards over which the events of each type are spread
        #[arg(long, value_name = "NUMBER", value_delimiter = ',', default_value = "1,4")]
        shards: Vec<EventShards>,
    },
    /// Cost of reading an account's endpoints, when a worker starts and after a change
    Snapshot {
        /// Number of endpoints
        #[arg(long, value_name = "NUMBER", value_delimiter = ',', default_values_t = [1_000, 10_000, 100_000])]
        endpoints: Vec<usize>,
    },
    /// Time and cost of sending many retries that are due in the same minute
    Sweep {
        /// Number of retries that are due
        #[arg(long, value_name = "NUMBER", default_value_t = 20_000)]
        retries: usize,
    },
}

/// Runs a benchmark, prints a table, and writes the JSON file if a path is given.
pub async fn run(benchmark: &Benchmark, template: &Path, json: Option<&Path>) -> Result<()> {
    let report = match benchmark {
        Benchmark::Accounts { accounts: number } => {
            let platform = Accounts { template: template.to_owned(), accounts: *number };
            accounts::report(&platform.run().await?)
        }
        Benchmark::ColdStart { rounds } => {
            let starts = cold_starts(template, &Binaries::beside_this_program()?, *rounds).await?;
            cold_start::report(&starts)
        }
        Benchmark::Cost => {
            let mut bills = Vec::new();
            for (event_bytes, endpoints, sent, failures, events) in cost::SHAPES {
                let (program, template) = (std::env::current_exe()?, template.to_owned());
                let binaries = Some(Binaries::beside_this_program()?);
                let shape =
                    Cost { program, template, binaries, event_bytes, endpoints, sent, failures, events };
                let publishing = cost::Publishing::of(&shape).await?;
                bills.push((shape.run().await?, publishing));
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
        Benchmark::FanOut { protocols, endpoints, deliveries, rounds } => {
            let mut found = Vec::new();
            for &protocol in protocols {
                for &endpoints in endpoints {
                    let (template, deliveries, rounds) = (template.to_owned(), *deliveries, *rounds);
                    let shape = FanOut { template, protocol, endpoints, deliveries, rounds };
                    found.push(shape.run().await?);
                }
            }
            fan_out::report(&found)
        }
        Benchmark::Feed { types } => {
            let mut costs = Vec::new();
            for &types in types {
                costs.extend(Feed { template: template.to_owned(), types }.run().await?);
            }
            feed::report(&costs)
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
