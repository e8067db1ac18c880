//! `cargo run -- demo`: runs the whole system, and checks that every endpoint got exactly the events it should.

mod delivery_check;
mod endpoints;
mod samples;

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use aws_sdk_sqs::types::QueueAttributeName;
use posthorn_local_aws::clients;
use posthorn_local_aws::template::queue_url;
use serde_json::{Value, json};
use tokio::time::{Instant, timeout};

use crate::functions::{Functions, FunctionsOptions};
use crate::receiver::Receiver;
use crate::stores::{Stores, StoresOptions};
use delivery_check::DeliveryCheck;
use endpoints::ENDPOINTS;

/// Maximum time for all deliveries.
const PATIENCE: Duration = Duration::from_mins(1);
/// The waits before retries, instead of the template's.
const RETRY_SCHEDULE: &str = "1s, 1s, 1s";

/// Starts everything on free ports, publishes sample events, and shows what arrives. Returns whether exactly the
/// expected events arrived.
pub async fn run(template: &Path) -> Result<bool> {
    let mut receiver = Receiver::start(0, endpoints::answer()).await?;
    let stores = StoresOptions { template: template.to_owned(), ..StoresOptions::default() };
    let stores = Stores::start(&stores).await?;
    let retries = BTreeMap::from([("RETRY_SCHEDULE".to_owned(), RETRY_SCHEDULE.to_owned())]);
    let functions = Functions::start(&FunctionsOptions {
        template: template.to_owned(),
        http_port: 0,
        dynamodb: stores.dynamodb.clone(),
        sqs: stores.sqs.clone(),
        account_concurrency: None,
        requires_keys: false,
        environment: retries,
    })
    .await?;
    println!("Posthorn is running at {}, and a receiver of webhooks at {}.\n", functions.http, receiver.url);

    println!("Retries come after {RETRY_SCHEDULE} here, instead of the template's 5 s to 24 h.\n");

    let mut check = DeliveryCheck::new(register(&functions.http, &receiver.url).await?);
    let began = Instant::now();
    publish(&functions.http, &stores.sqs, &mut check).await?;
    println!("\nArrived:\n");
    watch(&mut receiver, &stores.sqs, &mut check, began).await?;

    println!("\n{}", check.summary());
    let as_expected = check.is_as_expected();
    let verdict = if as_expected {
        "Exactly the expected deliveries arrived."
    } else {
        "The deliveries are NOT as expected."
    };
    println!("{verdict}");
    functions.stop().await?;
    stores.stop().await?;
    Ok(as_expected)
}

/// Registers the endpoints. Returns their secrets, by name.
async fn register(http: &str, receiver: &str) -> Result<BTreeMap<&'static str, String>> {
    println!("Endpoints:");
    let mut secrets = BTreeMap::new();
    for endpoint in &ENDPOINTS {
        let body = json!({
            "url": format!("{receiver}/{}", endpoint.name),
            "enabled_events": endpoint.enabled_events,
            "description": endpoint.description,
            "status": if endpoint.enabled { "enabled" } else { "disabled" },
        });
        let created = post(&format!("{http}/api/webhook-endpoints"), &body.to_string()).await?;
        let secret = created["secret"].as_str().context("the response has no secret")?;
        secrets.insert(endpoint.name, secret.to_owned());
        println!(
            "  {:<9} {:<28} {}",
            endpoint.name,
            endpoint.enabled_events.join(", "),
            endpoint.description
        );
    }
    Ok(secrets)
}

/// Publishes the sample events: one in its own request, some as a batch, and some through the queue.
async fn publish(http: &str, sqs: &str, check: &mut DeliveryCheck) -> Result<()> {
    println!("\nPublished:");
    post(&format!("{http}/api/events"), &samples::single()).await?;
    check.expect(&serde_json::from_str(&samples::single())?, "POST /api/events");

    post(&format!("{http}/api/events/batch"), &samples::batch()).await?;
    let batch: Value = serde_json::from_str(&samples::batch())?;
    for event in batch["events"].as_array().into_iter().flatten() {
        check.expect(event, "POST /api/events/batch");
    }

    for body in samples::queued() {
        let send = clients::sqs(sqs).send_message().queue_url(queue_url(sqs, "EventsQueue"));
        send.message_body(&body).send().await?;
        check.expect(&serde_json::from_str::<Value>(&body)?["event"], "the events queue");
    }
    Ok(())
}

/// Shows arrivals until everything expected has arrived and all queues are empty.
async fn watch(receiver: &mut Receiver, sqs: &str, check: &mut DeliveryCheck, began: Instant) -> Result<()> {
    while began.elapsed() < PATIENCE {
        match timeout(Duration::from_millis(200), receiver.next()).await {
            Ok(arrival) => println!("  {}", check.record(&arrival, began.elapsed())),
            Err(_) if check.is_complete() && all_empty(sqs).await? => return Ok(()),
            Err(_) => {}
        }
    }
    Ok(())
}

async fn all_empty(sqs: &str) -> Result<bool> {
    let client = clients::sqs(sqs);
    for url in client.list_queues().send().await?.queue_urls.unwrap_or_default() {
        let ask = client.get_queue_attributes().queue_url(url).attribute_names(QueueAttributeName::All);
        let attributes = ask.send().await?.attributes.unwrap_or_default();
        let messages = attributes.iter().filter(|(name, _)| name.as_str().starts_with("ApproximateNumber"));
        if messages.into_iter().any(|(_, number)| number != "0") {
            return Ok(false);
        }
    }
    Ok(true)
}

async fn post(url: &str, body: &str) -> Result<Value> {
    let request = reqwest::Client::new().post(url).header("content-type", "application/json");
    let response = request.body(body.to_owned()).send().await?;
    let (status, text) = (response.status(), response.text().await?);
    ensure!(status.is_success(), "{url} returned {status}: {text}");
    Ok(serde_json::from_str(&text)?)
}
