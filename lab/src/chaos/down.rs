//! An endpoint that is down while events are published, and comes back.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::Result;
use http::StatusCode;
use posthorn_local::proxy::Proxy;
use posthorn_local::{Functions, Receiver};
use tokio::time::Instant;

use super::arrivals::Arrivals;
use super::{Addresses, Bench, events};
use crate::bench::meter::Meter;
use crate::load;

/// How long to watch for what arrives again.
const AFTERWARDS: Duration = Duration::from_secs(10);

/// An endpoint that is down while events are published, beside one that is not.
#[derive(Debug, Clone, Copy)]
pub struct Down {
    /// Number of events to publish while it is down.
    pub events: u32,
    /// Events per second.
    pub rate: u32,
}

/// What the outage cost, and what happened to the events.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct WasDown {
    /// Number of events that were published.
    pub published: u32,
    /// Requests that the endpoint refused.
    pub refused: usize,
    /// DynamoDB write units beyond one for each event, while it was down.
    pub writes: f64,
    /// Requests to the two queues of deliveries, while it was down: each has up to ten messages.
    pub messages: f64,
    /// Time from its return until the first event arrived, and until everything had arrived.
    pub back: (Duration, Duration),
    /// Deliveries that never arrived, at either endpoint.
    pub missing: usize,
    /// Deliveries that arrived again.
    pub doubled: usize,
    /// How many events, at most, arrived before an older one.
    pub displaced: usize,
}

impl Down {
    /// Runs it.
    pub async fn run(&self, bench: &Bench) -> Result<WasDown> {
        let is_down = Arc::new(AtomicBool::new(false));
        let down = Arc::clone(&is_down);
        let answer = move |path: &str, _: &str| {
            let refuses = path == "/1" && down.load(Ordering::Relaxed);
            if refuses { StatusCode::SERVICE_UNAVAILABLE } else { StatusCode::OK }
        };
        let mut receiver = Receiver::start(0, answer).await?;
        let stores = bench.stores(None).await?;
        let tables = Proxy::start(&stores.dynamodb, Meter::default()).await?;
        let queues = Proxy::start(&stores.sqs, Meter::default()).await?;
        let addresses = Addresses { dynamodb: tables.url.clone(), sqs: queues.url.clone() };
        let functions = Functions::start(&bench.functions(&addresses)).await?;
        load::register_numbered(&functions.http, &receiver.url, 2).await?;
        events::publish(&stores.sqs, load::WARM_UP, Duration::ZERO).await?;
        let mut arrivals = Arrivals::default();
        arrivals.until_quiet(&mut receiver, &stores.sqs).await?;

        is_down.store(true, Ordering::Relaxed);
        tables.gate.take();
        queues.gate.take();
        arrivals.while_publishing(&mut receiver, &stores.sqs, self.events, self.rate).await?;
        let written = |operation: &str| {
            ["Put", "Update", "BatchExecute"].iter().any(|kind| operation.starts_with(kind))
        };
        let writes: f64 = tables
            .gate
            .take()
            .iter()
            .filter(|((_, call), _)| written(call))
            .map(|(_, used)| used.units)
            .sum();
        let is_of_deliveries = |queue: &str| queue != "EventsQueue";
        let sent = queues.gate.take();
        let sent =
            sent.iter().filter(|((queue, call), _)| is_of_deliveries(queue) && call.starts_with("Send"));
        let messages = sent.map(|(_, used)| used.units).sum();

        is_down.store(false, Ordering::Relaxed);
        let returned = Instant::now();
        let published = load::WARM_UP + self.events;
        arrivals.wait(&mut receiver, usize::try_from(published)?).await;
        let since = |at: Instant| at.saturating_duration_since(returned);
        let back =
            arrivals.span.map_or((Duration::MAX, Duration::MAX), |(first, last)| (since(first), since(last)));
        arrivals.during(&mut receiver, AFTERWARDS).await;
        functions.stop().await?;
        stores.stop().await?;
        let (missing, doubled) = arrivals.missing_and_doubled(published);
        let (refused, displaced) = (arrivals.refused, arrivals.displaced());
        let writes = writes - f64::from(self.events);
        Ok(WasDown { published, refused, writes, messages, back, missing, doubled, displaced })
    }
}

impl WasDown {
    /// Whether everything arrived once, the first event within five minutes.
    pub fn is_good(&self) -> bool {
        let all_arrived = self.published > 0 && self.missing == 0 && self.doubled == 0;
        all_arrived && self.back.0 <= Duration::from_mins(5)
    }
}

impl fmt::Display for WasDown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { published, refused, writes, messages, back, missing, doubled, displaced } = self;
        let [first, all] = [back.0, back.1].map(|time| time.as_secs_f64());
        write!(
            f,
            "  {published} events: {refused} requests refused, {writes:.0} further write units, {messages:.0} requests to the \
             queues of deliveries\n  back: the first event after {first:.1} s, all after {all:.1} s; {missing} missing, \
             {doubled} doubled; at most {displaced} arrived before an older one"
        )
    }
}
