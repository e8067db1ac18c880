//! `posthorn keys`: makes, lists and ends API keys, with ordinary AWS credentials.

mod keys;
mod tables;

use std::process::ExitCode;

use anyhow::Result;
use clap::{Args, Parser, Subcommand};

use keys::{Create, List, Revoke};

/// Administers Posthorn. AWS credentials and region come from where the AWS CLI takes them.
#[derive(Parser)]
#[command(name = "posthorn", version)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// API keys
    Keys {
        #[command(subcommand)]
        command: Keys,
        #[command(flatten)]
        table: TableArguments,
    },
}

#[derive(Subcommand)]
enum Keys {
    /// Make a key. It is printed once, and kept nowhere
    Create(Create),
    /// List an account's keys
    List(List),
    /// End a key: it opens nothing any more after 30 seconds
    Revoke(Revoke),
}

#[derive(Args)]
struct TableArguments {
    /// The endpoints table: the stack's output EndpointsTableName
    #[arg(long, global = true, value_name = "TABLE", default_value = "EndpointsTable")]
    table: String,
    /// DynamoDB's address, where it is not AWS's: of a laptop, http://127.0.0.1:8000
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
    let Command::Keys { command, table } = arguments.command;
    let store = tables::api_keys(table.table, table.endpoint_url).await;
    match command {
        Keys::Create(create) => create.run(&store).await,
        Keys::List(list) => list.run(&store).await,
        Keys::Revoke(revoke) => revoke.run(&store).await,
    }
}
