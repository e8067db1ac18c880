//! The functions that work without a request: whether Lambda gives them their queues' messages, and may run them.

use aws_config::SdkConfig;
use aws_sdk_lambda::Client;

use super::finding::Finding;
use super::read::Subject;
use super::stack::Stack;

const CHECK: &str = "workers";

/// An event source mapping: the part of Lambda that reads a queue, and calls a function with its messages.
#[derive(Debug)]
struct Source {
    /// Its name in the template, which SAM makes of the function's and the event's.
    mapping: &'static str,
    function: &'static str,
    queue: &'static str,
    /// The parameter with its maximum concurrency.
    concurrency: &'static str,
}

const SOURCES: [Source; 3] = [
    Source {
        mapping: "FanOutFunctionQueue",
        function: "fan-out",
        queue: "EventsQueue",
        concurrency: "FanOutConcurrency",
    },
    Source {
        mapping: "DeliverFunctionFirstAttempts",
        function: "deliver",
        queue: "FirstAttemptsQueue",
        concurrency: "FirstAttemptsConcurrency",
    },
    Source {
        mapping: "DeliverFunctionQueue",
        function: "deliver",
        queue: "DeliveriesQueue",
        concurrency: "DeliverConcurrency",
    },
];

/// A function, and the parameters that say how many of it run at the same time. Without any, one does.
type Worker = (&'static str, &'static [&'static str]);

const WORKERS: [Worker; 3] = [
    ("FanOutFunction", &["FanOutConcurrency"]),
    ("DeliverFunction", &["FirstAttemptsConcurrency", "DeliverConcurrency"]),
    ("SweepDueFunction", &[]),
];

/// An event source mapping, as Lambda describes it.
#[derive(Debug)]
struct Mapping {
    state: String,
    maximum: Option<i64>,
}

/// Checks that the functions get their messages, and may run.
pub(super) async fn check(config: &SdkConfig, stack: &Stack) -> Vec<Finding> {
    let client = Client::new(config);
    let mut findings = Vec::new();
    for source in &SOURCES {
        let Some(uuid) = stack.physical_id(source.mapping) else { continue };
        findings.push(match read_mapping(&client, source, uuid).await {
            Ok(mapping) => judge_mapping(source, uuid, &mapping, stack.number(source.concurrency)),
            Err(unread) => unread,
        });
    }
    for (function, parameters) in WORKERS {
        let Some(name) = stack.physical_id(function) else { continue };
        let needed: i64 = parameters.iter().filter_map(|parameter| stack.number(parameter)).sum();
        match read_reservation(&client, function, name).await {
            Ok(reserved) => findings.extend(judge_reservation(name, reserved, needed.max(1))),
            Err(unread) => findings.push(unread),
        }
    }
    findings
}

async fn read_mapping(client: &Client, source: &Source, uuid: &str) -> Result<Mapping, Finding> {
    let name = format!("The event source mapping of {}", source.queue);
    let subject = Subject { check: CHECK, name: &name, action: "lambda:GetEventSourceMapping" };
    let mapping = subject.read(client.get_event_source_mapping().uuid(uuid).send()).await?;
    let maximum = mapping.scaling_config.and_then(|scaling| scaling.maximum_concurrency).map(i64::from);
    Ok(Mapping { state: mapping.state.unwrap_or_default(), maximum })
}

/// Returns how many executions are reserved for a function; `None` if it shares those of the account.
async fn read_reservation(client: &Client, function: &str, name: &str) -> Result<Option<i64>, Finding> {
    let subject = format!("The reserved concurrency of {function}");
    let subject = Subject { check: CHECK, name: &subject, action: "lambda:GetFunctionConcurrency" };
    let concurrency = subject.read(client.get_function_concurrency().function_name(name).send()).await?;
    Ok(concurrency.reserved_concurrent_executions.map(i64::from))
}

fn judge_mapping(source: &Source, uuid: &str, mapping: &Mapping, wanted: Option<i64>) -> Finding {
    let Source { function, queue, concurrency, .. } = source;
    let state = &mapping.state;
    match state.as_str() {
        "Enabled" => {}
        "Disabled" | "Disabling" => {
            let found = format!(
                "{function} does not get the messages of {queue}: its event source mapping is {state}."
            );
            let to_do =
                format!("Enable it: `aws lambda update-event-source-mapping --uuid {uuid} --enabled`.");
            return Finding::fix(CHECK, found, to_do);
        }
        _ => {
            let found = format!("The event source mapping of {queue} is changing ({state}).");
            return Finding::note(CHECK, found, "Run this command again in a minute.");
        }
    }
    match (mapping.maximum, wanted) {
        (Some(maximum), Some(wanted)) if maximum != wanted => {
            let found = format!(
                "{queue} starts up to {maximum} {function} at a time, but {concurrency} is {wanted}."
            );
            let to_do = format!(
                "Somebody changed it outside CloudFormation. Change it back: `aws lambda update-event-source-mapping \
                 --uuid {uuid} --scaling-config MaximumConcurrency={wanted}`."
            );
            Finding::note(CHECK, found, to_do)
        }
        _ => Finding::ok(CHECK, format!("{function} gets the messages of {queue}.")),
    }
}

/// The template reserves nothing. Whoever reserves less than the queues start makes Lambda throttle the function.
fn judge_reservation(name: &str, reserved: Option<i64>, needed: i64) -> Option<Finding> {
    let reserved = reserved?;
    let found =
        format!("{reserved} executions are reserved for {name}, of which up to {needed} run at a time.");
    if reserved >= needed {
        return Some(Finding::ok(CHECK, found));
    }
    let to_do =
        format!("Reserve more, or nothing: `aws lambda delete-function-concurrency --function-name {name}`.");
    Some(Finding::fix(CHECK, format!("{found} Lambda throttles the rest."), to_do))
}

#[cfg(test)]
mod tests {
    use super::super::finding::Level;
    use super::super::stack::testing::section;
    use super::*;

    fn judge(state: &str, maximum: i64) -> Finding {
        judge_mapping(
            &SOURCES[0],
            "u-1",
            &Mapping { state: state.to_owned(), maximum: Some(maximum) },
            Some(2),
        )
    }

    #[test]
    fn a_mapping_has_to_be_enabled() {
        assert_eq!(judge("Enabled", 2), Finding::ok("workers", "fan-out gets the messages of EventsQueue."));
        assert_eq!(judge("Updating", 2).level, Level::Note);
        for state in ["Disabled", "Disabling"] {
            let fix = judge(state, 2);
            let expected = "Enable it: `aws lambda update-event-source-mapping --uuid u-1 --enabled`.";
            assert_eq!((fix.level, fix.to_do.as_deref()), (Level::Fix, Some(expected)));
        }
    }

    #[test]
    fn a_mapping_has_the_concurrency_of_its_parameter() {
        let note = judge("Enabled", 5);
        assert_eq!(note.found, "EventsQueue starts up to 5 fan-out at a time, but FanOutConcurrency is 2.");
        assert!(note.to_do.unwrap().contains("--scaling-config MaximumConcurrency=2"));
    }

    #[test]
    fn a_reservation_must_suffice() {
        let level = |reserved| judge_reservation("fan-out-1", reserved, 2).map(|finding| finding.level);
        assert_eq!(level(None), None);
        assert_eq!([Some(0), Some(1), Some(2)].map(level), [Level::Fix, Level::Fix, Level::Ok].map(Some));
    }

    #[test]
    fn sources_and_workers_are_those_of_the_template() {
        let (resources, parameters) = (section("Resources"), section("Parameters"));
        for source in &SOURCES {
            let event = ["FanOutFunction", "DeliverFunction"].into_iter().find_map(|function| {
                let event = source.mapping.strip_prefix(function)?;
                resources[function]["Properties"]["Events"].get(event)
            });
            let properties = &event.unwrap_or_else(|| panic!("{source:?}"))["Properties"];
            let text = serde_yaml_ng::to_string(properties).unwrap();
            assert!(text.contains(source.queue) && text.contains(source.concurrency), "{text}");
        }
        for (function, concurrencies) in WORKERS {
            assert!(resources.contains_key(function), "{function}");
            assert!(concurrencies.iter().all(|parameter| parameters.contains_key(*parameter)), "{function}");
        }
    }
}
