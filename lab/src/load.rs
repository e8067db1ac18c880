//! Publishes numbered events, and measures how long each takes to arrive.

use std::time::Duration;

use anyhow::{Context as _, Result};
use aws_sdk_sqs::types::QueueAttributeName;
use futures::StreamExt as _;
use futures::stream::iter;
use posthorn_local::{Arrival, QUEUES, Receiver};
use posthorn_local_aws::clients;
use posthorn_local_aws::template::queue_url;
use serde_json::{Value, json};
use tokio::time::{Instant, sleep, sleep_until, timeout};

/// The publisher's concurrent requests if it publishes as fast as possible: more than the system delivers at once.
const PUBLISHERS: usize = 32;
/// The publisher's concurrent requests at a fixed rate: enough that no request waits for an earlier one.
const OPEN_PUBLISHERS: usize = 256;
/// Number of events before the measured ones, so that the health of each endpoint is known.
pub(crate) const WARM_UP: u32 = 20;
/// Maximum time to wait for a delivery.
const PATIENCE: Duration = Duration::from_mins(2);

/// Time of deliveries, from publishing to arrival.
#[derive(Debug, Clone, Copy)]
pub struct Latencies {
    /// The median.
    pub p50: Duration,
    /// The 99th percentile.
    pub p99: Duration,
    /// The longest time.
    pub max: Duration,
}

/// The numbered events to publish.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Load {
    /// The number of the first event.
    pub(crate) first: u32,
    /// Number of events.
    pub(crate) events: u32,
    /// Number of event types, used in rotation: `chaos.0`, `chaos.1` and so on.
    pub(crate) types: u32,
    /// Events to publish per second; `None` publishes as fast as possible.
    pub(crate) rate: Option<u32>,
}

/// An event with a number.
pub(crate) fn event(number: u32) -> Value {
    json!({ "type": "chaos.event", "data": { "object": { "id": number.to_string() } } })
}

/// The number of the event that arrived. Errors if it has none.
pub(crate) fn number(arrival: &Arrival) -> Result<u32> {
    let body: Value = serde_json::from_slice(&arrival.body)?;
    let id = body["data"]["object"]["id"].as_str().context("the event has no number")?;
    Ok(id.parse()?)
}

/// Registers endpoints at these URLs, for events of this pattern; numbered events are `chaos.*`.
pub(crate) async fn register(
    http: &str,
    urls: impl IntoIterator<Item = String>,
    pattern: &str,
) -> Result<()> {
    for url in urls {
        let endpoint = json!({ "url": url, "enabled_events": [pattern] });
        let request = reqwest::Client::new().post(format!("{http}/api/webhook-endpoints"));
        let request = request.header("content-type", "application/json").body(endpoint.to_string());
        request.send().await?.error_for_status().context("cannot register the endpoint")?;
    }
    Ok(())
}

/// Registers this number of endpoints at a receiver, for numbered events: `/0`, `/1` and so on.
pub(crate) async fn register_numbered(http: &str, receiver: &str, endpoints: u32) -> Result<()> {
    register(http, (0..endpoints).map(|number| format!("{receiver}/{number}")), "chaos.*").await
}

/// The type of the event with this number. `types` is the number of types.
fn type_of(number: u32, types: u32) -> String {
    format!("chaos.{}", number % types)
}

/// Publishes a few events, one after another, and waits until all functions know which endpoints are healthy.
pub(crate) async fn warm_up(http: &str, receiver: &mut Receiver, endpoints: usize) -> Result<()> {
    let client = reqwest::Client::new();
    for number in 0..WARM_UP {
        publish(&client, http, &event(number)).await?;
        arrivals(receiver, endpoints).await?;
    }
    sleep(Duration::from_millis(1_500)).await;
    Ok(())
}

/// Publishes events, waits until each has arrived at `endpoints` endpoints, and returns the time that the deliveries
/// took. `before` is called with the number of each event before it is published.
pub(crate) async fn latencies(
    http: &str,
    receiver: &mut Receiver,
    load: Load,
    endpoints: usize,
    before: impl Fn(u32),
) -> Result<Latencies> {
    let client = reqwest::Client::new();
    let began = Instant::now();
    let publish = async {
        let published = iter(0..load.events).map(|n| {
            let (number, client) = (load.first + n, &client);
            before(number);
            let mut event = event(number);
            event["type"] = type_of(number, load.types).into();
            async move {
                if let Some(rate) = load.rate {
                    sleep_until(began + Duration::from_secs(n.into()) / rate).await;
                }
                publish(client, http, &event).await
            }
        });
        let at_once = if load.rate.is_some() { OPEN_PUBLISHERS } else { PUBLISHERS };
        let published = published.buffered(at_once).collect::<Vec<_>>().await;
        published.into_iter().collect::<Result<Vec<Instant>>>()
    };
    let expected = usize::try_from(load.events)? * endpoints;
    let (published, arrived) = tokio::join!(publish, arrivals(receiver, expected));
    let published = published?;
    let mut latencies = Vec::new();
    for (number, at) in arrived? {
        let index = usize::try_from(number - load.first)?;
        latencies.push(at.saturating_duration_since(published[index]));
    }
    Ok(Latencies::of(latencies))
}

/// Publishes an event. Returns the time just before the request.
async fn publish(client: &reqwest::Client, http: &str, event: &Value) -> Result<Instant> {
    let at = Instant::now();
    let request = client.post(format!("{http}/api/events"));
    let request = request.header("content-type", "application/json").body(event.to_string());
    request.send().await?.error_for_status()?;
    Ok(at)
}

/// The numbers of the next events to arrive, with their arrival times.
async fn arrivals(receiver: &mut Receiver, expected: usize) -> Result<Vec<(u32, Instant)>> {
    let mut arrived = Vec::new();
    while arrived.len() < expected {
        let arrival =
            timeout(PATIENCE, receiver.next()).await.context("an expected webhook did not arrive in time")?;
        arrived.push((number(&arrival)?, arrival.at));
    }
    Ok(arrived)
}

impl Latencies {
    fn of(mut latencies: Vec<Duration>) -> Self {
        latencies.sort_unstable();
        let at = |share: usize| latencies.get(latencies.len() * share / 100).copied().unwrap_or_default();
        Self { p50: at(50), p99: at(99), max: latencies.last().copied().unwrap_or_default() }
    }

    /// Returns the round whose p99 is the median.
    pub(crate) fn typical(mut rounds: Vec<Self>) -> Self {
        rounds.sort_unstable_by_key(|round| round.p99);
        rounds[rounds.len() / 2]
    }
}

const ALL: [QueueAttributeName; 3] = [
    QueueAttributeName::ApproximateNumberOfMessages,
    QueueAttributeName::ApproximateNumberOfMessagesDelayed,
    QueueAttributeName::ApproximateNumberOfMessagesNotVisible,
];

/// Number of messages on the queues that the functions read.
pub(crate) async fn waiting(sqs: &str) -> Result<usize> {
    let mut waiting = 0;
    for queue in QUEUES {
        waiting += depth(sqs, queue).await?;
    }
    Ok(waiting)
}

/// Number of messages on a queue: visible, delayed and in flight.
pub(crate) async fn depth(sqs: &str, queue: &str) -> Result<usize> {
    let ask = clients::sqs(sqs).get_queue_attributes().queue_url(queue_url(sqs, queue));
    let answer = ask.set_attribute_names(Some(ALL.to_vec())).send().await?;
    let numbers = answer.attributes.unwrap_or_default().into_values().map(|number| number.parse::<usize>());
    Ok(numbers.sum::<Result<usize, _>>()?)
}
