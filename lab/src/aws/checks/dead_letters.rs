//! Messages that cannot be handled.

use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use aws_sdk_sqs::types::Message;
use tokio::time::timeout;

use super::Checked;
use crate::aws::lab::{Lab, new_object};

pub(crate) async fn unreadable_message(lab: &Lab, limit: Duration) -> Checked {
    let body = format!("this is no event: {}", new_object());
    let send = lab.sqs.send_message().queue_url(&lab.events_queue).message_body(&body);
    send.send().await.context("cannot send a message to the events queue")?;
    let Ok(dead) = timeout(limit, find(lab, &body)).await else {
        bail!("the message did not become a dead letter within {} s", limit.as_secs());
    };
    let handle = dead?.receipt_handle.unwrap_or_default();
    let delete = lab.sqs.delete_message().queue_url(&lab.events_dead_letters).receipt_handle(handle);
    delete.send().await.context("cannot delete the dead letter")?;
    Ok(None)
}

/// Waits for the dead letter whose body contains this text. Leaves all dead letters in the queue, visible to others.
pub(crate) async fn find(lab: &Lab, text: &str) -> Result<Message> {
    loop {
        let receive = lab.sqs.receive_message().queue_url(&lab.events_dead_letters);
        let receive = receive.max_number_of_messages(10).wait_time_seconds(2).visibility_timeout(0);
        let received = receive.send().await.context("cannot read the dead-letter queue")?;
        let has = |message: &Message| message.body.as_deref().is_some_and(|body| body.contains(text));
        if let Some(dead) = received.messages.unwrap_or_default().into_iter().find(has) {
            return Ok(dead);
        }
    }
}
