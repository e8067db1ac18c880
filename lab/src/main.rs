//! `posthorn-lab`: breaks Posthorn on purpose, measures it, and checks a deployment.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};
use posthorn_lab::aws;
use posthorn_lab::bench::{self, Benchmark};
use posthorn_lab::chaos::{self, Bench, Experiment};
use posthorn_local::commands::{
    AddressArguments, HttpArguments, SharedArguments, StoresArguments, functions_alone, stores_alone,
};
use tracing::level_filters::LevelFilter;

/// Break Posthorn on purpose, measure it, and check a deployment
#[derive(Parser)]
#[command(name = "posthorn-lab", version)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Check a deployed stack by HTTP and SQS, and measure how long deliveries take. AWS credentials and region are
    /// read from the same places as by the AWS CLI
    Aws(aws::Arguments),
    /// Break the system on purpose, and count lost, duplicate and late deliveries
    Chaos {
        /// The experiments to run; all of them if you name none
        experiments: Vec<Experiment>,
        /// Random seed: the same seed makes the same choices
        #[arg(long, default_value_t = 1)]
        seed: u64,
        #[command(flatten)]
        shared: SharedArguments,
    },
    /// Run a benchmark, and print its figures
    Bench {
        #[command(subcommand)]
        benchmark: Benchmark,
        /// Also write the figures to this file, as JSON
        #[arg(long, value_name = "FILE", global = true)]
        json: Option<PathBuf>,
        #[command(flatten)]
        shared: SharedArguments,
    },
    /// Serve only the tables and queues: a process of an experiment
    #[command(hide = true)]
    Stores {
        #[command(flatten)]
        stores: StoresArguments,
        #[command(flatten)]
        shared: SharedArguments,
    },
    /// Run only the functions: a process of an experiment
    #[command(hide = true)]
    Functions {
        #[command(flatten)]
        http: HttpArguments,
        #[command(flatten)]
        on: AddressArguments,
        #[command(flatten)]
        shared: SharedArguments,
    },
}

#[tokio::main]
async fn main() -> ExitCode {
    match run(Arguments::parse()).await {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Runs the command. Returns whether everything was as it should be.
async fn run(arguments: Arguments) -> Result<bool> {
    posthorn_local::install_tls();
    match arguments.command {
        Command::Aws(arguments) => aws::run(arguments).await,
        Command::Chaos { experiments, seed, shared } => {
            posthorn_runtime::log_text(shared.log_level.min(LevelFilter::ERROR));
            let bench = Bench { template: shared.template, program: std::env::current_exe()?, seed };
            chaos::run(&bench, &experiments).await
        }
        Command::Bench { benchmark, json, shared } => {
            posthorn_runtime::log_text(shared.log_level);
            bench::run(&benchmark, &shared.template, json.as_deref()).await?;
            Ok(true)
        }
        Command::Stores { stores, shared } => {
            stores_alone(&stores, &shared).await?;
            Ok(true)
        }
        Command::Functions { http, on, shared } => {
            functions_alone(&http, on, &shared).await?;
            Ok(true)
        }
    }
}
