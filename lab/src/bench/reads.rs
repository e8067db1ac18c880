//! Measures the cost of a page of each list in event logs of different sizes.

use std::time::Duration;

use anyhow::{Result, ensure};
use futures::{StreamExt as _, TryStreamExt as _, stream};
use http::StatusCode;
use posthorn_domain::{
    Attempt, Clock as _, Delivery, DeliveryStatus, EndpointId, EventDraft, EventId, EventShards, Fields,
    Mode, Random as _, Tenant, Timestamp,
};
use posthorn_local::proxy::Proxy;
use posthorn_local::{DEVELOPMENT_ACCOUNT, Functions, FunctionsOptions, Stores, StoresOptions};
use posthorn_local_aws::clients;
use posthorn_runtime::{SystemClock, SystemRandom};
use posthorn_storage::{EventLog, EventRecord, RecordKey, Written};
use serde_json::{Value, json};

use super::meter::Meter;
use super::report::{Report, Row};

/// Types of the events, used in rotation.
const TYPES: [&str; 10] = [
    "customer.created",
    "customer.updated",
    "invoice.created",
    "invoice.paid",
    "invoice.voided",
    "order.created",
    "order.paid",
    "order.sent",
    "payout.paid",
    "refund.created",
];
/// The events table.
const TABLE: &str = "EventsTable";
const RETENTION: Duration = Duration::from_hours(30 * 24);
/// One delivery in this many has failed.
const FAILURES: u64 = 100;
/// Number of events written at the same time.
const AT_ONCE: usize = 64;

/// The cost of one page of a list.
#[derive(Debug, Clone, PartialEq)]
pub struct PageCost {
    /// Number of events in the log.
    pub events: u64,
    /// Number of shards over which the events of each type are spread.
    pub shards: EventShards,
    /// The list.
    pub list: &'static str,
    /// Number of entries on the page.
    pub entries: usize,
    /// Number of calls to the events table.
    pub calls: u64,
    /// Number of read units that they used.
    pub read_units: f64,
}

/// Returns the cost of pages of 20 entries in a log of `events` events of about 1 KB to one endpoint. The events have
/// ten types, each in `shards` shards.
pub async fn page_costs(options: &StoresOptions, events: u64, shards: EventShards) -> Result<Vec<PageCost>> {
    let stores = Stores::start(options).await?;
    let proxy = Proxy::start(&stores.dynamodb, Meter::default()).await?;
    let functions = Functions::start(&FunctionsOptions {
        template: options.template.clone(),
        dynamodb: proxy.url.clone(),
        sqs: stores.sqs.clone(),
        ..FunctionsOptions::default()
    })
    .await?;
    let endpoint_id = register(&functions.http).await?;
    let log = EventLog::new(clients::dynamodb(&stores.dynamodb), TABLE.to_owned(), RETENTION);
    fill(&log, endpoint_id.parse().map_err(anyhow::Error::msg)?, events, shards).await?;
    let mut costs = Vec::new();
    for (list, path) in lists(&endpoint_id) {
        proxy.gate.take();
        let page = get(&functions.http, &path).await?;
        let (entries, calls, read_units) = cost(&page, &proxy.gate);
        costs.push(PageCost { events, shards, list, entries, calls, read_units });
    }
    functions.stop().await?;
    stores.stop().await?;
    Ok(costs)
}

/// The figures as a report.
pub(super) fn report(costs: &[PageCost]) -> Report {
    let rows = costs.iter().map(|cost| {
        Row::default()
            .count("events_in_the_log", cost.events)
            .text("shards", cost.shards.to_string())
            .text("list", cost.list)
            .count("entries", cost.entries)
            .count("calls", cost.calls)
            .number("read_units", cost.read_units)
    });
    Report { benchmark: "reads", rows: rows.collect(), goals: Vec::new() }
}

/// The lists, and their paths.
fn lists(endpoint_id: &str) -> [(&'static str, String); 6] {
    let attempts = format!("/api/webhook-attempts?webhook_endpoint_id={endpoint_id}");
    [
        ("events", "/api/events?limit=20".to_owned()),
        ("events of one type", "/api/events?limit=20&type=order.paid".to_owned()),
        ("events of a prefix", "/api/events?limit=20&type=invoice.*".to_owned()),
        ("attempts at an endpoint", format!("{attempts}&limit=20")),
        ("failed attempts at an endpoint", format!("{attempts}&limit=20&status=failed")),
        ("an endpoint, with its last attempts", format!("/api/webhook-endpoints/{endpoint_id}")),
    ]
}

/// Returns the number of entries on a page, of calls to the events table, and of read units used.
fn cost(page: &Value, meter: &Meter) -> (usize, u64, f64) {
    let entries = page["list"].as_array().or_else(|| page["attempts"].as_array()).map_or(0, Vec::len);
    let used = meter.take();
    let of_events = || used.iter().filter(|((table, _), _)| table == TABLE).map(|(_, used)| used);
    let (calls, read_units) =
        (of_events().map(|used| used.calls).sum(), of_events().map(|used| used.units).sum());
    (entries, calls, read_units)
}

async fn register(http: &str) -> Result<String> {
    let endpoint = json!({ "url": "https://example.com/", "enabled_events": ["*"] });
    let request = reqwest::Client::new().post(format!("{http}/api/webhook-endpoints"));
    let request = request.header("content-type", "application/json").body(endpoint.to_string());
    let answer: Value = serde_json::from_str(&request.send().await?.error_for_status()?.text().await?)?;
    Ok(answer["id"].as_str().unwrap_or_default().to_owned())
}

async fn get(http: &str, path: &str) -> Result<Value> {
    let answer = reqwest::get(format!("{http}{path}")).await?;
    ensure!(answer.status() == StatusCode::OK, "{path} returned {}", answer.status());
    Ok(serde_json::from_str(&answer.text().await?)?)
}

/// Writes events that were accepted one per second, until now.
async fn fill(log: &EventLog, endpoint_id: EndpointId, events: u64, shards: EventShards) -> Result<()> {
    let now = SystemClock.now();
    let written = (0..events).map(|number| {
        let at = now.minus(Duration::from_millis(events - number));
        async move { write(log, endpoint_id, number, at, shards).await }
    });
    stream::iter(written).buffer_unordered(AT_ONCE).try_collect::<()>().await
}

async fn write(
    log: &EventLog,
    endpoint_id: EndpointId,
    number: u64,
    at: Timestamp,
    shards: EventShards,
) -> Result<()> {
    let tenant =
        Tenant { account: DEVELOPMENT_ACCOUNT.parse().map_err(anyhow::Error::msg)?, mode: Mode::Live };
    let event_type = TYPES[usize::try_from(number % 10)?].parse().map_err(anyhow::Error::msg)?;
    let id = EventId::of_event(at, &event_type, shards, SystemRandom.bits());
    let noise: Vec<u64> = (0..32).map(|_| SystemRandom.bits()).collect();
    let object = json!({ "object": "thing", "id": number.to_string(), "noise": noise });
    let draft = json!({ "type": event_type, "data": { "object": object } }).to_string();
    let draft = EventDraft::read(&mut Fields::parse(&draft)?)?;
    let failed = number.is_multiple_of(FAILURES);
    let code = Some(if failed { 500 } else { 200 });
    let attempt = Attempt { duration: Duration::from_millis(20), code, ..Attempt::begun(at) };
    let status = if failed { DeliveryStatus::Failed } else { DeliveryStatus::Succeeded };
    let delivery =
        Delivery { status, next_attempt_at: None, attempts: vec![attempt], ..Delivery::due(endpoint_id, at) };
    let body = draft.accept(Mode::Live, id).to_json().into();
    let record =
        EventRecord { body, chunks: Vec::new(), deliveries: vec![delivery], only: None, expires_at: None };
    let key = RecordKey { tenant, event_id: id, chunk: None };
    let written = log.create(&key, &event_type, &record, SystemClock.now()).await?;
    ensure!(written == Written::Now, "the event {id} already exists");
    Ok(())
}
