//! Receives webhooks.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context as _, Result};
use http::StatusCode;
use posthorn_local::{Arrival, Receiver};
use serde_json::Value;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::timeout;

type Answers = Arc<Mutex<HashMap<String, StatusCode>>>;

/// A receiver that keeps the webhooks it gets. Each path is an endpoint of its own.
pub(crate) struct Inbox {
    /// Its address, as the stack sees it.
    pub(crate) url: String,
    answers: Answers,
    arrivals: watch::Receiver<Vec<Arrival>>,
    collecting: JoinHandle<()>,
}

impl Inbox {
    /// Listens on a port of loopback; 0 chooses a free one. `url` is its public address, if it has one.
    pub(crate) async fn open(port: u16, url: Option<String>) -> Result<Self> {
        let answers = Answers::default();
        let given = Arc::clone(&answers);
        let answer = move |path: &str, _: &str| {
            let given = given.lock().unwrap_or_else(PoisonError::into_inner);
            given.get(path).copied().unwrap_or(StatusCode::OK)
        };
        let mut receiver = Receiver::start(port, answer).await?;
        let url = url.unwrap_or_else(|| receiver.url.clone()).trim_end_matches('/').to_owned();
        let (sender, arrivals) = watch::channel(Vec::new());
        let collecting = tokio::spawn(async move {
            loop {
                let arrival = receiver.next().await;
                sender.send_modify(|arrivals: &mut Vec<Arrival>| arrivals.push(arrival));
            }
        });
        Ok(Self { url, answers, arrivals, collecting })
    }

    /// Sets the status that a path answers from now on.
    pub(crate) fn answer(&self, path: &str, status: StatusCode) {
        let mut answers = self.answers.lock().unwrap_or_else(PoisonError::into_inner);
        answers.insert(path.to_owned(), status);
    }

    /// Returns the webhooks about an object that have arrived at a path.
    pub(crate) fn arrived(&self, path: &str, object: &str) -> Vec<Arrival> {
        matching(&self.arrivals.borrow(), path, object)
    }

    /// Waits until at least `count` webhooks about an object have arrived at a path, and returns all of them. Errors
    /// after `limit`.
    pub(crate) async fn wait(
        &self,
        path: &str,
        object: &str,
        count: usize,
        limit: Duration,
    ) -> Result<Vec<Arrival>> {
        let mut arrivals = self.arrivals.clone();
        let enough = arrivals.wait_for(|arrivals| matching(arrivals, path, object).len() >= count);
        let arrived = timeout(limit, enough).await.map(|found| found.map(|all| matching(&all, path, object)));
        let Ok(arrived) = arrived else {
            let (so_far, limit) = (self.arrived(path, object).len(), limit.as_secs());
            anyhow::bail!(
                "{so_far} instead of {count} webhooks about {object} arrived at {path} within {limit} s"
            );
        };
        arrived.context("the receiver stopped")
    }
}

impl Drop for Inbox {
    fn drop(&mut self) {
        self.collecting.abort();
    }
}

fn matching(arrivals: &[Arrival], path: &str, object: &str) -> Vec<Arrival> {
    let about = |arrival: &Arrival| {
        let event: Value = serde_json::from_slice(&arrival.body).unwrap_or_default();
        event["data"]["object"]["id"] == object
    };
    arrivals.iter().filter(|arrival| arrival.path == path && about(arrival)).cloned().collect()
}
