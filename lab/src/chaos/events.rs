//! Sends numbered events to the queue, and counts their arrivals.

use std::collections::HashMap;
use std::time::Duration;

use anyhow::Result;
use aws_sdk_sqs::types::SendMessageBatchRequestEntry;
use posthorn_local::{DEVELOPMENT_ACCOUNT, Receiver};
use posthorn_local_aws::clients;
use posthorn_local_aws::template::queue_url;
use serde_json::json;
use tokio::time::{Instant, timeout};

use super::Tally;
use crate::load::{depth, event, number, waiting};

/// If nothing arrives for this long, the missing deliveries count as lost, unless an experiment delays them for longer.
pub(super) const SILENCE: Duration = Duration::from_mins(1);

/// Sends events to the events queue, spread evenly over a span.
pub(super) async fn publish(sqs: &str, events: u32, span: Duration) -> Result<()> {
    publish_from(sqs, 0, events, span).await
}

/// The same, with numbers from `offset` on.
pub(super) async fn publish_from(sqs: &str, offset: u32, events: u32, span: Duration) -> Result<()> {
    let (client, url, began) = (clients::sqs(sqs), queue_url(sqs, "EventsQueue"), Instant::now());
    for first in (0..events).step_by(10) {
        let due = began + span.mul_f64(f64::from(first) / f64::from(events));
        tokio::time::sleep_until(due).await;
        let entries = (first..events.min(first + 10)).map(|number| {
            let message =
                json!({ "account": DEVELOPMENT_ACCOUNT, "livemode": true, "event": event(offset + number) });
            let entry = SendMessageBatchRequestEntry::builder().id(number.to_string());
            entry.message_body(message.to_string()).build()
        });
        let entries = entries.collect::<Result<_, _>>()?;
        client.send_message_batch().queue_url(&url).set_entries(Some(entries)).send().await?;
    }
    Ok(())
}

/// Counts arrivals until everything has arrived and the queues are empty, or nothing has arrived for as long as
/// `silence`.
pub(super) async fn count(
    receiver: &mut Receiver,
    sqs: &str,
    expected: usize,
    silence: Duration,
) -> Result<Tally> {
    let mut arrived: HashMap<(String, u32), usize> = HashMap::new();
    let mut last = Instant::now();
    while last.elapsed() < silence {
        match timeout(Duration::from_millis(200), receiver.next()).await {
            Ok(arrival) => {
                *arrived.entry((arrival.path.clone(), number(&arrival)?)).or_default() += 1;
                last = Instant::now();
            }
            Err(_) if arrived.len() >= expected && waiting(sqs).await? == 0 => break,
            Err(_) => {}
        }
    }
    let dead = depth(sqs, "EventsDeadLetterQueue").await? + depth(sqs, "DeliveriesDeadLetterQueue").await?;
    let duplicates = arrived.values().map(|times| times - 1).sum();
    Ok(Tally { expected, lost: expected.saturating_sub(arrived.len()).max(dead), duplicates, excused: 0 })
}
