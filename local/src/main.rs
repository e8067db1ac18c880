//! `cargo run`: Posthorn on a laptop.

use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};
use posthorn_local::commands::{
    AddressArguments, HttpArguments, SharedArguments, StoresArguments, everything, functions_alone,
    print_environment, stores_alone, told_to_stop,
};
use posthorn_local::{Receiver, demo};

/// Run Posthorn on a laptop: all functions, tables and queues, on loopback.
#[derive(Parser)]
#[command(version, args_conflicts_with_subcommands = true)]
struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    stores: StoresArguments,
    #[command(flatten)]
    http: HttpArguments,
    #[command(flatten)]
    shared: SharedArguments,
}

#[derive(Subcommand)]
enum Command {
    /// Start everything on free ports, send sample events to a receiver, and check what arrives
    Demo {
        #[command(flatten)]
        shared: SharedArguments,
    },
    /// Serve only the tables and queues
    Stores {
        #[command(flatten)]
        stores: StoresArguments,
        #[command(flatten)]
        shared: SharedArguments,
    },
    /// Run only the functions, on tables and queues that another process serves
    Functions {
        #[command(flatten)]
        http: HttpArguments,
        #[command(flatten)]
        on: AddressArguments,
        #[command(flatten)]
        shared: SharedArguments,
    },
    /// Print the functions' environment variables, for `cargo lambda watch --env-file`
    Environment {
        #[command(flatten)]
        on: AddressArguments,
        #[command(flatten)]
        shared: SharedArguments,
    },
    /// Start a webhook receiver, and print every webhook that arrives
    Receive {
        /// The port to listen on
        #[arg(long, default_value_t = 9000)]
        port: u16,
        /// The endpoint's signing secret, to verify signatures with
        #[arg(long, value_name = "WHSEC")]
        secret: Option<String>,
    },
}

#[tokio::main]
async fn main() -> ExitCode {
    match Box::pin(run(Arguments::parse())).await {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn run(arguments: Arguments) -> Result<ExitCode> {
    match arguments.command {
        None => everything(&arguments.stores, &arguments.http, &arguments.shared).await?,
        Some(Command::Demo { shared }) => {
            posthorn_runtime::log_text(shared.log_level);
            let as_expected = demo::run(&shared.template).await?;
            return Ok(if as_expected { ExitCode::SUCCESS } else { ExitCode::FAILURE });
        }
        Some(Command::Stores { stores, shared }) => stores_alone(&stores, &shared).await?,
        Some(Command::Functions { http, on, shared }) => functions_alone(&http, on, &shared).await?,
        Some(Command::Environment { on, shared }) => print_environment(on, &shared)?,
        Some(Command::Receive { port, secret }) => receive(port, secret.as_deref()).await?,
    }
    Ok(ExitCode::SUCCESS)
}

async fn receive(port: u16, secret: Option<&str>) -> Result<()> {
    let mut receiver = Receiver::start(port, |_, _| http::StatusCode::OK).await?;
    println!("The receiver prints every webhook sent to {}/. Press Ctrl-C to stop it.", receiver.url);
    loop {
        tokio::select! {
            arrival = receiver.next() => {
                let signature = secret.map(|secret| match arrival.verify(secret) {
                    Ok(()) => "verified".to_owned(),
                    Err(error) => format!("INVALID: {error:#}"),
                });
                println!("\nPOST {}", arrival.path);
                for (name, value) in &arrival.headers {
                    println!("{name}: {}", String::from_utf8_lossy(value.as_bytes()));
                }
                println!("\n{}", String::from_utf8_lossy(&arrival.body));
                println!("\nsignature: {}", signature.as_deref().unwrap_or("not checked (needs --secret)"));
            }
            told = told_to_stop() => return told,
        }
    }
}
