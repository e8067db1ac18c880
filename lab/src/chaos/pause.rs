//! Pauses an endpoint while events are published, and resumes it.

use std::collections::HashMap;
use std::fmt;
use std::time::Duration;

use anyhow::{Context as _, Result};
use http::StatusCode;
use posthorn_local::{Functions, Receiver};
use serde_json::Value;
use tokio::time::{Instant, timeout};

use super::events;
use super::{Addresses, Bench};
use crate::load::{self, number, waiting};

/// The most time without an arrival while what was held is sent.
const SILENCE: Duration = Duration::from_mins(1);

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
        let span = Duration::from_secs(self.events.into()) / self.rate;
        events::publish(&stores.sqs, load::WARM_UP, Duration::ZERO).await?;
        let mut arrivals = Arrivals::default();
        arrivals.until_quiet(&mut receiver, &stores.sqs).await?;
        let before = arrivals.at_paused.len();

        let endpoint = paused_endpoint(&functions.http).await?;
        switch(&functions.http, &endpoint, "pause").await?;
        let (published, ()) = tokio::join!(
            events::publish_from(&stores.sqs, load::WARM_UP, self.events, span),
            arrivals.during(&mut receiver, span)
        );
        published?;
        arrivals.until_quiet(&mut receiver, &stores.sqs).await?;
        let leaked = arrivals.at_paused.len() - before;

        switch(&functions.http, &endpoint, "resume").await?;
        let resumed = Instant::now();
        let published = load::WARM_UP + self.events;
        arrivals.until(&mut receiver, usize::try_from(published)?).await?;
        let drained_in = arrivals.last.map_or(Duration::ZERO, |last| last.saturating_duration_since(resumed));
        arrivals.until_quiet(&mut receiver, &stores.sqs).await?;
        functions.stop().await?;
        stores.stop().await?;
        Ok(arrivals.judge(published, leaked, drained_in))
    }
}

/// The id of the endpoint to pause: the second one.
async fn paused_endpoint(http: &str) -> Result<String> {
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

/// What has arrived.
#[derive(Default)]
struct Arrivals {
    /// The events at the endpoint that is paused, in the order of their first arrival.
    at_paused: Vec<u32>,
    /// How often each event arrived, by path.
    times: HashMap<(String, u32), usize>,
    last: Option<Instant>,
}

impl Arrivals {
    fn take(&mut self, path: &str, number: u32, at: Instant) {
        let times = self.times.entry((path.to_owned(), number)).or_default();
        *times += 1;
        if path == "/1" && *times == 1 {
            self.at_paused.push(number);
            self.last = Some(at);
        }
    }

    /// Takes one arrival within this time. Returns whether there was one.
    async fn next(&mut self, receiver: &mut Receiver, within: Duration) -> Result<bool> {
        let Ok(arrival) = timeout(within, receiver.next()).await else { return Ok(false) };
        self.take(&arrival.path, number(&arrival)?, arrival.at);
        Ok(true)
    }

    async fn during(&mut self, receiver: &mut Receiver, span: Duration) {
        let end = Instant::now() + span;
        while Instant::now() < end {
            // An arrival without a number is no event of ours.
            let _ = self.next(receiver, Duration::from_millis(100)).await;
        }
    }

    /// Waits until nothing arrives any more and the queues have no messages.
    async fn until_quiet(&mut self, receiver: &mut Receiver, sqs: &str) -> Result<()> {
        let began = Instant::now();
        while began.elapsed() < 3 * SILENCE {
            if !self.next(receiver, Duration::from_millis(500)).await? && waiting(sqs).await? == 0 {
                break;
            }
        }
        Ok(())
    }

    /// Waits until this many events have arrived at the endpoint that was paused, or nothing arrives for a while.
    async fn until(&mut self, receiver: &mut Receiver, events: usize) -> Result<()> {
        while self.at_paused.len() < events && self.next(receiver, SILENCE).await? {}
        Ok(())
    }

    fn judge(&self, published: u32, leaked: usize, drained_in: Duration) -> Paused {
        let expected = 2 * usize::try_from(published).unwrap_or(usize::MAX);
        let mut newest = 0;
        let mut overtaken = 0;
        for (place, number) in self.at_paused.iter().enumerate() {
            if *number < newest {
                overtaken = overtaken
                    .max(self.at_paused[..place].iter().rev().take_while(|other| *other > number).count());
            }
            newest = newest.max(*number);
        }
        Paused {
            published,
            leaked,
            missing: expected.saturating_sub(self.times.len()),
            doubled: self.times.values().map(|times| times - 1).sum(),
            displaced: overtaken,
            drained_in,
        }
    }
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
