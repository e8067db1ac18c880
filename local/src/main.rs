//! `cargo run`: Posthorn on a laptop.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use clap::{Args, Parser, Subcommand};
use posthorn_local::bench::{self, Benchmark};
use posthorn_local::chaos::{self, Bench, Experiment};
use posthorn_local::{Functions, FunctionsOptions, Receiver, Stores, StoresOptions, demo};
use tracing::level_filters::LevelFilter;

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

#[derive(Args)]
struct StoresArguments {
    /// DynamoDB's port; 0 chooses a free one
    #[arg(long, value_name = "PORT", default_value_t = 8000)]
    dynamodb_port: u16,
    /// SQS's port; 0 chooses a free one
    #[arg(long, value_name = "PORT", default_value_t = 9324)]
    sqs_port: u16,
    /// Keep tables and queues in this directory; without it, they are lost when the process ends
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
}

#[derive(Args)]
struct HttpArguments {
    /// The HTTP API's port; 0 chooses a free one
    #[arg(long, value_name = "PORT", default_value_t = 8080)]
    http_port: u16,
    /// Also trust the certificates in this PEM file when sending webhooks over https
    #[arg(long, value_name = "FILE", env = "SSL_CERT_FILE", hide_env_values = true)]
    trust: Option<String>,
}

#[derive(Args)]
struct AddressArguments {
    /// DynamoDB's address
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:8000")]
    dynamodb: String,
    /// SQS's address
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:9324")]
    sqs: String,
}

#[derive(Args)]
struct SharedArguments {
    /// The SAM template that defines the functions, tables and queues
    #[arg(long, value_name = "FILE", default_value = "template.yaml")]
    template: PathBuf,
    /// Log level of the functions: off, error, warn or info; a debug build also has debug and trace
    #[arg(long, value_name = "LEVEL", default_value = "warn")]
    log_level: LevelFilter,
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
        Some(Command::Chaos { experiments, seed, shared }) => {
            posthorn_runtime::log_text(shared.log_level.min(LevelFilter::ERROR));
            let bench = Bench { template: shared.template, program: std::env::current_exe()?, seed };
            let nothing_lost = chaos::run(&bench, &experiments).await?;
            return Ok(if nothing_lost { ExitCode::SUCCESS } else { ExitCode::FAILURE });
        }
        Some(Command::Bench { benchmark, json, shared }) => {
            posthorn_runtime::log_text(shared.log_level);
            bench::run(&benchmark, &shared.template, json.as_deref()).await?;
        }
        Some(Command::Stores { stores, shared }) => stores_alone(&stores, &shared).await?,
        Some(Command::Functions { http, on, shared }) => functions_alone(&http, on, &shared).await?,
        Some(Command::Environment { on, shared }) => print_environment(on, &shared)?,
        Some(Command::Receive { port, secret }) => receive(port, secret.as_deref()).await?,
    }
    Ok(ExitCode::SUCCESS)
}

async fn everything(stores: &StoresArguments, http: &HttpArguments, shared: &SharedArguments) -> Result<()> {
    posthorn_runtime::log_text(shared.log_level);
    let mut running = Stores::start(&stores.options(shared)).await?;
    let on = AddressArguments { dynamodb: running.dynamodb.clone(), sqs: running.sqs.clone() };
    let mut functions = Functions::start(&http.options(on, shared)).await?;
    println!("Posthorn is running. Press Ctrl-C to stop it.\n");
    print_stores(&running, stores);
    print_try_it(&functions.http);
    tokio::select! {
        ended = running.ended() => ended?,
        ended = functions.ended() => ended?,
        interrupted = tokio::signal::ctrl_c() => interrupted?,
    }
    functions.stop().await?;
    running.stop().await
}

async fn stores_alone(stores: &StoresArguments, shared: &SharedArguments) -> Result<()> {
    posthorn_runtime::log_text(shared.log_level);
    let mut running = Stores::start(&stores.options(shared)).await?;
    println!("The tables and queues are running. Press Ctrl-C to stop them.\n");
    print_stores(&running, stores);
    println!("\nTo run the functions on them:\n");
    println!("  cargo run -- functions --dynamodb {} --sqs {}", running.dynamodb, running.sqs);
    tokio::select! {
        ended = running.ended() => ended?,
        interrupted = tokio::signal::ctrl_c() => interrupted?,
    }
    running.stop().await
}

async fn functions_alone(http: &HttpArguments, on: AddressArguments, shared: &SharedArguments) -> Result<()> {
    posthorn_runtime::log_text(shared.log_level);
    let mut functions = Functions::start(&http.options(on, shared)).await?;
    println!("The functions are running. Press Ctrl-C to stop them.");
    print_try_it(&functions.http);
    tokio::select! {
        ended = functions.ended() => ended?,
        interrupted = tokio::signal::ctrl_c() => interrupted?,
    }
    functions.stop().await
}

fn print_environment(on: AddressArguments, shared: &SharedArguments) -> Result<()> {
    for (name, value) in on.options(0, shared).whole_environment()? {
        println!("{name}={value:?}");
    }
    Ok(())
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
            interrupted = tokio::signal::ctrl_c() => return Ok(interrupted?),
        }
    }
}

impl StoresArguments {
    fn options(&self, shared: &SharedArguments) -> StoresOptions {
        StoresOptions {
            template: shared.template.clone(),
            dynamodb_port: self.dynamodb_port,
            sqs_port: self.sqs_port,
            data: self.data.clone(),
            visibility_timeout: None,
            clock: None,
        }
    }
}

impl HttpArguments {
    fn options(&self, on: AddressArguments, shared: &SharedArguments) -> FunctionsOptions {
        let mut options = on.options(self.http_port, shared);
        let trust = self.trust.iter().map(|file| ("SSL_CERT_FILE".to_owned(), file.clone()));
        options.environment.extend(trust);
        options
    }
}

impl AddressArguments {
    fn options(self, http_port: u16, shared: &SharedArguments) -> FunctionsOptions {
        let log_level = ("LOG_LEVEL".to_owned(), shared.log_level.to_string());
        FunctionsOptions {
            template: shared.template.clone(),
            http_port,
            dynamodb: self.dynamodb,
            sqs: self.sqs,
            account_concurrency: None,
            environment: BTreeMap::from([log_level]),
        }
    }
}

fn print_stores(stores: &Stores, arguments: &StoresArguments) {
    let kept = arguments.data.as_ref().map(|directory| format!("kept in {}", directory.display()));
    println!("  DynamoDB   {}", stores.dynamodb);
    println!("  SQS        {}", stores.sqs);
    println!("  State      {}", kept.as_deref().unwrap_or("in memory (to keep it, pass --data DIR)"));
}

fn print_try_it(http: &str) {
    println!("  HTTP API   {http}");
    println!(
        r#"
In a second terminal, start a receiver:

  cargo run -- receive

In a third terminal, register it and publish an event. No API key is needed here:

  curl {http}/api/webhook-endpoints -H 'content-type: application/json' \
    -d '{{"url": "http://127.0.0.1:9000/", "enabled_events": ["customer.*"]}}'
  curl {http}/api/events -H 'content-type: application/json' \
    -d '{{"type": "customer.created", "data": {{"object": {{"id": "cus_1", "name": "Ada"}}}}}}'
"#
    );
}
