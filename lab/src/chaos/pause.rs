//! Pauses an endpoint while events are published, and resumes it.

use std::fmt;
use std::time::Duration;

use anyhow::{Context as _, Result};
use http::StatusCode;
use posthorn_local::{Functions, Receiver};
use serde_json::Value;
use tokio::time::Instant;

use super::arrivals::Arrivals;
use super::events;
use super::{Addresses, Bench};
use crate::load;

/// An endpoint that is paused while events are published, beside one that is not.
#[derive(Debug, Clone, Copy)]
pub struct Pause {
    /// Number of events to publish during the pause.
    pub events: u32,
    /// Events per second.
    pub rate: u32,
}

/// What happened to the events at the paused endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Paused {
    /// Number of events that were published.
    pub published: u32,
    /// Deliveries that arrived while the endpoint was paused.
    pub leaked: usize,
    /// Deliveries that never arrived, at either endpoint.
    pub missing: usize,
    /// Deliveries that arrived again.
    pub doubled: usize,
    /// How many events, at most, arrived before an older one.
    pub displaced: usize,
    /// Time from the end of the pause until everything had arrived.
    pub drained_in: Duration,
}

impl Pause {
    /// Runs it.
    pub async fn run(&self, bench: &Bench) -> Result<Paused> {
        let mut receiver = Receiver::start(0, |_, _| StatusCode::OK).await?;
        let stores = bench.stores(None).await?;
        let functions = Functions::start(&bench.functions(&Addresses::of(&stores))).await?;
        load::register_numbered(&functions.http, &receiver.url, 2).await?;
        events::publish(&stores.sqs, load::WARM_UP, Duration::ZERO).await?;
        let mut arrivals = Arrivals::default();
        arrivals.until_quiet(&mut receiver, &stores.sqs).await?;
        let before = arrivals.late.len();

        let endpoint = second_endpoint(&functions.http).await?;
        switch(&functions.http, &endpoint, "pause").await?;
        arrivals.while_publishing(&mut receiver, &stores.sqs, self.events, self.rate).await?;
        arrivals.until_quiet(&mut receiver, &stores.sqs).await?;
        let leaked = arrivals.late.len() - before;

        switch(&functions.http, &endpoint, "resume").await?;
        let resumed = Instant::now();
        let published = load::WARM_UP + self.events;
        arrivals.wait(&mut receiver, usize::try_from(published)?).await;
        let drained_in = arrivals.span.map_or(Duration::ZERO, |(_, last)| last.duration_since(resumed));
        arrivals.until_quiet(&mut receiver, &stores.sqs).await?;
        functions.stop().await?;
        stores.stop().await?;
        let (missing, doubled) = arrivals.missing_and_doubled(published);
        let displaced = arrivals.displaced();
        Ok(Paused { published, leaked, missing, doubled, displaced, drained_in })
    }
}

/// The id of the second endpoint.
async fn second_endpoint(http: &str) -> Result<String> {
    let list = reqwest::get(format!("{http}/api/webhook-endpoints?order=url")).await?.error_for_status()?;
    let list: Value = serde_json::from_slice(&list.bytes().await?)?;
    let id = list["list"][1]["id"].as_str().context("the endpoints are not listed")?;
    Ok(id.to_owned())
}

async fn switch(http: &str, endpoint: &str, to: &str) -> Result<()> {
    let request = reqwest::Client::new().post(format!("{http}/api/webhook-endpoints/{endpoint}/{to}"));
    request.send().await?.error_for_status().with_context(|| format!("cannot {to} the endpoint"))?;
    Ok(())
}

impl Paused {
    /// Whether nothing leaked, and everything arrived once.
    pub fn is_good(&self) -> bool {
        self.published > 0 && self.leaked == 0 && self.missing == 0 && self.doubled == 0
    }
}

impl fmt::Display for Paused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { published, leaked, missing, doubled, displaced, drained_in } = self;
        write!(
            f,
            "  {published} events: {leaked} sent during the pause, {missing} missing, {doubled} doubled; at most \
             {displaced} arrived before an older one; everything was there after {:.1} s",
            drained_in.as_secs_f64()
        )
    }
}
