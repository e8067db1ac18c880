//! `posthorn-lab`: checks a deployed Posthorn and measures it.

mod aws;
mod percentiles;

use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};

/// Checks a deployed Posthorn and measures it
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

/// Runs the command. Returns whether all checks passed.
async fn run(arguments: Arguments) -> Result<bool> {
    posthorn_local::install_tls();
    match arguments.command {
        Command::Aws(arguments) => aws::run(arguments).await,
    }
}
