//! The events and endpoints that several benchmarks share.

use std::path::Path;

use anyhow::Result;
use aws_lambda_events::event::sqs::{SqsEvent, SqsMessage};
use posthorn_domain::{
    Clock as _, Endpoint, Fields, Health, HealthState, Mode, NewEndpoint, Random, Tenant, Timestamp,
};
use posthorn_local::{DEVELOPMENT_ACCOUNT, FunctionsOptions, Stores, StoresOptions, runtime_of};
use posthorn_runtime::{Runtime, SystemClock, SystemRandom};
use serde_json::{Value, json};

/// The type of the events that are sent.
pub(crate) const EVENT_TYPE: &str = "invoice.paid";
/// Bytes of an event's body besides its noise.
const BESIDES_NOISE: usize = 260;

/// The tenant of the events.
pub(crate) fn tenant() -> Tenant {
    Tenant { account: DEVELOPMENT_ACCOUNT.parse().expect("it is a valid account id"), mode: Mode::Live }
}

/// An event whose body has about this number of bytes. Half of them are random, like ids and amounts; the other half
/// are names and words, as in real events.
pub(crate) fn event(bytes: usize) -> Value {
    let mut lines = Vec::new();
    let mut left = bytes.saturating_sub(BESIDES_NOISE);
    while left > 0 {
        let id = format!("{:016x}", SystemRandom.bits());
        let line =
            json!({ "object": "line", "id": id, "amount": SystemRandom.bits() % 100_000, "currency": "usd" });
        left = left.saturating_sub(line.to_string().len() + 1);
        lines.push(line);
    }
    json!({ "type": EVENT_TYPE, "data": { "object": { "object": "invoice", "lines": lines } } })
}

/// The body of a message of the events queue.
pub(crate) fn message(event: &Value) -> String {
    json!({ "account": DEVELOPMENT_ACCOUNT, "livemode": true, "event": event }).to_string()
}

/// A batch of messages that were just sent, as Lambda passes it to a function.
pub(crate) fn batch(bodies: impl IntoIterator<Item = String>) -> SqsEvent {
    let mut event = SqsEvent::default();
    let sent_at = SystemClock.now().as_millis().to_string();
    let records = bodies.into_iter().map(|body| {
        let mut record = SqsMessage::default();
        record.message_id = Some(format!("{:032x}", SystemRandom.bits()));
        record.body = Some(body);
        record.attributes.insert("SentTimestamp".to_owned(), sent_at.clone());
        record.attributes.insert("ApproximateReceiveCount".to_owned(), "1".to_owned());
        record
    });
    event.records = records.collect();
    event
}

/// Endpoints at these URLs that want all events and are known to be healthy, so that fan-out itself sends to them.
pub(crate) fn healthy_endpoints(urls: impl IntoIterator<Item = String>) -> Result<Vec<Endpoint>> {
    let endpoints = urls.into_iter().map(|url| {
        let fields = json!({ "url": url, "enabled_events": ["*"] }).to_string();
        let new = NewEndpoint::read(&mut Fields::parse(&fields)?)?;
        let endpoint = new.register(&tenant(), SystemClock.now(), &SystemRandom);
        let health = Health::new(HealthState::Healthy, Timestamp::from_millis(0));
        Ok(Endpoint { health, ..endpoint })
    });
    endpoints.collect()
}

/// Starts the template's tables and queues on free ports.
pub(crate) async fn stores(template: &Path) -> Result<Stores> {
    Stores::start(&StoresOptions { template: template.to_owned(), ..StoresOptions::default() }).await
}

/// The options of the template's functions on these tables and queues.
pub(crate) fn options(template: &Path, stores: &Stores) -> FunctionsOptions {
    FunctionsOptions {
        template: template.to_owned(),
        dynamodb: stores.dynamodb.clone(),
        sqs: stores.sqs.clone(),
        ..FunctionsOptions::default()
    }
}

/// The runtime that a function would have on these tables and queues.
pub(crate) fn runtime(template: &Path, stores: &Stores, function: &str) -> Result<Runtime> {
    runtime_with(template, stores, function, None)
}

/// The same with further environment variables.
pub(crate) fn runtime_with(
    template: &Path,
    stores: &Stores,
    function: &str,
    environment: impl IntoIterator<Item = (&'static str, String)>,
) -> Result<Runtime> {
    let environment = environment.into_iter().map(|(name, value)| (name.to_owned(), value));
    let options = FunctionsOptions { environment: environment.collect(), ..options(template, stores) };
    runtime_of(function, &options)
}
