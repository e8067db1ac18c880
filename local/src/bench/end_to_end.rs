//! The whole local system, its parts in processes of their own: how soon events arrive, and what each process uses.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, Result};
use http::StatusCode;
use tokio::time::Instant;

use super::processes::{Part, Usage};
use super::report::{Report, Row};
use crate::load::{self, Latencies, Load, WARM_UP};
use crate::{Receiver, install_tls};

/// Events, the endpoints that want them, and endpoints that do not.
#[derive(Debug, Clone)]
pub struct EndToEnd {
    /// This program, to be run as processes of their own.
    pub program: PathBuf,
    /// The template.
    pub template: PathBuf,
    /// How many endpoints want each event.
    pub endpoints: usize,
    /// How many others there are.
    pub bystanders: usize,
    /// How many events are published, as fast as they are taken.
    pub events: u32,
}

/// What came of it.
#[derive(Debug, Clone)]
pub struct Journey {
    /// What was sent, and to whom.
    pub shape: EndToEnd,
    /// How long deliveries took.
    pub latencies: Latencies,
    /// How long it all took.
    pub span: Duration,
    /// The functions; the tables and queues; publisher and receiver.
    pub parts: [Used; 3],
}

/// What a process used.
#[derive(Debug, Clone, Copy)]
pub struct Used {
    /// Processor time meanwhile.
    pub cpu: Duration,
    /// The memory that it had in the end, in megabytes.
    pub resident_mb: f64,
}

impl EndToEnd {
    /// Starts everything anew, warms it up, and measures.
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
