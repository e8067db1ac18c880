//! A webhook receiver that passes on what arrives.

use std::time::Duration;

use anyhow::{Context as _, Result};
use axum::Router;
use axum::body::Bytes;
use http::{HeaderMap, StatusCode, Uri};
use standardwebhooks::Webhook;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep};

use crate::tasks::{Tasks, listen};

/// A webhook that arrived.
#[derive(Debug, Clone)]
pub struct Arrival {
    /// The path that it was sent to.
    pub path: String,
    /// Its headers.
    pub headers: HeaderMap,
    /// Its body, unchanged.
    pub body: Bytes,
    /// When it arrived.
    pub at: Instant,
    /// The status that the receiver returned.
    pub answered: StatusCode,
}

impl Arrival {
    /// The header `webhook-id`: the id of the event.
    pub fn event_id(&self) -> &str {
        self.headers.get("webhook-id").and_then(|id| id.to_str().ok()).unwrap_or_default()
    }

    /// Verifies the signature with the Standard Webhooks library, as a receiver of webhooks should.
    pub fn verify(&self, secret: &str) -> Result<()> {
        let webhook =
            Webhook::new(secret).context("the secret is not a Standard Webhooks secret (whsec_…)")?;
        webhook.verify(&self.body, &self.headers).context("the signature is invalid")
    }
}

/// A server of endpoints on loopback. Dropping it stops it.
pub struct Receiver {
    /// Its address, such as `http://127.0.0.1:9000`. Each path is an endpoint.
    pub url: String,
    arrivals: mpsc::UnboundedReceiver<Arrival>,
    _tasks: Tasks,
}

impl Receiver {
    /// Listens on a port; 0 chooses a free one. `answer` returns the status for a path and the id of an event.
    pub async fn start<Answer>(port: u16, answer: Answer) -> Result<Self>
    where
        Answer: Fn(&str, &str) -> StatusCode + Clone + Send + Sync + 'static,
    {
        Self::taking(Duration::ZERO, port, answer).await
    }

    /// The same, but each answer is delayed by `delay`.
    pub async fn taking<Answer>(delay: Duration, port: u16, answer: Answer) -> Result<Self>
    where
        Answer: Fn(&str, &str) -> StatusCode + Clone + Send + Sync + 'static,
    {
        let (listener, url) = listen(port, "--port").await?;
        let (sender, arrivals) = mpsc::unbounded_channel();
        let receive = move |uri: Uri, headers: HeaderMap, body: Bytes| async move {
            let path = uri.path().to_owned();
            let mut arrival = Arrival { path, headers, body, at: Instant::now(), answered: StatusCode::OK };
            arrival.answered = answer(&arrival.path, arrival.event_id());
            let answered = arrival.answered;
            // This fails only when nobody reads arrivals any more.
            let _ = sender.send(arrival);
            if !delay.is_zero() {
                sleep(delay).await;
            }
            answered
        };
        let mut tasks = Tasks::default();
        tasks.spawn(|stop| async move {
            let server = axum::serve(listener, Router::new().fallback(receive));
            Ok(server.with_graceful_shutdown(stop.cancelled_owned()).await?)
        });
        Ok(Self { url, arrivals, _tasks: tasks })
    }

    /// Waits for the next webhook.
    pub async fn next(&mut self) -> Arrival {
        self.arrivals.recv().await.expect("the server holds the other end")
    }

    /// Whether `next` has returned everything that arrived.
    pub fn is_idle(&self) -> bool {
        self.arrivals.is_empty()
    }
}
