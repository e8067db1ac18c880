//! The cost of a million deliveries on AWS. Makes some deliveries, counts everything that AWS charges for, and prices
//! it.

use std::collections::{BTreeMap, HashSet};
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use aws_sdk_sqs::types::SendMessageBatchRequestEntry;
use http::StatusCode;
use posthorn_local::proxy::Proxy;
use posthorn_local::{Binaries, FunctionsOptions, Receiver, RuntimeApi, Stores, environments, laptop};
use posthorn_local_aws::clients;
use posthorn_local_aws::template::queue_url;
use serde::Deserialize;
use tokio::time::{sleep, timeout};

use super::meter::{Meter, Used};
use super::processes::Part;
use super::report::{Bound, Goal, Report, Row};
use super::rig;
use crate::load;

/// How long an endpoint takes to answer.
const ANSWER_TIME: Duration = Duration::from_millis(100);
/// Delay of the messages that are sent before the functions run.
const HEAD_START: Duration = Duration::from_secs(5);
/// Maximum time to wait for an event.
const PATIENCE: Duration = Duration::from_mins(2);
/// Maximum number of messages in a batch.
const BATCH: usize = 10;
/// If some deliveries fail at first, one in this many does.
const FAILURES: usize = 100;
/// The memory, in MB, at which a Lambda function has a whole processor
/// (<https://docs.aws.amazon.com/lambda/latest/dg/configuration-memory.html>).
pub(super) const WHOLE_PROCESSOR_MB: f64 = 1769.0;
/// Bytes that Lambda itself logs for an invocation (START, END and REPORT lines), and that CloudWatch adds to each
/// line.
const PLATFORM_LOG_BYTES: f64 = 370.0;
pub(super) const MILLION: f64 = 1e6;
const GIGABYTE: f64 = 1e9;

/// The events to send, and how.
#[derive(Debug, Clone)]
pub struct Cost {
    /// The path of this program, to run as a separate process.
    pub program: PathBuf,
    /// The template.
    pub template: PathBuf,
    /// The deployed binaries, whose log is measured. Without them, the log counts as nothing.
    pub binaries: Option<Binaries>,
    /// Approximate size of an event's body, in bytes.
    pub event_bytes: usize,
    /// Number of endpoints that want each event.
    pub endpoints: usize,
    /// Whether messages arrive in full batches, or one at a time.
    pub full_batches: bool,
    /// Whether 1 % of the deliveries fail at first.
    pub failures: bool,
    /// Number of events to send.
    pub events: usize,
}

/// What the deliveries used.
#[derive(Debug, Clone)]
pub struct Bill {
    shape: Cost,
    tables: BTreeMap<(String, String), Used>,
    queues: BTreeMap<(String, String), Used>,
    /// Each function's memory in MB, and the durations of its invocations.
    invocations: Vec<(u32, Vec<Duration>)>,
    /// The processor time of the functions' process.
    cpu: Duration,
    /// Bytes that an invocation of fan-out logs.
    log_bytes: f64,
    prices: Prices,
}

/// AWS's prices, in dollars.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Prices {
    as_of: String,
    region: String,
    pub(super) dynamodb_write_units_per_million: f64,
    pub(super) dynamodb_read_units_per_million: f64,
    dynamodb_storage_gb_month: f64,
    dynamodb_backup_gb_month: f64,
    pub(super) sqs_requests_per_million: f64,
    pub(super) lambda_requests_per_million: f64,
    pub(super) lambda_arm64_gb_second: f64,
    logs_gb: f64,
}

impl Prices {
    /// Reads the table in `prices.json`.
    pub(super) fn read() -> Result<Self> {
        Ok(serde_json::from_str(include_str!("prices.json"))?)
    }
}

/// A line of the bill: the item, its quantity per million deliveries, and its unit price.
struct Line {
    what: &'static str,
    number: f64,
    price: f64,
}

impl Cost {
    /// Sends the events, and counts what they use.
    pub async fn run(self) -> Result<Bill> {
        let stores = rig::stores(&self.template).await?;
        let (tables, queues) = (
            Proxy::start(&stores.dynamodb, Meter::default()).await?,
            Proxy::start(&stores.sqs, Meter::default()).await?,
        );
        let mut receiver = self.receiver().await?;
        self.register(&stores, &receiver.url).await?;
        if self.full_batches {
            self.send_ahead(&queues.url).await?;
        }
        let mut functions = self.functions(&tables.url, &queues.url)?;
        functions.address("HTTP API").await?;
        // The calls made at the start are not part of the cost of deliveries.
        tables.gate.take();
        let before = functions.usage()?.cpu;
        if self.full_batches {
            self.await_arrivals(&mut receiver, self.events).await?;
        } else {
            for _ in 0..self.events {
                self.send(&queues.url, 1, Duration::ZERO).await?;
                self.await_arrivals(&mut receiver, 1).await?;
            }
        }
        while load::waiting(&stores.sqs).await? > 0 {
            sleep(Duration::from_millis(100)).await;
        }
        let cpu = functions.usage()?.cpu.saturating_sub(before);
        let memory = self.memory()?;
        let worked = queues.gate.take_worked().into_iter();
        let invocations =
            worked.map(|(queue, spans)| (memory.get(&queue).copied().unwrap_or_default(), spans));
        let bill = Bill {
            tables: tables.gate.take(),
            queues: queues.gate.take(),
            invocations: invocations.collect(),
            cpu,
            log_bytes: self.log_bytes(&stores).await?,
            prices: Prices::read()?,
            shape: self,
        };
        drop(functions);
        stores.stop().await?;
        Ok(bill)
    }

    /// Starts endpoints that take `ANSWER_TIME` to answer. If some deliveries should fail, the endpoints refuse these
    /// once.
    async fn receiver(&self) -> Result<Receiver> {
        let (failures, seen) = (self.failures, Arc::new(Mutex::new(HashSet::new())));
        let answer = move |path: &str, event_id: &str| {
            let mut seen = seen.lock().unwrap_or_else(PoisonError::into_inner);
            let is_new = failures && seen.insert(format!("{path} {event_id}"));
            if is_new && seen.len() % FAILURES == 0 {
                StatusCode::INTERNAL_SERVER_ERROR
            } else {
                StatusCode::OK
            }
        };
        Receiver::taking(ANSWER_TIME, 0, answer).await
    }

    async fn register(&self, stores: &Stores, receiver: &str) -> Result<()> {
        let store = rig::runtime(&self.template, stores, "create-endpoint")?.endpoints()?;
        for endpoint in rig::healthy_endpoints((0..self.endpoints).map(|n| format!("{receiver}/{n}")))? {
            store.create(&rig::tenant(), &endpoint, self.endpoints.try_into()?).await?;
        }
        Ok(())
    }

    fn functions(&self, dynamodb: &str, sqs: &str) -> Result<Part> {
        let template = self.template.to_str().context("the template's path is not UTF-8")?;
        let addresses = ["functions", "--http-port", "0", "--dynamodb", dynamodb, "--sqs", sqs];
        Part::start(&self.program, addresses.into_iter().chain(["--template", template]))
    }

    /// Sends all events to the queue, delayed so that they become visible together when the functions run.
    async fn send_ahead(&self, sqs: &str) -> Result<()> {
        for first in (0..self.events).step_by(BATCH) {
            self.send(sqs, BATCH.min(self.events - first), HEAD_START).await?;
        }
        Ok(())
    }

    async fn send(&self, sqs: &str, events: usize, delay: Duration) -> Result<()> {
        let entries = (0..events).map(|number| {
            let entry = SendMessageBatchRequestEntry::builder().id(number.to_string());
            let entry = entry.delay_seconds(i32::try_from(delay.as_secs()).unwrap_or(0));
            entry.message_body(rig::message(&rig::event(self.event_bytes))).build()
        });
        let entries = entries.collect::<Result<_, _>>()?;
        let send = clients::sqs(sqs).send_message_batch().queue_url(queue_url(sqs, "EventsQueue"));
        send.set_entries(Some(entries)).send().await?;
        Ok(())
    }

    /// Waits until all endpoints have accepted this number of events.
    async fn await_arrivals(&self, receiver: &mut Receiver, events: usize) -> Result<()> {
        let mut taken = 0;
        while taken < events * self.endpoints {
            let arrival =
                timeout(PATIENCE, receiver.next()).await.context("an event did not arrive in time")?;
            taken += usize::from(arrival.answered.is_success());
        }
        Ok(())
    }

    /// The memory of the function behind each queue, in MB.
    fn memory(&self) -> Result<BTreeMap<String, u32>> {
        let template = laptop::template(&self.template, "http://127.0.0.1:1")?;
        let sources = template
            .functions
            .into_iter()
            .flat_map(|spec| spec.queues.into_iter().map(move |source| (source.queue, spec.memory_mb)));
        Ok(sources.collect())
    }

    /// Number of bytes that fan-out's binary logs in an invocation.
    async fn log_bytes(&self, stores: &Stores) -> Result<f64> {
        let Some(binaries) = &self.binaries else { return Ok(0.0) };
        let options = FunctionsOptions {
            template: self.template.clone(),
            dynamodb: stores.dynamodb.clone(),
            sqs: stores.sqs.clone(),
            // The default on AWS, where log lines cost something.
            environment: BTreeMap::from([("LOG_ATTEMPTS".to_owned(), "failed".to_owned())]),
            ..FunctionsOptions::default()
        };
        let environment =
            environments(&options)?.remove("fan-out").context("the template has no function fan-out")?;
        let messages = if self.full_batches { BATCH } else { 1 };
        let batch = rig::batch((0..messages).map(|_| rig::message(&rig::event(self.event_bytes))));
        let mut api = RuntimeApi::start(Some(serde_json::to_string(&batch)?)).await?;
        let mut process = api.spawn(&binaries.of("fan-out"), "fan-out", environment, Stdio::piped())?;
        let (kind, answer) =
            timeout(PATIENCE, api.answered()).await.context("fan-out did not respond in time")?;
        ensure!(kind == "response", "fan-out failed: {}", String::from_utf8_lossy(&answer));
        process.start_kill()?;
        // The function has written its log before it answers.
        let log = process.wait_with_output().await?.stdout;
        Ok(f64::from(u32::try_from(log.len())?))
    }
}

impl Bill {
    #[expect(clippy::cast_precision_loss, reason = "they are not that many")]
    fn deliveries(&self) -> f64 {
        (self.shape.events * self.shape.endpoints) as f64
    }

    /// The cost of a million deliveries, in dollars.
    pub fn dollars(&self) -> f64 {
        self.lines().iter().map(Line::dollars).sum()
    }

    /// Write units per million deliveries.
    pub fn write_units(&self) -> f64 {
        self.units(|operation| !is_read(operation))
    }

    /// Read units per million deliveries.
    pub fn read_units(&self) -> f64 {
        self.units(is_read)
    }

    /// SQS requests per million deliveries, without empty receives, which are charged by time.
    pub fn sqs_requests(&self) -> f64 {
        let paid = self.queues.iter().filter(|((_, operation), _)| operation != Meter::EMPTY);
        paid.map(|(_, used)| used.units).sum::<f64>() * MILLION / self.deliveries()
    }

    fn units(&self, of: impl Fn(&str) -> bool) -> f64 {
        let paid = self.tables.iter().filter(|((_, operation), _)| of(operation));
        paid.map(|(_, used)| used.units).sum::<f64>() * MILLION / self.deliveries()
    }

    #[expect(clippy::cast_precision_loss, reason = "they are not that many")]
    fn invocations(&self) -> f64 {
        let all: usize = self.invocations.iter().map(|(_, spans)| spans.len()).sum();
        all as f64 * MILLION / self.deliveries()
    }

    /// An invocation takes as long as measured here, plus the extra time that a share of a processor needs compared
    /// with a whole one.
    fn gigabyte_seconds(&self) -> f64 {
        let waited: f64 =
            self.invocations.iter().map(|(memory, spans)| gigabytes(*memory) * seconds(spans)).sum();
        let all: f64 = self.invocations.iter().map(|(_, spans)| seconds(spans)).sum();
        let stretched = self.invocations.iter().map(|(memory, spans)| {
            let share = f64::from(*memory) / WHOLE_PROCESSOR_MB;
            let cpu = self.cpu.as_secs_f64() * seconds(spans) / all;
            gigabytes(*memory) * cpu * (1.0 / share - 1.0).max(0.0)
        });
        (waited + stretched.sum::<f64>()) * MILLION / self.deliveries()
    }

    fn lines(&self) -> Vec<Line> {
        let Self { prices, .. } = self;
        let line = |what, number, price| Line { what, number, price };
        vec![
            line(
                "DynamoDB write units",
                self.write_units(),
                prices.dynamodb_write_units_per_million / MILLION,
            ),
            line("DynamoDB read units", self.read_units(), prices.dynamodb_read_units_per_million / MILLION),
            line("SQS requests", self.sqs_requests(), prices.sqs_requests_per_million / MILLION),
            line("Lambda invocations", self.invocations(), prices.lambda_requests_per_million / MILLION),
            line("Lambda GB-seconds", self.gigabyte_seconds(), prices.lambda_arm64_gb_second),
            line(
                "CloudWatch Logs GB",
                self.invocations() * (self.log_bytes + PLATFORM_LOG_BYTES) / GIGABYTE,
                prices.logs_gb,
            ),
        ]
    }

    /// Storage of the written data for a month, with backups: at most a kilobyte for each write unit.
    fn kept(&self) -> Line {
        let price = self.prices.dynamodb_storage_gb_month + self.prices.dynamodb_backup_gb_month;
        Line {
            what: "beside it: keeping it for 30 days, GB",
            number: self.write_units() * 1024.0 / GIGABYTE,
            price,
        }
    }

    fn name(&self) -> String {
        let Cost { event_bytes, endpoints, full_batches, failures, .. } = self.shape;
        let batches = if full_batches { "full batches" } else { "single messages" };
        let failures = if failures { ", 1 % fail" } else { "" };
        format!("{event_bytes} B, endpoints: {endpoints}, {batches}{failures}")
    }

    fn rows(&self) -> Vec<Row> {
        let row = |line: &Line| {
            Row::default()
                .text("shape", self.name())
                .text("per_million_deliveries", line.what)
                .number("number", line.number)
                .number("dollars", line.dollars())
        };
        let total = Line { what: "total", number: 1.0, price: self.dollars() };
        self.lines().iter().chain([&total, &self.kept()]).map(row).collect()
    }
}

impl Line {
    fn dollars(&self) -> f64 {
        self.number * self.price
    }
}

fn is_read(operation: &str) -> bool {
    matches!(operation, "GetItem" | "BatchGetItem" | "TransactGetItems" | "Query" | "Scan")
}

fn gigabytes(memory_mb: u32) -> f64 {
    f64::from(memory_mb) / 1024.0
}

fn seconds(spans: &[Duration]) -> f64 {
    spans.iter().sum::<Duration>().as_secs_f64()
}

/// The shapes that are priced: event size in bytes, endpoints, full batches, failures, and number of events.
pub(super) const SHAPES: [(usize, usize, bool, bool, usize); 8] = [
    (1024, 1, true, false, 2_000),
    (1024, 3, true, false, 1_000),
    (1024, 10, true, false, 500),
    (4096, 1, true, false, 2_000),
    (4096, 3, true, false, 1_000),
    (4096, 10, true, false, 500),
    (1024, 1, false, false, 200),
    (1024, 1, true, true, 2_000),
];

/// The figures as a report, with the prices in `prices.json`. The goal is for the first shape.
pub(super) fn report(bills: &[Bill]) -> Report {
    let goals = bills.first().map(|bill| Goal {
        what: format!(
            "dollars per million deliveries ({}), by the prices of {} as of {}",
            bill.name(),
            bill.prices.region,
            bill.prices.as_of
        ),
        bound: Bound::AtMost(1.0),
        measured: bill.dollars(),
    });
    let rows = bills.iter().flat_map(Bill::rows).collect();
    Report { benchmark: "cost", rows, goals: goals.into_iter().collect() }
}
