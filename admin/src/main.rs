//! `posthorn`: Posthorn at the terminal. `listen` forwards events to a program on this machine. The other commands use AWS
//! credentials: `keys` creates, lists and revokes API keys, `events` and `deliveries` move dead letters back.

mod api;
mod contents;
mod dead_letters;
mod keys;
mod listen;
mod redrive;
mod report;
mod resend;
mod tables;

use std::process::ExitCode;

use anyhow::Result;
use clap::{Args, Parser, Subcommand};

use contents::Contents;
use keys::{Create, List, Revoke};
use listen::Listen;
use redrive::Redrive;

/// Posthorn at the terminal. `keys`, `events` and `deliveries` read AWS credentials and region from the same places as the
/// AWS CLI
#[derive(Parser)]
#[command(name = "posthorn", version)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Forward events to a program on this machine, as they come, signed as deliveries are
    Listen(Listen),
    /// API keys in AWS
    Keys {
        #[command(subcommand)]
        command: Keys,
        #[command(flatten)]
        table: TableArguments,
    },
    /// Dead letters of the events queue
    Events {
        #[command(subcommand)]
        command: DeadLetters,
    },
    /// Dead letters of the deliveries queues: deliveries and recoveries
    Deliveries {
        #[command(subcommand)]
        command: DeadLetters,
    },
}

#[derive(Subcommand)]
enum Keys {
    /// Create a key. It is printed once and never stored
    Create(Create),
    /// List an account's keys
    List(List),
    /// Revoke a key. Functions refuse it within 30 seconds
    Revoke(Revoke),
}

#[derive(Subcommand)]
enum DeadLetters {
    /// Move dead letters back to their queue, with their original ids. Messages that no function can read stay
    Redrive(Redrive),
}

#[derive(Args)]
struct TableArguments {
    /// The CloudFormation stack. Its output names the endpoints table
    #[arg(long, global = true, value_name = "NAME", conflicts_with = "table")]
    stack: Option<String>,
    /// The endpoints table, if you give no stack
    #[arg(long, global = true, value_name = "TABLE", default_value = "EndpointsTable")]
    table: String,
    /// DynamoDB's address, if it is not AWS's. On a laptop: http://127.0.0.1:8000
    #[arg(long, global = true, value_name = "URL")]
    endpoint_url: Option<String>,
}

#[tokio::main]
async fn main() -> ExitCode {
    match run(Arguments::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn run(arguments: Arguments) -> Result<()> {
    match arguments.command {
        Command::Listen(listen) => {
            // This fails if a provider is installed already.
            let _ = rustls::crypto::ring::default_provider().install_default();
            listen.run().await
        }
        Command::Keys { command, table } => {
            let store = tables::grants(table).await?;
            match command {
                Keys::Create(create) => create.run(&store).await,
                Keys::List(list) => list.run(&store).await,
                Keys::Revoke(revoke) => revoke.run(&store).await,
            }
        }
        Command::Events { command: DeadLetters::Redrive(redrive) } => redrive.run(Contents::Events).await,
        Command::Deliveries { command: DeadLetters::Redrive(redrive) } => {
            redrive.run(Contents::Deliveries).await
        }
    }
}
