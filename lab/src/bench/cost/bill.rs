//! What AWS charges for a million deliveries.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::Result;
use serde::Deserialize;

use super::Cost;
use crate::bench::meter::{Meter, Used};

/// The memory, in MB, at which a Lambda function has a whole processor
/// (<https://docs.aws.amazon.com/lambda/latest/dg/configuration-memory.html>).
pub(crate) const WHOLE_PROCESSOR_MB: f64 = 1769.0;
/// Bytes that Lambda itself logs for an invocation if `SystemLogLevel` is `INFO` (START, END and REPORT lines), with what
/// CloudWatch adds to each line.
const PLATFORM_LOG_BYTES: f64 = 370.0;
/// Bytes of a POST to an endpoint over an open connection, for an event of 1 KB.
const TRAFFIC_BYTES: f64 = 1_700.0;
pub(crate) const MILLION: f64 = 1e6;
pub(super) const GIGABYTE: f64 = 1e9;

/// AWS's prices, in dollars.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Prices {
    pub(crate) as_of: String,
    pub(crate) region: String,
    pub(crate) dynamodb_write_units_per_million: f64,
    pub(crate) dynamodb_read_units_per_million: f64,
    dynamodb_storage_gb_month: f64,
    dynamodb_backup_gb_month: f64,
    pub(crate) sqs_requests_per_million: f64,
    pub(crate) lambda_requests_per_million: f64,
    pub(crate) lambda_arm64_gb_second: f64,
    pub(crate) http_api_requests_per_million: f64,
    traffic_out_gb: f64,
    pub(crate) logs_gb: f64,
}

impl Prices {
    /// Reads the table in `prices.json`.
    pub(crate) fn read() -> Result<Self> {
        Ok(serde_json::from_str(include_str!("prices.json"))?)
    }
}

/// Parameters of the template that change the bill.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Parameters {
    /// The memory of the workers, in MB, if it is another than the template's.
    pub(super) worker_memory: Option<u32>,
    /// Whether Lambda logs each invocation.
    pub(super) logs_invocations: bool,
}

impl Parameters {
    /// Returns the bytes that an invocation logs, if the function itself writes this many.
    pub(super) fn log_bytes(self, own: f64) -> f64 {
        own + if self.logs_invocations { PLATFORM_LOG_BYTES } else { 0.0 }
    }
}

/// A line of the bill: the item, its quantity per million deliveries, and its unit price.
pub(super) struct Line {
    pub(super) what: &'static str,
    pub(super) number: f64,
    pub(super) price: f64,
}

impl Line {
    pub(super) fn dollars(&self) -> f64 {
        self.number * self.price
    }
}

/// What the deliveries used.
#[derive(Debug, Clone)]
pub struct Bill {
    pub(super) shape: Cost,
    pub(super) tables: BTreeMap<(String, String), Used>,
    pub(super) queues: BTreeMap<(String, String), Used>,
    /// Each function's memory in MB, and the durations of its invocations.
    pub(super) invocations: Vec<(u32, Vec<Duration>)>,
    /// The processor time of the functions' process.
    pub(super) cpu: Duration,
    /// Bytes that an invocation of fan-out logs.
    pub(super) log_bytes: f64,
    pub(super) prices: Prices,
}

impl Bill {
    #[expect(clippy::cast_precision_loss, reason = "they are not that many")]
    fn deliveries(&self) -> f64 {
        (self.shape.events * self.shape.endpoints) as f64
    }

    /// The cost of a million deliveries, in dollars.
    pub fn dollars(&self) -> f64 {
        self.dollars_with(Parameters::default())
    }

    pub(super) fn dollars_with(&self, parameters: Parameters) -> f64 {
        self.lines(parameters).iter().map(Line::dollars).sum()
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
    fn gigabyte_seconds(&self, parameters: Parameters) -> f64 {
        let all: f64 = self.invocations.iter().map(|(_, spans)| seconds(spans)).sum();
        let charged = self.invocations.iter().map(|(memory, spans)| {
            let memory = parameters.worker_memory.unwrap_or(*memory);
            gigabyte_seconds(memory, seconds(spans), self.cpu.as_secs_f64() * seconds(spans) / all)
        });
        charged.sum::<f64>() * MILLION / self.deliveries()
    }

    pub(super) fn lines(&self, parameters: Parameters) -> Vec<Line> {
        let Self { prices, .. } = self;
        let line = |what, number, price| Line { what, number, price };
        let write_unit = prices.dynamodb_write_units_per_million / MILLION;
        let read_unit = prices.dynamodb_read_units_per_million / MILLION;
        let log = self.invocations() * parameters.log_bytes(self.log_bytes) / GIGABYTE;
        vec![
            line("DynamoDB write units", self.write_units(), write_unit),
            line("DynamoDB read units", self.read_units(), read_unit),
            line("SQS requests", self.sqs_requests(), prices.sqs_requests_per_million / MILLION),
            line("Lambda invocations", self.invocations(), prices.lambda_requests_per_million / MILLION),
            line("Lambda GB-seconds", self.gigabyte_seconds(parameters), prices.lambda_arm64_gb_second),
            line("CloudWatch Logs GB", log, prices.logs_gb),
        ]
    }

    /// Storage of the written data for a month: at most a kilobyte for each write unit.
    pub(super) fn storage(&self) -> Line {
        self.kept("storage for 30 days, GB", self.prices.dynamodb_storage_gb_month)
    }

    /// Backups of the written data for a month.
    pub(super) fn backups(&self) -> Line {
        self.kept("backups for 30 days, GB", self.prices.dynamodb_backup_gb_month)
    }

    fn kept(&self, what: &'static str, price: f64) -> Line {
        Line { what, number: self.write_units() * 1024.0 / GIGABYTE, price }
    }

    /// Traffic to the endpoints.
    pub(super) fn traffic(&self) -> Line {
        let number = MILLION * TRAFFIC_BYTES / GIGABYTE;
        Line { what: "traffic out, GB", number, price: self.prices.traffic_out_gb }
    }

    pub(super) fn name(&self) -> String {
        let Cost { event_bytes, endpoints, sent, failures, .. } = self.shape;
        let failures = if failures { ", 1 % fail" } else { "" };
        format!("{event_bytes} B, endpoints: {endpoints}, {sent}{failures}")
    }
}

/// Returns what Lambda charges for, if a function with this memory waits for `span`, of which it works for `cpu` on a whole
/// processor.
pub(super) fn gigabyte_seconds(memory_mb: u32, span: f64, cpu: f64) -> f64 {
    let share = (f64::from(memory_mb) / WHOLE_PROCESSOR_MB).min(1.0);
    f64::from(memory_mb) / 1024.0 * (span + cpu * (1.0 / share - 1.0))
}

fn is_read(operation: &str) -> bool {
    matches!(operation, "GetItem" | "BatchGetItem" | "TransactGetItems" | "Query" | "Scan")
}

fn seconds(spans: &[Duration]) -> f64 {
    spans.iter().sum::<Duration>().as_secs_f64()
}
