//! The figures as a report.

use super::Cost;
use super::bill::{Bill, Line, Parameters};
use super::publishing::Publishing;
use crate::bench::report::{Bound, Goal, Report, Row};

/// The memory of the workers that is compared with the template's, in MB.
const LESS_MEMORY: u32 = 256;

/// The bills, each with what publishing its events costs, and the prices in `prices.json`. The goal is for the first shape.
pub(crate) fn report(bills: &[(Bill, Option<Publishing>)]) -> Report {
    let goals = bills.first().map(|(bill, _)| Goal {
        what: format!(
            "dollars per million deliveries ({}), by the prices of {} as of {}",
            bill.name(),
            bill.prices.region,
            bill.prices.as_of
        ),
        bound: Bound::AtMost(1.0),
        measured: bill.dollars(),
    });
    let rows = bills.iter().flat_map(|(bill, publishing)| rows(bill, publishing.as_ref())).collect();
    Report { benchmark: "cost", rows, goals: goals.into_iter().collect() }
}

fn rows(bill: &Bill, publishing: Option<&Publishing>) -> Vec<Row> {
    let as_deployed = Parameters::default();
    let row = |line: &Line| {
        Row::default()
            .text("shape", bill.name())
            .text("per_million_deliveries", line.what)
            .number("number", line.number)
            .number("dollars", line.dollars())
    };
    let sum = |what, dollars| Line { what, number: 1.0, price: dollars };
    let total = sum("deliveries", bill.dollars());
    let mut lines: Vec<_> = bill.lines(as_deployed).into_iter().chain([total]).collect();
    if is_all_in(&bill.shape) {
        let published = |parameters| publishing.map_or(0.0, |publishing| publishing.dollars(parameters));
        let (storage, backups, traffic) = (bill.storage(), bill.backups(), bill.traffic());
        let further = [&storage, &backups, &traffic].map(Line::dollars).iter().sum::<f64>();
        let all = |parameters| bill.dollars_with(parameters) + published(parameters) + further;
        let with = |what, parameters| sum(what, all(parameters) - all(as_deployed));
        let less_memory = Parameters { worker_memory: Some(LESS_MEMORY), ..as_deployed };
        let more_log = Parameters { logs_invocations: true, ..as_deployed };
        let no_backups = sum("EventsBackups=false", -backups.dollars());
        lines.extend([sum("publishing", published(as_deployed)), storage, backups, traffic]);
        lines.push(sum("all in", all(as_deployed)));
        lines.push(with("WorkerMemory=256", less_memory));
        lines.push(no_backups);
        lines.push(with("SystemLogLevel=INFO", more_log));
    }
    lines.iter().map(row).collect()
}

/// Whether everything is priced: for an event of a kilobyte, and one endpoint.
fn is_all_in(shape: &Cost) -> bool {
    shape.event_bytes == 1024 && shape.endpoints == 1 && !shape.failures
}
