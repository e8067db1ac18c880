//! The three ways to publish, and reading what was published.

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};

use super::Checked;
use crate::aws::api::text;
use crate::aws::lab::{Endpoint, Lab, event, new_object};

pub(crate) async fn by_http(lab: &Lab) -> Checked {
    let (endpoint, object) = (lab.endpoint("http").await?, new_object());
    let event_id = lab.publish(&endpoint, &object).await?;
    lab.arrivals(&endpoint, &object, &event_id, 1).await?;
    Ok(None)
}

pub(crate) async fn by_batch(lab: &Lab) -> Checked {
    let endpoint = lab.endpoint("batch").await?;
    let objects: Vec<_> = (0..10).map(|_| new_object()).collect();
    let events: Vec<_> = objects.iter().map(|object| event(&endpoint, object)).collect();
    let answer = lab.api.post("/api/events/batch", &json!({ "events": events }), 202).await?;
    for (index, object) in objects.iter().enumerate() {
        let event = &answer["list"][index]["event"];
        let event_id =
            text(event, "id").with_context(|| format!("event {index} should be accepted: {answer}"))?;
        lab.arrivals(&endpoint, object, event_id, 1).await?;
    }
    Ok(None)
}

pub(crate) async fn by_queue(lab: &Lab) -> Checked {
    let (endpoint, object) = (lab.endpoint("queue").await?, new_object());
    let send = lab.sqs.send_message().queue_url(&lab.events_queue);
    send.message_body(message(lab, &endpoint, &object))
        .send()
        .await
        .context("cannot send a message to the events queue")?;
    // The event's id follows from the SQS message. The webhook tells it, and the record has it.
    let arrived = lab.inbox.wait(&endpoint.path, &object, 1, lab.patience).await?;
    let event_id = arrived.first().map(|arrival| arrival.event_id().to_owned()).unwrap_or_default();
    lab.arrivals(&endpoint, &object, &event_id, 1).await?;
    lab.delivery(&event_id, "succeeded").await?;
    Ok(None)
}

pub(crate) async fn reads(lab: &Lab) -> Checked {
    let (endpoint, object) = (lab.endpoint("reads").await?, new_object());
    let event_id = lab.publish(&endpoint, &object).await?;
    lab.arrivals(&endpoint, &object, &event_id, 1).await?;
    lab.delivery(&event_id, "succeeded").await?;
    let listed = lab.api.get(&format!("/api/events?type={}", endpoint.event_type)).await?;
    ensure!(
        listed["list"][0]["id"] == event_id.as_str(),
        "the list of events should begin with {event_id}: {listed}"
    );
    for filter in [format!("event_id={event_id}"), format!("webhook_endpoint_id={}", endpoint.id)] {
        let attempts = lab.api.get(&format!("/api/webhook-attempts?{filter}")).await?;
        succeeded_once(&attempts, &event_id)?;
    }
    lab.api.get("/api/event-types").await?;
    lab.api.get("/api/openapi.json").await?;
    Ok(None)
}

/// Returns the message by which a producer publishes an event on the queue.
pub(crate) fn message(lab: &Lab, endpoint: &Endpoint, object: &str) -> String {
    json!({ "account": lab.account, "livemode": true, "event": event(endpoint, object) }).to_string()
}

fn succeeded_once(attempts: &Value, event_id: &str) -> Result<()> {
    let list = attempts["list"].as_array().context("there should be a list of attempts")?;
    let once = list.len() == 1 && list[0]["status"] == "succeeded" && list[0]["event_id"] == event_id;
    ensure!(once, "there should be one attempt of {event_id}, which succeeded: {attempts}");
    Ok(())
}
