//! Compares deliveries to healthy endpoints with and without troubled endpoints beside them.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::Result;
use axum::Router;
use http::StatusCode;
use posthorn_local::tasks::{Tasks, listen};
use posthorn_local::{Functions, Receiver};
use tokio::time::{Instant, sleep};

use super::{Addresses, Bench};
use crate::load::{self, Latencies, Load};

/// How long a hanging endpoint takes to answer.
const HANGS: Duration = Duration::from_secs(10);
/// How long a flapping endpoint works, and then does not.
const FLAPS: Duration = Duration::from_secs(3);

/// Troubled endpoints beside healthy ones. All are registered right before the first event, so Posthorn knows nothing
/// about their health.
#[derive(Debug, Clone, Copy)]
pub struct Isolation {
    /// Number of events to publish.
    pub events: u32,
    /// Events per second; `None` publishes as fast as possible.
    pub rate: Option<u32>,
    /// Endpoints that answer at once, for each event type.
    pub healthy: u32,
    /// Endpoints with trouble, for each event type.
    pub troubled: u32,
    /// Number of event types, used in rotation.
    pub types: u32,
    /// Their trouble.
    pub trouble: Trouble,
    /// Number of rounds, each without and then with the troubled endpoints. On each side the median round counts, so
    /// that a slow moment of the machine affects one round only, not the comparison.
    pub rounds: u32,
}

/// What is wrong with endpoints.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trouble {
    /// They take ten seconds to answer.
    Hang,
    /// They begin to hang when a third of the events is published.
    BeginToHang,
    /// They refuse everything every other three seconds.
    Flap,
}

/// The results of the same run without and with troubled endpoints.
#[derive(Debug, Clone, Copy)]
pub struct Comparison {
    /// The healthy endpoints alone.
    pub alone: Latencies,
    /// The healthy endpoints beside the troubled ones.
    pub beside: Latencies,
    /// Number of requests to the troubled endpoints until the healthy ones had everything, in the last round.
    pub wasted: usize,
    /// Number of times that one of them was held, in the last round.
    pub held: usize,
}

/// One run: the times of deliveries to the healthy endpoints, and what the troubled ones got meanwhile.
struct Round {
    latencies: Latencies,
    requests: usize,
    holds: usize,
}

impl Isolation {
    /// Runs each round without, then with the troubled endpoints.
    pub async fn run(&self, bench: &Bench) -> Result<Comparison> {
        let (mut alone, mut beside) = (Vec::new(), Vec::new());
        let (mut wasted, mut held) = (0, 0);
        for _ in 0..self.rounds {
            alone.push(Self { troubled: 0, ..*self }.measure(bench).await?.latencies);
            let Round { latencies, requests, holds } = self.measure(bench).await?;
            beside.push(latencies);
            (wasted, held) = (requests, holds);
        }
        Ok(Comparison { alone: Latencies::typical(alone), beside: Latencies::typical(beside), wasted, held })
    }

    /// Measures the time of deliveries to healthy endpoints, and the number of requests that the troubled ones got
    /// meanwhile.
    async fn measure(&self, bench: &Bench) -> Result<Round> {
        let mut receiver = Receiver::start(0, |_, _| StatusCode::OK).await?;
        let mut ear = Receiver::start(0, |_, _| StatusCode::OK).await?;
        let tar_pit = TarPit::start(self.trouble).await?;
        let stores = bench.stores(None).await?;
        let functions = Functions::start(&bench.functions(&Addresses::of(&stores))).await?;
        load::register(&functions.http, [ear.url.clone()], "webhook_endpoint.held").await?;
        for number in 0..self.types {
            let healthy = (0..self.healthy).map(|n| format!("{}/{number}-{n}", receiver.url));
            let troubled = (0..self.troubled).map(|n| format!("{}/{number}-{n}", tar_pit.url));
            load::register(&functions.http, healthy.chain(troubled), &format!("chaos.{number}")).await?;
        }
        let hang = |number| {
            if self.trouble == Trouble::BeginToHang && number == self.events / 3 {
                tar_pit.hang();
            }
        };
        let load = Load { first: 0, events: self.events, types: self.types, rate: self.rate };
        let endpoints = usize::try_from(self.healthy)?;
        let latencies = load::latencies(&functions.http, &mut receiver, load, endpoints, hang).await?;
        let requests = tar_pit.requests.load(Ordering::Relaxed);
        let mut holds = 0;
        while !ear.is_idle() {
            ear.next().await;
            holds += 1;
        }
        // Deliveries still in progress must not disturb the next round.
        functions.stop().await?;
        stores.stop().await?;
        Ok(Round { latencies, requests, holds })
    }
}

/// A server with this trouble. One that begins to hang does so when it is told.
struct TarPit {
    url: String,
    hangs: Arc<AtomicBool>,
    requests: Arc<AtomicUsize>,
    _tasks: Tasks,
}

impl TarPit {
    async fn start(trouble: Trouble) -> Result<Self> {
        let (listener, url) = listen(0, "--port").await?;
        let hangs = Arc::new(AtomicBool::new(trouble == Trouble::Hang));
        let requests = Arc::new(AtomicUsize::new(0));
        let (shown, began) = ((Arc::clone(&hangs), Arc::clone(&requests)), Instant::now());
        let answer = move || {
            let hangs = shown.0.load(Ordering::Relaxed);
            shown.1.fetch_add(1, Ordering::Relaxed);
            let turn = began.elapsed().as_secs() / FLAPS.as_secs();
            let refuses = trouble == Trouble::Flap && turn.is_multiple_of(2);
            async move {
                if hangs {
                    sleep(HANGS).await;
                }
                if refuses { StatusCode::SERVICE_UNAVAILABLE } else { StatusCode::OK }
            }
        };
        let mut tasks = Tasks::default();
        tasks.spawn(|_| async move { Ok(axum::serve(listener, Router::new().fallback(answer)).await?) });
        Ok(Self { url, hangs, requests, _tasks: tasks })
    }

    fn hang(&self) {
        self.hangs.store(true, Ordering::Relaxed);
    }
}

impl fmt::Display for Isolation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { events, healthy, troubled, types, rounds, .. } = self;
        let begin = match self.trouble {
            Trouble::Hang => "hang",
            Trouble::BeginToHang => "begin to hang midway",
            Trouble::Flap => "flap",
        };
        match self.rate {
            Some(rate) => write!(f, "{events} events, {rate} a second, ")?,
            None => write!(f, "{events} events as fast as they are taken, ")?,
        }
        let (healthy, troubled) = (healthy * types, troubled * types);
        write!(
            f,
            "of {types} types, to {healthy} healthy endpoints and {troubled} that {begin}, rounds: {rounds}"
        )
    }
}

impl Comparison {
    /// The healthy endpoints' p99 beside troubled ones, divided by their p99 alone.
    pub fn ratio(&self) -> f64 {
        self.beside.p99.as_secs_f64() / self.alone.p99.as_secs_f64()
    }
}

impl fmt::Display for Comparison {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let line = |name: &str, Latencies { p50, p99, max }: &Latencies| {
            let [p50, p99, max] = [p50, p99, max].map(|latency| latency.as_secs_f64() * 1_000.0);
            format!("  {name:<7} p50 {p50:>7.1} ms   p99 {p99:>7.1} ms   max {max:>7.1} ms\n")
        };
        f.write_str(&line("alone", &self.alone))?;
        f.write_str(&line("beside", &self.beside))?;
        let ratio = |beside: Duration, alone: Duration| beside.as_secs_f64() / alone.as_secs_f64();
        let (p50, p99) = (ratio(self.beside.p50, self.alone.p50), ratio(self.beside.p99, self.alone.p99));
        writeln!(
            f,
            "  ratio   p50 {p50:>7.2}      p99 {p99:>7.2}      {} requests to the troubled ones, held {} times",
            self.wasted, self.held
        )
    }
}
