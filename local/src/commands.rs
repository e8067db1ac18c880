//! The commands that serve Posthorn on a laptop. The lab starts these as processes of their own, too.

use std::collections::BTreeMap;
use std::path::PathBuf;

use anyhow::{Result, bail};
use clap::Args;
use tokio::signal::unix::{SignalKind, signal};
use tracing::level_filters::LevelFilter;

use crate::functions::{DEVELOPMENT_KEY, Functions, FunctionsOptions};
use crate::stores::{Stores, StoresOptions};

/// The ports of the tables and queues, and where they are kept.
#[derive(Debug, Args)]
pub struct StoresArguments {
    /// DynamoDB's port; 0 chooses a free one
    #[arg(long, value_name = "PORT", default_value_t = 8000)]
    pub dynamodb_port: u16,
    /// SQS's port; 0 chooses a free one
    #[arg(long, value_name = "PORT", default_value_t = 9324)]
    pub sqs_port: u16,
    /// Keep tables and queues in this directory; without it, they are lost when the process ends
    #[arg(long, value_name = "DIR")]
    pub data: Option<PathBuf>,
}

/// The port of the HTTP API, and whom its functions trust.
#[derive(Debug, Args)]
pub struct HttpArguments {
    /// The HTTP API's port; 0 chooses a free one
    #[arg(long, value_name = "PORT", default_value_t = 8080)]
    pub http_port: u16,
    /// Also trust the certificates in this PEM file when sending webhooks over https
    #[arg(long, value_name = "FILE", env = "SSL_CERT_FILE", hide_env_values = true)]
    pub trust: Option<String>,
    /// Require an API key or a signature, as on AWS; without this, requests that have none get a development key
    #[arg(long)]
    pub require_keys: bool,
}

/// The addresses of tables and queues that another process serves.
#[derive(Debug, Args)]
pub struct AddressArguments {
    /// DynamoDB's address
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:8000")]
    pub dynamodb: String,
    /// SQS's address
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:9324")]
    pub sqs: String,
}

/// What every command takes.
#[derive(Debug, Args)]
pub struct SharedArguments {
    /// The SAM template that defines the functions, tables and queues
    #[arg(long, value_name = "FILE", default_value = "template.yaml")]
    pub template: PathBuf,
    /// Log level of the functions: off, error, warn or info; a debug build also has debug and trace
    #[arg(long, value_name = "LEVEL", default_value = "warn")]
    pub log_level: LevelFilter,
}

/// Serves tables and queues, and runs the functions on them, until the process is told to stop.
pub async fn everything(
    stores: &StoresArguments,
    http: &HttpArguments,
    shared: &SharedArguments,
) -> Result<()> {
    posthorn_runtime::log_text(shared.log_level);
    let mut running = Stores::start(&stores.options(shared)).await?;
    let on = AddressArguments { dynamodb: running.dynamodb.clone(), sqs: running.sqs.clone() };
    let mut functions = Functions::start(&http.options(on, shared)).await?;
    println!("Posthorn is running. Press Ctrl-C to stop it.\n");
    print_stores(&running, stores);
    print_try_it(&functions.http, http.require_keys);
    tokio::select! {
        ended = running.ended() => ended?,
        ended = functions.ended() => ended?,
        told = told_to_stop() => told?,
    }
    stopping(async {
        functions.stop().await?;
        running.stop().await
    })
    .await
}

/// Serves only the tables and queues.
pub async fn stores_alone(stores: &StoresArguments, shared: &SharedArguments) -> Result<()> {
    posthorn_runtime::log_text(shared.log_level);
    let mut running = Stores::start(&stores.options(shared)).await?;
    println!("The tables and queues are running. Press Ctrl-C to stop them.\n");
    print_stores(&running, stores);
    println!("\nTo run the functions on them:\n");
    println!("  cargo run -- functions --dynamodb {} --sqs {}", running.dynamodb, running.sqs);
    tokio::select! {
        ended = running.ended() => ended?,
        told = told_to_stop() => told?,
    }
    stopping(running.stop()).await
}

/// Runs only the functions, on tables and queues that another process serves.
pub async fn functions_alone(
    http: &HttpArguments,
    on: AddressArguments,
    shared: &SharedArguments,
) -> Result<()> {
    posthorn_runtime::log_text(shared.log_level);
    let mut functions = Functions::start(&http.options(on, shared)).await?;
    println!("The functions are running. Press Ctrl-C to stop them.");
    print_try_it(&functions.http, http.require_keys);
    tokio::select! {
        ended = functions.ended() => ended?,
        told = told_to_stop() => told?,
    }
    stopping(functions.stop()).await
}

/// Waits until the process is told to stop, by Ctrl-C or SIGTERM.
pub async fn told_to_stop() -> Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    tokio::select! {
        interrupted = tokio::signal::ctrl_c() => interrupted?,
        _ = terminate.recv() => {}
    }
    Ok(())
}

/// Stops in good order: invocations that are running end first. Stops at once when it is told a second time.
async fn stopping(stop: impl Future<Output = Result<()>>) -> Result<()> {
    println!("Stopping when running invocations have ended. To stop at once, press Ctrl-C again.");
    tokio::select! {
        stopped = stop => stopped,
        told = told_to_stop() => {
            told?;
            bail!("stopped while invocations were running; their messages are received again at the next start")
        }
    }
}

/// Prints the functions' environment variables.
pub fn print_environment(on: AddressArguments, shared: &SharedArguments) -> Result<()> {
    for (name, value) in on.options(0, shared).whole_environment()? {
        println!("{name}={value:?}");
    }
    Ok(())
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
        options.requires_keys = self.require_keys;
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
            requires_keys: false,
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

fn print_try_it(http: &str, requires_keys: bool) {
    println!("  HTTP API   {http}");
    let (needed, key) = if requires_keys {
        (DEVELOPMENT_KEY, format!(" -H 'authorization: Bearer {DEVELOPMENT_KEY}'"))
    } else {
        ("not needed", String::new())
    };
    println!("  API key    {needed}");
    println!(
        r#"
In a second terminal, start a receiver:

  cargo run -- receive

In a third terminal, register it and publish an event:

  curl {http}/api/webhook-endpoints{key} -H 'content-type: application/json' \
    -d '{{"url": "http://127.0.0.1:9000/", "enabled_events": ["customer.*"]}}'
  curl {http}/api/events{key} -H 'content-type: application/json' \
    -d '{{"type": "customer.created", "data": {{"object": {{"id": "cus_1", "name": "Ada"}}}}}}'
"#
    );
}
