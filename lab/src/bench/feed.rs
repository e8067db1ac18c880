//! Measures what reading the feed takes: calls to DynamoDB and their units, and the time from publishing to the reader.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use super::meter::{Metered, Used};
use super::report::{Report, Row};
use crate::load;
use crate::percentiles::Percentiles;

/// Number of events that are published for each figure.
const EVENTS: usize = 100;

/// What was used, by table and operation.
type Calls = BTreeMap<(String, String), Used>;

/// A feed that is read.
pub struct Feed {
    /// The SAM template.
    pub template: PathBuf,
    /// Number of event types in it.
    pub types: usize,
}

/// What one kind of request takes.
#[derive(Debug, Clone, PartialEq)]
pub struct FeedCost {
    /// Number of event types.
    pub types: usize,
    /// What is measured.
    pub what: &'static str,
    /// Calls to DynamoDB, each time.
    pub calls: f64,
    /// Read units, each time.
    pub reads: f64,
    /// Write units, each time.
    pub writes: f64,
    /// Times from publishing to the reader's answer: the median, and the 99th percentile.
    pub times: Option<[Duration; 2]>,
}

struct Measuring {
    types: usize,
    system: Metered,
    client: reqwest::Client,
}

impl Feed {
    /// Publishes and reads, and returns what it takes.
    pub async fn run(&self) -> Result<Vec<FeedCost>> {
        let system = Metered::start(&self.template).await?;
        let measuring = Measuring { types: self.types, system, client: reqwest::Client::new() };
        let costs = measuring.all().await?;
        measuring.system.stop().await?;
        Ok(costs)
    }
}

impl Measuring {
    async fn all(&self) -> Result<Vec<FeedCost>> {
        self.publish_all(self.types).await?;
        let unheard = self.cost("an event that nobody listens for", self.publish_all(EVENTS).await?);
        let (first, used) = self.get("/api/feed?since=2026-01-01T00:00:00Z").await?;
        let past = self.cost("the first page of the past", (1, used));
        let mut cursor = self.to_the_end(first).await?;
        let heard = self.cost("an event that somebody listens for", self.publish_all(EVENTS).await?);
        cursor = self.to_the_end(self.read(&cursor, 0).await?.0).await?;
        let (page, used) = self.read(&cursor, 0).await?;
        let poll = self.cost("a poll that finds nothing", (1, used));
        let (page, used) = self.read(&next(&page)?, 20).await?;
        let wait = self.cost("a wait of 20 s that finds nothing", (1, used));
        let times = self.follow(next(&page)?).await?;
        let arrival = FeedCost {
            times: Some(times),
            ..self.cost("an event that a reader waits for", (1, BTreeMap::new()))
        };
        Ok(vec![unheard, heard, past, poll, wait, arrival])
    }

    /// Publishes events one by one, each while a reader waits. Returns the median and the 99th percentile of the times until
    /// the reader has it.
    async fn follow(&self, mut cursor: String) -> Result<[Duration; 2]> {
        let mut times = Vec::new();
        for number in 0..EVENTS {
            let published = async {
                // Each at another moment of the wait.
                sleep(Duration::from_millis(u64::try_from(number * 97 % 1_500)?)).await;
                let began = Instant::now();
                self.publish(number).await.map(|()| began)
            };
            let ((page, _), began) = tokio::try_join!(self.read(&cursor, 20), published)?;
            times.push(began.elapsed());
            ensure!(page["list"].as_array().is_some_and(|list| list.len() == 1), "not one event: {page}");
            cursor = next(&page)?;
        }
        let times = Percentiles::of(times);
        Ok([50, 99].map(|percent| times.at(percent).unwrap_or_default()))
    }

    /// Publishes events, one after another, of all types in rotation. Returns their number, and what was used until they
    /// were handled.
    async fn publish_all(&self, events: usize) -> Result<(usize, Calls)> {
        self.system.tables.gate.take();
        for number in 0..events {
            self.publish(number).await?;
        }
        while load::waiting(self.system.sqs()).await? > 0 {
            sleep(Duration::from_millis(20)).await;
        }
        Ok((events, self.system.tables.gate.take()))
    }

    async fn publish(&self, number: usize) -> Result<()> {
        let event = json!({ "type": format!("feed.{}", number % self.types), "data": {} }).to_string();
        let request = self.client.post(format!("{}/api/events", self.system.functions.http)).body(event);
        let answer = request.header("content-type", "application/json").send().await?;
        ensure!(answer.status() == 202, "publishing returned {}", answer.status());
        Ok(())
    }

    /// Reads to the end of the feed. Returns the cursor there.
    async fn to_the_end(&self, mut page: Value) -> Result<String> {
        while page["has_more"] == true || page["list"] != json!([]) {
            (page, _) = self.read(&next(&page)?, 0).await?;
        }
        next(&page)
    }

    async fn read(&self, cursor: &str, wait: u8) -> Result<(Value, Calls)> {
        self.get(&format!("/api/feed?cursor={cursor}&wait={wait}")).await
    }

    /// Returns the answer, and what was used for it.
    async fn get(&self, path: &str) -> Result<(Value, Calls)> {
        self.system.tables.gate.take();
        let answer = self.client.get(format!("{}{path}", self.system.functions.http)).send().await?;
        let (status, text) = (answer.status(), answer.text().await?);
        ensure!(status.is_success(), "{path} returned {status}: {text}");
        Ok((serde_json::from_str(&text)?, self.system.tables.gate.take()))
    }

    fn cost(&self, what: &'static str, (times, used): (usize, Calls)) -> FeedCost {
        // A sum of nothing is -0.
        let each = |total: f64| (total + 0.0) / f64::from(u32::try_from(times).unwrap_or(u32::MAX));
        let is_read = |operation: &str| ["Query", "GetItem", "BatchGetItem"].contains(&operation);
        let sum = |reads: bool, of: fn(&Used) -> f64| {
            each(
                used.iter()
                    .filter(|((_, operation), _)| is_read(operation) == reads)
                    .map(|(_, used)| of(used))
                    .sum(),
            )
        };
        let calls = used.values().map(|used| used.calls).sum::<u64>();
        FeedCost {
            types: self.types,
            what,
            calls: each(f64::from(u32::try_from(calls).unwrap_or(u32::MAX))),
            reads: sum(true, |used| used.units),
            writes: sum(false, |used| used.units),
            times: None,
        }
    }
}

fn next(page: &Value) -> Result<String> {
    Ok(page["next_cursor"].as_str().context("the page has no cursor")?.to_owned())
}

/// The figures as a report.
pub(super) fn report(costs: &[FeedCost]) -> Report {
    let millis = |row: Row, name, time: Option<Duration>| match time {
        Some(time) => row.number(name, time.as_secs_f64() * 1_000.0),
        None => row.text(name, "–"),
    };
    let rows = costs.iter().map(|cost| {
        let row =
            Row::default().count("types", cost.types).text("what", cost.what).number("calls", cost.calls);
        let row = row.number("read_units", cost.reads).number("write_units", cost.writes);
        let row = millis(row, "p50_ms", cost.times.map(|[median, _]| median));
        millis(row, "p99_ms", cost.times.map(|[_, late]| late))
    });
    Report { benchmark: "feed", rows: rows.collect(), goals: Vec::new() }
}
