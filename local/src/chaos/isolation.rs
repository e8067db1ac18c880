//! Endpoints that hang beside endpoints that do not.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::{Context as _, Result};
use axum::Router;
use futures::StreamExt as _;
use futures::stream::iter;
use http::StatusCode;
use tokio::time::{Instant, sleep, timeout};

use super::{Bench, events};
use crate::tasks::{Tasks, listen};
use crate::{Functions, FunctionsOptions, Receiver, Stores, StoresOptions};

/// Requests of the publisher at once.
const PUBLISHERS: usize = 4;
/// Events before those that are measured: by then the endpoints are known.
const WARM_UP: u32 = 20;
/// How long a delivery to a healthy endpoint may take at all.
const PATIENCE: Duration = Duration::from_mins(2);

/// Hanging endpoints beside healthy ones.
#[derive(Debug, Clone, Copy)]
pub struct Isolation {
    /// How many events are published, as fast as they are taken.
    pub events: u32,
    /// Endpoints that answer at once.
    pub healthy: u32,
    /// Endpoints that never answer.
    pub hanging: u32,
    /// Whether those that hang begin to when half of the events are published; otherwise they always do.
    pub midway: bool,
    /// How often it is done, by turns without and with those that hang. The median round counts, on either side: a
    /// slow moment of the machine spoils a round, not the comparison.
    pub rounds: u32,
}

/// How long deliveries to the healthy endpoints took, from publishing to arrival.
#[derive(Debug, Clone, Copy)]
pub struct Latencies {
    /// Half of them took at most this.
    pub p50: Duration,
    /// All but one in a hundred took at most this.
    pub p99: Duration,
    /// None took longer.
    pub max: Duration,
}

/// The same run without and with hanging endpoints.
#[derive(Debug, Clone, Copy)]
pub struct Comparison {
    /// The healthy endpoints alone.
    pub alone: Latencies,
    /// The healthy endpoints beside the hanging ones.
    pub beside: Latencies,
}

impl Isolation {
    /// Runs without, then with the hanging endpoints, as often as there are rounds.
    pub async fn run(&self, bench: &Bench) -> Result<Comparison> {
        let (mut alone, mut beside) = (Vec::new(), Vec::new());
        for _ in 0..self.rounds {
            alone.push(Latencies::of(Self { hanging: 0, ..*self }.measure(bench).await?));
            beside.push(Latencies::of(self.measure(bench).await?));
        }
        Ok(Comparison { alone: Latencies::typical(alone), beside: Latencies::typical(beside) })
    }

    /// How long each delivery to a healthy endpoint took.
    async fn measure(&self, bench: &Bench) -> Result<Vec<Duration>> {
        let mut receiver = Receiver::start(0, |_, _| StatusCode::OK).await?;
        let tar_pit = TarPit::start(!self.midway).await?;
        let stores = StoresOptions { template: bench.template.clone(), ..StoresOptions::default() };
        let stores = Stores::start(&stores).await?;
        let functions = Functions::start(&FunctionsOptions {
            template: bench.template.clone(),
            dynamodb: stores.dynamodb.clone(),
            sqs: stores.sqs.clone(),
            ..FunctionsOptions::default()
        })
        .await?;
        let healthy = (0..self.healthy).map(|n| format!("{}/{n}", receiver.url));
        let hanging = (0..self.hanging).map(|n| format!("{}/{n}", tar_pit.url));
        events::register(&functions.http, healthy.chain(hanging)).await?;
        self.warm_up(&functions.http, &mut receiver).await?;

        let numbers = WARM_UP..WARM_UP + self.events;
        let half = WARM_UP + self.events / 2;
        let client = reqwest::Client::new();
        let publish = async {
            let published = iter(numbers).map(|number| {
                if number == half {
                    tar_pit.hang();
                }
                publish(&client, &functions.http, number)
            });
            published
                .buffered(PUBLISHERS)
                .collect::<Vec<_>>()
                .await
                .into_iter()
                .collect::<Result<Vec<Instant>>>()
        };
        let expected = usize::try_from(self.events * self.healthy)?;
        let (published, arrived) = tokio::join!(publish, arrivals(&mut receiver, expected));
        let published = published?;
        let mut latencies = Vec::new();
        for (number, at) in arrived? {
            let index = usize::try_from(number - WARM_UP)?;
            latencies.push(at.saturating_duration_since(published[index]));
        }
        // What is still under way must not disturb the next round.
        functions.stop().await?;
        stores.stop().await?;
        Ok(latencies)
    }

    /// Publishes a few events, one after another, and waits until everybody knows which endpoints are healthy.
    async fn warm_up(&self, http: &str, receiver: &mut Receiver) -> Result<()> {
        let client = reqwest::Client::new();
        for number in 0..WARM_UP {
            publish(&client, http, number).await?;
            arrivals(receiver, usize::try_from(self.healthy)?).await?;
        }
        sleep(Duration::from_millis(1_500)).await;
        Ok(())
    }
}

/// Publishes an event. Answers when.
async fn publish(client: &reqwest::Client, http: &str, number: u32) -> Result<Instant> {
    let at = Instant::now();
    let request = client.post(format!("{http}/api/events"));
    let request = request.header("content-type", "application/json").body(events::event(number).to_string());
    request.send().await?.error_for_status()?;
    Ok(at)
}

/// The numbers of the next events to arrive, and when they did.
async fn arrivals(receiver: &mut Receiver, expected: usize) -> Result<Vec<(u32, Instant)>> {
    let mut arrived = Vec::new();
    while arrived.len() < expected {
        let arrival =
            timeout(PATIENCE, receiver.next()).await.context("a healthy endpoint got nothing any more")?;
        arrived.push((events::number(&arrival)?, arrival.at));
    }
    Ok(arrived)
}

impl Latencies {
    fn of(mut latencies: Vec<Duration>) -> Self {
        latencies.sort_unstable();
        let at = |share: usize| latencies.get(latencies.len() * share / 100).copied().unwrap_or_default();
        Self { p50: at(50), p99: at(99), max: latencies.last().copied().unwrap_or_default() }
    }

    /// The round whose p99 is the median.
    fn typical(mut rounds: Vec<Self>) -> Self {
        rounds.sort_unstable_by_key(|round| round.p99);
        rounds[rounds.len() / 2]
    }
}

/// A server that takes requests and never answers, from when it is told to.
struct TarPit {
    url: String,
    hangs: Arc<AtomicBool>,
    _tasks: Tasks,
}

impl TarPit {
    async fn start(hangs: bool) -> Result<Self> {
        let (listener, url) = listen(0, "--port").await?;
        let hangs = Arc::new(AtomicBool::new(hangs));
        let shown = Arc::clone(&hangs);
        let answer = move || {
            let hangs = shown.load(Ordering::Relaxed);
            async move { if hangs { std::future::pending().await } else { StatusCode::OK } }
        };
        let mut tasks = Tasks::default();
        tasks.spawn(|_| async move { Ok(axum::serve(listener, Router::new().fallback(answer)).await?) });
        Ok(Self { url, hangs, _tasks: tasks })
    }

    fn hang(&self) {
        self.hangs.store(true, Ordering::Relaxed);
    }
}

impl fmt::Display for Isolation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let begin = if self.midway { "begin to hang midway" } else { "hang" };
        write!(
            f,
            "{} events to {} healthy endpoints and {} that {begin}",
            self.events, self.healthy, self.hanging
        )
    }
}

impl fmt::Display for Comparison {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let line = |name: &str, Latencies { p50, p99, max }: &Latencies| {
            format!(
                "  {name:<7} p50 {:>5} ms   p99 {:>5} ms   max {:>5} ms\n",
                p50.as_millis(),
                p99.as_millis(),
                max.as_millis()
            )
        };
        f.write_str(&line("alone", &self.alone))?;
        f.write_str(&line("beside", &self.beside))?;
        let ratio = |beside: Duration, alone: Duration| beside.as_secs_f64() / alone.as_secs_f64();
        let (p50, p99) = (ratio(self.beside.p50, self.alone.p50), ratio(self.beside.p99, self.alone.p99));
        writeln!(f, "  ratio   p50 {p50:>5.2}      p99 {p99:>5.2}")
    }
}
