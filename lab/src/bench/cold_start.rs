//! Measures how long a function's process takes to be ready, and how large it is.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context as _, Result};
use posthorn_local::{Binaries, FunctionsOptions, RuntimeApi, environments};
use tokio::time::{Instant, timeout};

use super::processes::Usage;
use super::report::{Bound, Goal, Report, Row};

/// Maximum time to wait until a function is ready.
const PATIENCE: Duration = Duration::from_secs(30);
/// The address of the AWS services. Nothing answers there: a function must be ready without them.
const NOWHERE: &str = "https://127.0.0.1:9";
const MEGABYTE: f64 = 1024.0 * 1024.0;

/// The figures of a function's process when it is ready for its first invocation.
#[derive(Debug, Clone)]
pub struct ColdStart {
    /// Its name.
    pub function: String,
    /// Time from the process's start to its first request for an invocation, in milliseconds: the median of the rounds.
    pub start_ms: f64,
    /// The same time in the fastest round.
    pub fastest_ms: f64,
    /// Its memory at that moment, in megabytes: the median of the rounds.
    pub resident_mb: f64,
    /// The size of its binary in megabytes.
    pub binary_mb: f64,
}

/// Starts the empty function and each function of the template in turn, `rounds` times.
pub async fn cold_starts(template: &Path, binaries: &Binaries, rounds: usize) -> Result<Vec<ColdStart>> {
    let nowhere = FunctionsOptions {
        template: template.to_owned(),
        dynamodb: NOWHERE.to_owned(),
        sqs: NOWHERE.to_owned(),
        ..FunctionsOptions::default()
    };
    let mut environments = environments(&nowhere)?;
    environments.insert(Binaries::EMPTY.to_owned(), BTreeMap::new());
    let mut starts: BTreeMap<&str, Vec<(f64, f64)>> = BTreeMap::new();
    for _ in 0..rounds {
        for (function, environment) in &environments {
            let start = start(&binaries.of(function), function, environment).await?;
            starts.entry(function).or_default().push(start);
        }
    }
    let mut found = Vec::new();
    for (function, rounds) in starts {
        let (mut times, mut sizes): (Vec<_>, Vec<_>) = rounds.into_iter().unzip();
        times.sort_by(f64::total_cmp);
        sizes.sort_by(f64::total_cmp);
        found.push(ColdStart {
            function: function.to_owned(),
            start_ms: times[times.len() / 2],
            fastest_ms: times[0],
            resident_mb: sizes[sizes.len() / 2],
            binary_mb: size_mb(&binaries.of(function))?,
        });
    }
    found.sort_by_key(|start| start.function != Binaries::EMPTY);
    Ok(found)
}

/// Starts a process once. Returns the time until it was ready, in milliseconds, and its memory then, in megabytes.
async fn start(binary: &Path, function: &str, environment: &BTreeMap<String, String>) -> Result<(f64, f64)> {
    let mut api = RuntimeApi::start(None).await?;
    let began = Instant::now();
    let mut process = api.spawn(binary, function, environment.clone(), Stdio::null())?;
    let ready = timeout(PATIENCE, api.polled()).await;
    let ready = ready.with_context(|| format!("{function} did not become ready in time"))?;
    let usage = Usage::of(process.id().context("the process has ended")?)?;
    process.kill().await?;
    Ok((ready.duration_since(began).as_secs_f64() * 1e3, usage.resident_mb))
}

#[expect(clippy::cast_precision_loss, reason = "a byte more or less of many does not matter")]
fn size_mb(binary: &Path) -> Result<f64> {
    Ok(std::fs::metadata(binary)?.len() as f64 / MEGABYTE)
}

/// The figures as a report, with goals for every function except the empty one.
pub(super) fn report(starts: &[ColdStart]) -> Report {
    let empty = starts
        .iter()
        .find(|start| start.function == Binaries::EMPTY)
        .map_or(f64::NAN, |start| start.start_ms);
    let rows = starts.iter().map(|start| {
        Row::default()
            .text("function", &start.function)
            .number("start_ms", start.start_ms)
            .number("fastest_ms", start.fastest_ms)
            .number("times_the_empty_one", start.start_ms / empty)
            .number("resident_mb", start.resident_mb)
            .number("binary_mb", start.binary_mb)
    });
    let worst = |figure: fn(&ColdStart) -> f64| {
        let all = starts.iter().filter(|start| start.function != Binaries::EMPTY).map(figure);
        all.fold(0.0, f64::max)
    };
    let goal =
        |what: &str, most, measured| Goal { what: what.to_owned(), bound: Bound::AtMost(most), measured };
    let goals = vec![
        goal("slowest start, in times the empty function's", 1.5, worst(|start| start.start_ms) / empty),
        goal("most memory when ready, in MB", 24.0, worst(|start| start.resident_mb)),
        goal("size of the binary, in MB", 9.0, worst(|start| start.binary_mb)),
    ];
    Report { benchmark: "cold-start", rows: rows.collect(), goals }
}
