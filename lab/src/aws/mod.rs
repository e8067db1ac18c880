//! `posthorn-lab aws`: checks a deployed stack from outside, as its users do.

mod api;
mod checks;
mod clients;
mod inbox;
mod key;
mod lab;
mod report;

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use clap::Args;
use posthorn_cli::aws::stack::StackOutputs;
use posthorn_storage::{DueRetries, Grants};

use api::Api;
use clients::Clients;
use inbox::Inbox;
use key::TemporaryKey;
use lab::Lab;
use report::Report;

/// What `posthorn-lab aws` takes.
#[derive(Debug, Args)]
pub struct Arguments {
    /// The stack to check
    #[arg(long, value_name = "NAME")]
    stack: String,
    /// The API's base URL [default: the stack's output ApiUrl]
    #[arg(long, value_name = "URL")]
    api_url: Option<String>,
    /// The port of 127.0.0.1 to receive webhooks at; 0 chooses a free one
    #[arg(long, value_name = "PORT", default_value_t = 0)]
    receiver_port: u16,
    /// The public https address that leads to that port, such as a tunnel's [default: the port's own address]
    #[arg(long, value_name = "URL")]
    receiver_url: Option<String>,
    /// How many events to measure
    #[arg(long, value_name = "N", default_value_t = 50)]
    events: usize,
    /// How many seconds to wait for an expected result
    #[arg(long, value_name = "SECONDS", default_value_t = 60)]
    patience: u64,
    /// Also check that a retry in the due table is sent when it is due. Takes three minutes
    #[arg(long)]
    sweep: bool,
    /// Also check that an unreadable message becomes a dead letter within this many seconds. Its three receipts take
    /// fifteen
    #[arg(long, value_name = "SECONDS")]
    dead_letter: Option<u64>,
    /// Also check that an event that makes fan-out panic does not affect the rest of its batch. Fan-out must have this
    /// text in POSTHORN_PANIC_ON
    #[arg(long, value_name = "TEXT", requires_all = ["cure", "dead_letter"])]
    panics_on: Option<String>,
    /// The shell command to run when that event is a dead letter. It must remove POSTHORN_PANIC_ON from fan-out and
    /// redrive the events' dead letters
    #[arg(long, value_name = "COMMAND", requires = "panics_on")]
    cure: Option<String>,
}

/// Checks the stack. Returns whether all checks passed.
pub async fn run(arguments: Arguments) -> Result<bool> {
    // Credentials, region and addresses (`AWS_ENDPOINT_URL`) are read from the same places as by the AWS CLI.
    let config = posthorn_cli::aws::config(None).await;
    let clients = Clients::new(&config);
    let outputs = StackOutputs::read(&arguments.stack, &config).await?;
    let output = |name: &str| outputs.get(name);
    let api_url = arguments.api_url.clone().map_or_else(|| output("ApiUrl"), Ok)?;
    require_reachable(&arguments, &api_url)?;
    let keys = Grants::new(clients.dynamodb.clone(), output("EndpointsTableName")?);
    let due = DueRetries::new(clients.dynamodb, output("DueTableName")?);
    let (events_queue, events_dead_letters) =
        (output("EventsQueueUrl")?, output("EventsDeadLetterQueueUrl")?);
    let inbox = Inbox::open(arguments.receiver_port, arguments.receiver_url.clone()).await?;
    let http = api::client()?;
    // From here on, nothing may return before the key is revoked.
    let key = TemporaryKey::create(keys).await?;
    println!("Checking {api_url} with the account {}. Webhooks go to {}.\n", key.account, inbox.url);
    let lab = Lab {
        api: Api::new(http, &api_url, key.text.clone()),
        account: key.account.clone(),
        inbox,
        sqs: clients.sqs,
        events_queue,
        events_dead_letters,
        due,
        patience: Duration::from_secs(arguments.patience),
    };
    let mut report = Report::default();
    check(&lab, &arguments, &mut report).await;
    println!("\n{}", report.table());
    let deleted = lab.delete_everything().await;
    key.revoke().await?;
    deleted.context("cannot delete all endpoints that the checks registered")?;
    Ok(report.all_held())
}

/// Errors if the receiver is on this machine's loopback and the stack is not.
fn require_reachable(arguments: &Arguments, api_url: &str) -> Result<()> {
    let is_here = api_url.starts_with("http://127.0.0.1:") || api_url.starts_with("http://localhost:");
    ensure!(
        is_here || arguments.receiver_url.is_some(),
        "{api_url} cannot reach 127.0.0.1. Set --receiver-url, such as to the address of a tunnel to --receiver-port"
    );
    Ok(())
}

async fn check(lab: &Lab, arguments: &Arguments, report: &mut Report) {
    use checks::{
        dead_letters, endpoints, feed, latency, poison, problems, publishing, recovery, retries, sweep,
    };

    // A retry in the due table takes minutes. The other checks run meanwhile.
    let swept = if arguments.sweep { Some(sweep::begin(lab).await) } else { None };
    report.check("a route that does not exist is a 404 problem", problems::unknown_route(lab)).await;
    report.check("a request without a key is a 401 problem", problems::no_key(lab)).await;
    report.check("an endpoint that does not exist is a 404 problem", problems::unknown_endpoint(lab)).await;
    report.check("an endpoint is created, listed, read, changed and deleted", endpoints::life(lab)).await;
    report.check("a secret is read and rotated, and both sign", endpoints::rotation(lab)).await;
    report.check("a test event arrives", endpoints::test_event(lab)).await;
    report.check("an event published by HTTP arrives", publishing::by_http(lab)).await;
    report.check("a batch of events arrives", publishing::by_batch(lab)).await;
    report.check("an event sent to the events queue arrives", publishing::by_queue(lab)).await;
    report.check("a published event is listed, read and its attempts shown", publishing::reads(lab)).await;
    report.check("the feed shows what is published", feed::follows(lab)).await;
    report.check("a 503 is retried after 5 s (± 20 percent)", retries::after_a_503(lab)).await;
    report.check("an event is resent on request", retries::by_hand(lab)).await;
    report.check("a recovery resends what an endpoint missed", recovery::of_failures(lab)).await;
    let limit = arguments.dead_letter.map(Duration::from_secs);
    if let Some(limit) = limit {
        let name = "an unreadable message becomes a dead letter";
        report.check(name, dead_letters::unreadable_message(lab, limit)).await;
    }
    if let (Some(text), Some(cure), Some(limit)) = (&arguments.panics_on, &arguments.cure, limit) {
        let name = "an event that makes fan-out panic does not affect its batch, and arrives after a redrive";
        report.check(name, poison::in_a_batch(lab, text, cure, limit)).await;
    }
    if let Some(begun) = swept {
        report.check("a retry in the due table is sent when it is due", sweep::arrives(lab, begun)).await;
    }
    report.check("single events arrive (measured)", latency::measure(lab, arguments.events)).await;
}
