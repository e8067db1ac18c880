//! Runs the parts of the local system in separate processes. Measures how soon events arrive, and what each process
//! uses.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, Result};
use http::StatusCode;
use posthorn_local::{Receiver, install_tls};
use tokio::time::Instant;

use super::processes::{Part, Usage};
use super::report::{Report, Row};
use crate::load::{self, Latencies, Load, WARM_UP};

/// The events, the endpoints that want them, and endpoints that do not.
#[derive(Debug, Clone)]
pub struct EndToEnd {
    /// The path of this program, to run as separate processes.
    pub program: PathBuf,
    /// The template.
    pub template: PathBuf,
    /// Number of endpoints that want each event.
    pub endpoints: usize,
    /// Number of other endpoints.
    pub bystanders: usize,
    /// Number of events to publish, as fast as possible.
    pub events: u32,
}

/// The result of a run.
#[derive(Debug, Clone)]
pub struct Journey {
    /// The events that were sent, and the endpoints.
    pub shape: EndToEnd,
    /// Time of deliveries.
    pub latencies: Latencies,
    /// Time of the whole run.
    pub span: Duration,
    /// Use by the functions, by the tables and queues, and by publisher and receiver.
    pub parts: [Used; 3],
}

/// What a process used.
#[derive(Debug, Clone, Copy)]
pub struct Used {
    /// Processor time during the run.
    pub cpu: Duration,
    /// Its memory at the end, in megabytes.
    pub resident_mb: f64,
}

impl EndToEnd {
    /// Starts everything, warms it up, and measures.
    pub async fn run(self) -> Result<Journey> {
        install_tls();
        let mut receiver = Receiver::start(0, |_, _| StatusCode::OK).await?;
        let template = self.template.to_str().context("the template's path is not UTF-8")?;
        let arguments = ["stores", "--dynamodb-port", "0", "--sqs-port", "0", "--template", template];
        let mut stores = Part::start(&self.program, arguments)?;
        let (dynamodb, sqs) = (stores.address("DynamoDB").await?, stores.address("SQS").await?);
        let arguments = ["functions", "--http-port", "0", "--dynamodb", &dynamodb, "--sqs", &sqs];
        let mut functions =
            Part::start(&self.program, arguments.into_iter().chain(["--template", template]))?;
        let http = functions.address("HTTP API").await?;
        let wanting = (0..self.endpoints).map(|n| format!("{}/{n}", receiver.url));
        load::register(&http, wanting, "chaos.*").await?;
        let others = (0..self.bystanders).map(|n| format!("{}/other/{n}", receiver.url));
        load::register(&http, others, "other.*").await?;
        load::warm_up(&http, &mut receiver, self.endpoints).await?;

        let usages = || Ok::<_, anyhow::Error>([functions.usage()?, stores.usage()?, Usage::of_self()?]);
        let (before, began) = (usages()?, Instant::now());
        let load = Load { first: WARM_UP, events: self.events, types: 1, rate: None };
        let latencies = load::latencies(&http, &mut receiver, load, self.endpoints, |_| {}).await?;
        let (span, after) = (began.elapsed(), usages()?);
        let used = |n: usize| Used {
            cpu: after[n].cpu.saturating_sub(before[n].cpu),
            resident_mb: after[n].resident_mb,
        };
        Ok(Journey { shape: self, latencies, span, parts: [used(0), used(1), used(2)] })
    }
}

impl Journey {
    #[expect(clippy::cast_precision_loss, reason = "they are not that many")]
    fn row(&self) -> Row {
        let Self { shape, latencies, span, parts: [functions, stores, client] } = self;
        let deliveries = shape.endpoints as f64 * f64::from(shape.events);
        let milliseconds = |duration: Duration| duration.as_secs_f64() * 1e3;
        let cpu_us = |used: &Used| used.cpu.as_secs_f64() * 1e6 / deliveries;
        Row::default()
            .count("endpoints", shape.endpoints + shape.bystanders)
            .count("matching", shape.endpoints)
            .count("events", shape.events)
            .number("p50_ms", milliseconds(latencies.p50))
            .number("p99_ms", milliseconds(latencies.p99))
            .number("events_per_s", f64::from(shape.events) / span.as_secs_f64())
            .number("deliveries_per_s", deliveries / span.as_secs_f64())
            .number("functions_us", cpu_us(functions))
            .number("stores_us", cpu_us(stores))
            .number("client_us", cpu_us(client))
            .number("functions_mb", functions.resident_mb)
            .number("stores_mb", stores.resident_mb)
            .number("client_mb", client.resident_mb)
    }
}

/// The figures as a report. Microseconds are processor time per delivery; the client is publisher and receiver.
pub(super) fn report(journeys: &[Journey]) -> Report {
    Report { benchmark: "end-to-end", rows: journeys.iter().map(Journey::row).collect(), goals: Vec::new() }
}
