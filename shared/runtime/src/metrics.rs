//! A function's metrics, for CloudWatch.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::sync::Arc;

use posthorn_delivery::{Metric, Reading, Tally};
use posthorn_domain::Clock;
use serde::Serialize;

/// The metrics' namespace in CloudWatch.
pub const NAMESPACE: &str = "Posthorn";

/// Writes the counts as one line of the function's log, in CloudWatch's [embedded metric format]. CloudWatch makes
/// metrics of it, without a call.
///
/// [embedded metric format]:
/// https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html
pub struct Metrics {
    tally: Arc<Tally>,
    /// The name of the stack: the metrics' only dimension.
    stack: String,
    clock: Arc<dyn Clock>,
}

#[derive(Serialize)]
struct Line<'a> {
    _aws: Aws,
    #[serde(rename = "Stack")]
    stack: &'a str,
    #[serde(flatten)]
    values: BTreeMap<&'static str, Value>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Aws {
    timestamp: i64,
    cloud_watch_metrics: [Directive; 1],
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Directive {
    namespace: &'static str,
    dimensions: [[&'static str; 1]; 1],
    metrics: Vec<Definition>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Definition {
    name: &'static str,
    unit: &'static str,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Value {
    One(u64),
    Several(Vec<u64>),
}

impl Metrics {
    pub(crate) fn new(tally: Arc<Tally>, stack: String, clock: Arc<dyn Clock>) -> Self {
        Self { tally, stack, clock }
    }

    /// Returns the line with all counts since the last one; `None` if there are none.
    pub fn line(&self) -> Option<String> {
        let readings = self.tally.take();
        if readings.is_empty() {
            return None;
        }
        let definition = |metric: &Metric| Definition { name: metric.name(), unit: metric.unit() };
        let directive = Directive {
            namespace: NAMESPACE,
            dimensions: [["Stack"]],
            metrics: readings.keys().map(definition).collect(),
        };
        let value = |reading| match reading {
            Reading::Number(number) => Value::One(number),
            Reading::Values(values) => Value::Several(values),
        };
        let line = Line {
            _aws: Aws { timestamp: self.clock.now().as_millis(), cloud_watch_metrics: [directive] },
            stack: &self.stack,
            values: readings.into_iter().map(|(metric, reading)| (metric.name(), value(reading))).collect(),
        };
        Some(serde_json::to_string(&line).expect("JSON can express texts and numbers"))
    }

    /// Runs an invocation's work, then writes its line to standard output, if it has one.
    pub(crate) async fn written_after<Work: Future>(&self, work: Work) -> Work::Output {
        let outcome = work.await;
        if let Some(line) = self.line() {
            // If standard output fails, there is nowhere to report it.
            let _ = writeln!(std::io::stdout().lock(), "{line}");
        }
        outcome
    }
}

#[cfg(test)]
mod tests {
    use posthorn_domain::testing::Fixed;

    use super::*;

    fn metrics() -> Metrics {
        Metrics::new(Arc::new(Tally::new(Arc::new(Fixed))), "posthorn".to_owned(), Arc::new(Fixed))
    }

    #[test]
    fn an_invocation_is_one_line_of_the_embedded_metric_format() {
        let metrics = metrics();
        metrics.tally.add(Metric::Attempts, 2);
        metrics.tally.note(Metric::FirstAttemptLatency, 31);
        metrics.tally.note(Metric::FirstAttemptLatency, 8);
        metrics.tally.set(Metric::SweepLag, 0);
        let line = concat!(
            r#"{"_aws":{"Timestamp":1795514400000,"CloudWatchMetrics":[{"Namespace":"Posthorn","#,
            r#""Dimensions":[["Stack"]],"Metrics":[{"Name":"Attempts","Unit":"Count"},"#,
            r#"{"Name":"FirstAttemptLatency","Unit":"Milliseconds"},{"Name":"SweepLag","Unit":"Seconds"}]}]},"#,
            r#""Stack":"posthorn","Attempts":2,"FirstAttemptLatency":[31,8],"SweepLag":0}"#,
        );
        assert_eq!(metrics.line().as_deref(), Some(line));
        assert_eq!(metrics.line(), None, "what has been told is told once");
    }

    #[test]
    fn ten_events_are_told_in_500_bytes() {
        let metrics = metrics();
        for metric in [Metric::Events, Metric::Attempts, Metric::Failures] {
            metrics.tally.add(metric, 10);
        }
        for _ in 0..10 {
            metrics.tally.note(Metric::FirstAttemptLatency, 12_345);
        }
        let line = metrics.line().unwrap();
        assert!(line.len() <= 500, "{} bytes: {line}", line.len());
    }
}
