//! An event that makes fan-out panic.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use aws_sdk_sqs::types::SendMessageBatchRequestEntry;
use tokio::process::Command;
use tokio::time::timeout;

use super::publishing::message;
use super::{Checked, dead_letters};
use crate::aws::lab::{Lab, new_object};

/// The number of messages in a batch of fan-out.
const BATCH: usize = 10;

pub(crate) async fn in_a_batch(lab: &Lab, text: &str, cure: &str, limit: Duration) -> Checked {
    let endpoint = lab.endpoint("poison").await?;
    // The first event makes fan-out panic: its object contains the text.
    let poison = format!("{}_{text}", new_object());
    let neighbours: Vec<_> = (1..BATCH).map(|_| new_object()).collect();
    let bodies = [&poison].into_iter().chain(&neighbours).map(|object| message(lab, &endpoint, object));
    send_at_once(lab, bodies).await?;

    let dead = timeout(limit, dead_letters::find(lab, &poison)).await;
    dead.context("the poison message did not become a dead letter in time")??;
    // By now the poison message has been received as often as it may be. If its panic affected the others, they would
    // have been received as often.
    for object in &neighbours {
        let arrivals = lab.inbox.wait(&endpoint.path, object, 1, lab.patience).await?;
        ensure!(arrivals.len() == 1, "{object} should arrive once, but arrived {} times", arrivals.len());
        arrivals[0].verify(&endpoint.secret)?;
    }
    ensure!(lab.inbox.arrived(&endpoint.path, &poison).is_empty(), "the poison message should not arrive");

    run(cure).await?;
    let arrived = lab.inbox.wait(&endpoint.path, &poison, 1, lab.patience).await;
    arrived.context("the redriven message did not arrive")?;
    Ok(None)
}

async fn send_at_once(lab: &Lab, bodies: impl Iterator<Item = String>) -> Result<()> {
    let entries = bodies.enumerate().map(|(index, body)| {
        SendMessageBatchRequestEntry::builder().id(index.to_string()).message_body(body).build()
    });
    let entries = entries.collect::<Result<Vec<_>, _>>()?;
    let send = lab.sqs.send_message_batch().queue_url(&lab.events_queue).set_entries(Some(entries));
    let failed = send.send().await.context("cannot send messages to the events queue")?.failed;
    ensure!(failed.is_empty(), "the events queue should accept all messages: {failed:?}");
    Ok(())
}

async fn run(command: &str) -> Result<()> {
    let status = Command::new("sh").args(["-c", command]).status().await;
    let status = status.with_context(|| format!("cannot run `{command}`"))?;
    ensure!(status.success(), "`{command}` failed: {status}");
    Ok(())
}
