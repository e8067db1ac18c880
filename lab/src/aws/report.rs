//! The results of the checks.

use std::time::{Duration, Instant};

use anyhow::Result;
use comfy_table::Table;
use comfy_table::presets::UTF8_FULL_CONDENSED;

/// The results so far.
#[derive(Default)]
pub(crate) struct Report(Vec<Finding>);

struct Finding {
    name: &'static str,
    took: Duration,
    /// A measurement or remark of the check, if it has one, or why it failed.
    outcome: Result<Option<String>, String>,
}

impl Report {
    /// Runs a check and prints its result in a line. A check may return a text for that line.
    pub(crate) async fn check(
        &mut self,
        name: &'static str,
        check: impl Future<Output = Result<Option<String>>>,
    ) {
        let began = Instant::now();
        let outcome = check.await.map_err(|error| format!("{error:#}"));
        let finding = Finding { name, took: began.elapsed(), outcome };
        println!("{}", finding.line());
        self.0.push(finding);
    }

    /// Returns whether no check failed.
    pub(crate) fn all_held(&self) -> bool {
        self.0.iter().all(|finding| finding.outcome.is_ok())
    }

    /// Returns a table with a row for each check.
    pub(crate) fn table(&self) -> Table {
        let mut table = Table::new();
        table.load_style(UTF8_FULL_CONDENSED);
        table.set_header(["Check", "Passed", "Took"]);
        for finding in &self.0 {
            let holds = if finding.outcome.is_ok() { "yes" } else { "NO" };
            table.add_row([finding.name, holds, &seconds(finding.took)]);
        }
        table
    }
}

impl Finding {
    fn line(&self) -> String {
        let (name, took) = (self.name, seconds(self.took));
        match &self.outcome {
            Ok(None) => format!("ok      {took:>8}  {name}"),
            Ok(Some(told)) => format!("ok      {took:>8}  {name}: {told}"),
            Err(reason) => format!("FAILED  {took:>8}  {name}: {reason}"),
        }
    }
}

fn seconds(duration: Duration) -> String {
    format!("{:.1} s", duration.as_secs_f64())
}

#[cfg(test)]
mod tests {
    use anyhow::bail;

    use super::*;

    #[tokio::test]
    async fn one_failed_check_fails_the_report_and_is_named_in_its_table() {
        let mut report = Report::default();
        report.check("good", async { Ok(None) }).await;
        assert!(report.all_held());
        report.check("bad", async { bail!("it answered 500") }).await;
        assert!(!report.all_held());
        let table = report.table().to_string();
        assert!(table.contains("good") && table.contains("bad") && table.contains("NO"), "{table}");
        assert!(
            report.0[1].line().contains("FAILED") && report.0[1].line().ends_with("bad: it answered 500")
        );
    }
}
