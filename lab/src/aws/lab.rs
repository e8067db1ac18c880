//! What all checks share.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use http::StatusCode;
use posthorn_domain::{AccountId, Random as _};
use posthorn_local::Arrival;
use posthorn_runtime::SystemRandom;
use posthorn_storage::DueRetries;
use serde_json::{Value, json};
use tokio::time::sleep;

use super::api::{Api, text};
use super::inbox::Inbox;

/// The stack, seen from outside.
pub(crate) struct Lab {
    pub(crate) api: Api,
    pub(crate) account: AccountId,
    pub(crate) inbox: Inbox,
    pub(crate) sqs: aws_sdk_sqs::Client,
    /// The URL of the events queue.
    pub(crate) events_queue: String,
    /// The URL of its dead-letter queue.
    pub(crate) events_dead_letters: String,
    pub(crate) due: DueRetries,
    /// How long to wait for an expected result.
    pub(crate) patience: Duration,
}

/// An endpoint of a check.
pub(crate) struct Endpoint {
    pub(crate) id: String,
    pub(crate) secret: String,
    /// The only type of events that it gets.
    pub(crate) event_type: String,
    /// Its path at the receiver.
    pub(crate) path: String,
}

impl Lab {
    /// Registers an endpoint. Its path and the type of its events contain the name.
    pub(crate) async fn endpoint(&self, name: &str) -> Result<Endpoint> {
        let (event_type, path) = (format!("lab.{name}"), format!("/{name}"));
        let endpoint = json!({ "url": format!("{}{path}", self.inbox.url), "enabled_events": [event_type] });
        let created = self.api.post("/api/webhook-endpoints", &endpoint, 201).await?;
        let (id, secret) = (text(&created, "id")?.to_owned(), text(&created, "secret")?.to_owned());
        Ok(Endpoint { id, secret, event_type, path })
    }

    /// Publishes an event about an object. Returns the event's id.
    pub(crate) async fn publish(&self, endpoint: &Endpoint, object: &str) -> Result<String> {
        let event = self.api.post("/api/events", &event(endpoint, object), 202).await?;
        Ok(text(&event, "id")?.to_owned())
    }

    /// Waits for `count` webhooks about an object. Errors if they do not arrive in time, if a signature is wrong, or if
    /// their `webhook-id` is not the event's.
    pub(crate) async fn arrivals(
        &self,
        endpoint: &Endpoint,
        object: &str,
        event_id: &str,
        count: usize,
    ) -> Result<Vec<Arrival>> {
        let arrivals = self.inbox.wait(&endpoint.path, object, count, self.patience).await?;
        for arrival in &arrivals {
            arrival.verify(&endpoint.secret)?;
            let id = arrival.event_id();
            ensure!(id == event_id, "the webhook-id should be the event's id {event_id}, but is {id}");
        }
        Ok(arrivals)
    }

    /// Sets the status that the endpoint answers from now on.
    pub(crate) fn answer(&self, endpoint: &Endpoint, status: StatusCode) {
        self.inbox.answer(&endpoint.path, status);
    }

    /// Waits until the event's delivery has this status, and returns it.
    pub(crate) async fn delivery(&self, event_id: &str, status: &str) -> Result<Value> {
        self.until(event_id, status, |delivery| delivery["status"] == status).await
    }

    /// Waits until `is_so` is true of the event's delivery, and returns the delivery. `what` describes the condition in
    /// an error.
    pub(crate) async fn until(
        &self,
        event_id: &str,
        what: &str,
        is_so: impl Fn(&Value) -> bool,
    ) -> Result<Value> {
        let look = async {
            loop {
                // A webhook may arrive before its event is on record.
                let event = self.api.find(&format!("/api/events/{event_id}")).await?.unwrap_or_default();
                if is_so(&event["deliveries"][0]) {
                    return Ok(event["deliveries"][0].clone());
                }
                sleep(Duration::from_millis(300)).await;
            }
        };
        let found = tokio::time::timeout(self.patience, look).await;
        found
            .with_context(|| format!("the delivery of {event_id} did not reach this state in time: {what}"))?
    }

    /// Deletes the account's endpoints, up to 100.
    pub(crate) async fn delete_everything(&self) -> Result<()> {
        let listed = self.api.get("/api/webhook-endpoints?pageSize=100").await?;
        for endpoint in listed["list"].as_array().into_iter().flatten() {
            self.api.delete(&format!("/api/webhook-endpoints/{}", text(endpoint, "id")?)).await?;
        }
        Ok(())
    }
}

/// Returns an event about an object, of the type that this endpoint gets.
pub(crate) fn event(endpoint: &Endpoint, object: &str) -> Value {
    json!({ "type": endpoint.event_type, "data": { "object": { "id": object } } })
}

/// Returns the id of an object that no other event is about.
pub(crate) fn new_object() -> String {
    format!("obj_{:016x}", SystemRandom.bits())
}
