//! Endpoints that hang beside endpoints that do not.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::Result;
use axum::Router;
use http::StatusCode;

use super::Bench;
use crate::load::{self, Latencies, WARM_UP};
use crate::tasks::{Tasks, listen};
use crate::{Functions, FunctionsOptions, Receiver, Stores, StoresOptions};

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
            alone.push(Self { hanging: 0, ..*self }.measure(bench).await?);
            beside.push(self.measure(bench).await?);
        }
        Ok(Comparison { alone: Latencies::typical(alone), beside: Latencies::typical(beside) })
    }

    /// How long each delivery to a healthy endpoint took.
    async fn measure(&self, bench: &Bench) -> Result<Latencies> {
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
        load::register(&functions.http, healthy.chain(hanging), "chaos.*").await?;
        let endpoints = usize::try_from(self.healthy)?;
        load::warm_up(&functions.http, &mut receiver, endpoints).await?;
        let half = WARM_UP + self.events / 2;
        let hang = |number| {
            if number == half {
                tar_pit.hang();
            }
        };
        let latencies = load::latencies(&functions.http, &mut receiver, self.events, endpoints, hang).await?;
        // What is still under way must not disturb the next round.
        functions.stop().await?;
        stores.stop().await?;
        Ok(latencies)
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
