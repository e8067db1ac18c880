//! Numbered events, and the count of their arrivals.

use std::collections::HashMap;
use std::time::Duration;

use anyhow::{Context as _, Result};
use aws_sdk_sqs::types::{QueueAttributeName, SendMessageBatchRequestEntry};
use posthorn_local_aws::clients;
use posthorn_local_aws::template::queue_url;
use serde_json::{Value, json};
use tokio::time::{Instant, timeout};

use super::Tally;
use crate::{Arrival, DEVELOPMENT_ACCOUNT, Receiver};

/// How long nothing may arrive before what has not arrived counts as lost.
const SILENCE: Duration = Duration::from_mins(1);

/// An event with a number.
pub(super) fn event(number: u32) -> Value {
    json!({ "type": "chaos.event", "data": { "object": { "id": number.to_string() } } })
}

/// The number of the event that arrived.
pub(super) fn number(arrival: &Arrival) -> Result<u32> {
    let body: Value = serde_json::from_slice(&arrival.body)?;
    let id = body["data"]["object"]["id"].as_str().context("it is no numbered event")?;
    Ok(id.parse()?)
}

/// Registers endpoints for all numbered events, at these URLs.
pub(super) async fn register(http: &str, urls: impl IntoIterator<Item = String>) -> Result<()> {
    for url in urls {
        let endpoint = json!({ "url": url, "enabled_events": ["chaos.*"] });
        let request = reqwest::Client::new().post(format!("{http}/api/webhook-endpoints"));
        let request = request.header("content-type", "application/json").body(endpoint.to_string());
        request.send().await?.error_for_status().context("the endpoint is refused")?;
    }
    Ok(())
}

/// Puts events on the events queue, evenly over a span.
pub(super) async fn publish(sqs: &str, events: u32, span: Duration) -> Result<()> {
    let (client, url, began) = (clients::sqs(sqs), queue_url(sqs, "EventsQueue"), Instant::now());
    for first in (0..events).step_by(10) {
        let due = began + span.mul_f64(f64::from(first) / f64::from(events));
        tokio::time::sleep_until(due).await;
        let entries = (first..events.min(first + 10)).map(|number| {
            let message = json!({ "account": DEVELOPMENT_ACCOUNT, "livemode": true, "event": event(number) });
            let entry = SendMessageBatchRequestEntry::builder().id(number.to_string());
            entry.message_body(message.to_string()).build()
        });
        let entries = entries.collect::<Result<_, _>>()?;
        client.send_message_batch().queue_url(&url).set_entries(Some(entries)).send().await?;
    }
    Ok(())
}

/// Counts arrivals until all have come and the queues are empty, or for too long nothing came.
pub(super) async fn count(receiver: &mut Receiver, sqs: &str, expected: usize) -> Result<Tally> {
    let mut arrived: HashMap<(String, u32), usize> = HashMap::new();
    let mut last = Instant::now();
    while last.elapsed() < SILENCE {
        match timeout(Duration::from_millis(200), receiver.next()).await {
            Ok(arrival) => {
                *arrived.entry((arrival.path.clone(), number(&arrival)?)).or_default() += 1;
                last = Instant::now();
            }
            Err(_) if arrived.len() >= expected && waiting(sqs).await? == 0 => break,
            Err(_) => {}
        }
    }
    let dead = depth(sqs, "EventsDeadLetterQueue", &ALL).await?
        + depth(sqs, "DeliveriesDeadLetterQueue", &ALL).await?;
    let duplicates = arrived.values().map(|times| times - 1).sum();
    Ok(Tally { expected, lost: expected.saturating_sub(arrived.len()).max(dead), duplicates, excused: 0 })
}

const ALL: [QueueAttributeName; 3] = [
    QueueAttributeName::ApproximateNumberOfMessages,
    QueueAttributeName::ApproximateNumberOfMessagesDelayed,
    QueueAttributeName::ApproximateNumberOfMessagesNotVisible,
];

/// How many messages are on the queues.
async fn waiting(sqs: &str) -> Result<usize> {
    Ok(depth(sqs, "EventsQueue", &ALL).await? + depth(sqs, "DeliveriesQueue", &ALL).await?)
}

async fn depth(sqs: &str, queue: &str, kinds: &[QueueAttributeName]) -> Result<usize> {
    let ask = clients::sqs(sqs).get_queue_attributes().queue_url(queue_url(sqs, queue));
    let answer = ask.set_attribute_names(Some(kinds.to_vec())).send().await?;
    let numbers = answer.attributes.unwrap_or_default().into_values().map(|number| number.parse::<usize>());
    Ok(numbers.sum::<Result<usize, _>>()?)
}
