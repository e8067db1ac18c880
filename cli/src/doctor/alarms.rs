//! The stack's alarms: which of them ring, and whom they tell.

use aws_config::SdkConfig;
use aws_sdk_cloudwatch::Client;
use aws_sdk_cloudwatch::types::{MetricAlarm, StateValue};
use posthorn_domain::Timestamp;

use super::concurrency::REQUEST_MORE;
use super::finding::Finding;
use super::read::Subject;
use super::stack::{Resource, Stack, deploy_with};

const CHECK: &str = "alarms";
const KIND: &str = "AWS::CloudWatch::Alarm";
/// The most alarms of one call.
const MAX_CALL: u8 = 100;

/// An alarm, as CloudWatch describes it.
#[derive(Debug, Clone)]
struct Alarm {
    /// Its name in the template.
    logical_id: String,
    name: String,
    description: String,
    is_ringing: bool,
    since: Option<Timestamp>,
    /// Whether it has somebody to tell.
    has_actions: bool,
    /// Whether it may tell them.
    is_switched_on: bool,
}

/// Checks the stack's alarms. Without the list of the stack's resources there is nothing to check: the stack's own check
/// says why.
pub(super) async fn check(config: &SdkConfig, stack: &Stack) -> Vec<Finding> {
    let resources: Vec<&Resource> =
        stack.resources().iter().filter(|resource| resource.kind == KIND).collect();
    match read(config, &resources).await {
        Ok(alarms) => judge(&alarms, resources.len(), &stack.name),
        Err(unread) => vec![unread],
    }
}

async fn read(config: &SdkConfig, resources: &[&Resource]) -> Result<Vec<Alarm>, Finding> {
    let client = Client::new(config);
    let subject = Subject { check: CHECK, name: "The stack's alarms", action: "cloudwatch:DescribeAlarms" };
    let mut alarms = Vec::new();
    for some in resources.chunks(MAX_CALL.into()) {
        let names = some.iter().map(|resource| resource.physical_id.clone()).collect();
        let call = client.describe_alarms().set_alarm_names(Some(names)).max_records(MAX_CALL.into()).send();
        let described = subject.read(call).await?.metric_alarms.unwrap_or_default();
        alarms.extend(described.into_iter().filter_map(|alarm| alarm_of(alarm, resources)));
    }
    Ok(alarms)
}

/// Returns what matters of an alarm; `None` if it is not the stack's.
fn alarm_of(alarm: MetricAlarm, resources: &[&Resource]) -> Option<Alarm> {
    let name = alarm.alarm_name?;
    let resource = resources.iter().find(|resource| resource.physical_id == name)?;
    let since = alarm.state_updated_timestamp.and_then(|since| since.to_millis().ok());
    Some(Alarm {
        logical_id: resource.logical_id.clone(),
        name,
        description: alarm.alarm_description.unwrap_or_default(),
        is_ringing: alarm.state_value == Some(StateValue::Alarm),
        since: since.map(Timestamp::from_millis),
        has_actions: alarm.alarm_actions.is_some_and(|actions| !actions.is_empty()),
        is_switched_on: alarm.actions_enabled.unwrap_or(true),
    })
}

fn judge(alarms: &[Alarm], expected: usize, stack: &str) -> Vec<Finding> {
    if expected == 0 {
        return Vec::new();
    }
    let mut findings: Vec<Finding> = alarms.iter().filter_map(|alarm| judge_state(alarm, stack)).collect();
    if findings.is_empty() {
        findings.push(Finding::ok(CHECK, format!("None of {} alarms rings.", alarms.len())));
    }
    findings.extend(judge_number(alarms.len(), expected, stack));
    findings.extend(judge_actions(alarms));
    findings
}

fn judge_state(alarm: &Alarm, stack: &str) -> Option<Finding> {
    let Alarm { logical_id, description, .. } = alarm;
    alarm.is_ringing.then(|| {
        let since = alarm.since.map_or_else(String::new, |since| format!(" since {since}"));
        let what_happened = description.split(". ").next().unwrap_or_default().trim_end_matches('.');
        Finding::fix(CHECK, format!("{logical_id} rings{since}: {what_happened}."), advice(logical_id, stack))
    })
}

/// CloudFormation does not notice if somebody deletes an alarm elsewhere.
fn judge_number(number: usize, expected: usize, stack: &str) -> Option<Finding> {
    let missing = expected.saturating_sub(number);
    (missing > 0).then(|| {
        let found = format!("{missing} of the stack's {expected} alarms do not exist any more.");
        let to_do = format!(
            "Somebody deleted them outside CloudFormation. `aws cloudformation detect-stack-drift --stack-name {stack}` \
             finds out which."
        );
        Finding::note(CHECK, found, to_do)
    })
}

fn judge_actions(alarms: &[Alarm]) -> Vec<Finding> {
    let mut findings = Vec::new();
    let silent: Vec<&str> =
        alarms.iter().filter(|alarm| !alarm.has_actions).map(|alarm| alarm.logical_id.as_str()).collect();
    let off: Vec<&str> =
        alarms.iter().filter(|alarm| !alarm.is_switched_on).map(|alarm| alarm.name.as_str()).collect();
    if !silent.is_empty() {
        let which = if silent.len() == alarms.len() { "an alarm".to_owned() } else { silent.join(", ") };
        let found = format!("Nobody is told when {which} rings.");
        let to_do = deploy_with("AlarmEmail=you@example.com (or AlarmTopicArn, an SNS topic of yours)");
        findings.push(Finding::note(CHECK, found, to_do));
    }
    if !off.is_empty() {
        let found = format!("{} alarms are switched off: they ring, but tell nobody.", off.len());
        let to_do = format!("`aws cloudwatch enable-alarm-actions --alarm-names {}`", off.join(" "));
        findings.push(Finding::note(CHECK, found, to_do));
    }
    findings
}

/// Returns what docs/OPERATING.md says to do when an alarm rings.
fn advice(logical_id: &str, stack: &str) -> String {
    let redrive = |noun: &str| {
        let command = format!("posthorn {noun} redrive --stack {stack}");
        format!("List the dead letters with `{command} --dry-run`, fix the cause, then run `{command}`.")
    };
    match logical_id {
        "EventsDeadLetterAlarm" => redrive("events"),
        "DeliveriesDeadLetterAlarm" => redrive("deliveries"),
        "FunctionsThrottledAlarm" => format!(
            "Request more concurrency: `{REQUEST_MORE}`. Or lower FanOutConcurrency, FirstAttemptsConcurrency and \
             DeliverConcurrency."
        ),
        "AccountConcurrencyAlarm" => format!(
            "Request more concurrency: `{REQUEST_MORE}`. If the AWS account has more already, set AccountConcurrency to it."
        ),
        other => fixed_advice(other).to_owned(),
    }
}

fn fixed_advice(logical_id: &str) -> &'static str {
    match logical_id {
        "EventsAgeAlarm" => {
            "If fan-out always runs at FanOutConcurrency, raise it. If it fails, its log names the failing calls."
        }
        "FirstAttemptsAgeAlarm" => {
            "If deliver always runs at FirstAttemptsConcurrency, raise it. Otherwise, its log names the failing calls."
        }
        "DeliveriesAgeAlarm" => {
            "If deliver always runs at DeliverConcurrency, raise it. Otherwise, its log names the failing calls."
        }
        "FanOutErrorsAlarm" | "DeliverErrorsAlarm" => {
            "Read the function's log lines. SystemLogLevel=INFO adds Lambda's own, with each call's time and memory."
        }
        "SweepDueAlarm" => {
            "Read the log of sweep-due. After the first deployment the alarm rings once, before the first sweep."
        }
        "EraseAccountsAlarm" => "Read the log of erase-accounts: it names the row that cannot be read.",
        "SweepLagAlarm" => {
            "Read the log of sweep-due for failing calls. After an outage it catches up by itself."
        }
        "RetriesPassedOverAlarm" => {
            "Find `retry passed over` in the log: it has the reason and the row's key. The key names the event and the \
             endpoint: `posthorn events resend EVENT --endpoint ENDPOINT`."
        }
        "ApiErrorsAlarm" => {
            "Find `request failed` in the functions' log. If there is none, find `integration_error` in the API's access \
             log."
        }
        "FailedAttemptsAlarm" => {
            "Count the log's `delivery attempted` lines by endpoint_id and error. One endpoint's failures are for its owner \
             to fix. If all endpoints fail alike, check your network, DNS and root certificates."
        }
        "ChainsStoppedAlarm" => {
            "Find `stopped at its limit` and `not delayed any longer` in the log. To continue a recovery that stopped, run \
             `posthorn endpoints recover ENDPOINT --since TIME` with the old one's `reached`."
        }
        "RecursionDroppedAlarm" => {
            "Find the program that answers each event by publishing another, by the events' types, and break the loop."
        }
        "TablesThrottledAlarm" => {
            "If it continues, check EventsMaxWriteUnits and the AWS account's quotas. Before a large event, raise \
             EventsWarmWriteUnits. If one account publishes many events of one type, raise EventShards."
        }
        _ => "See \"When an alarm rings\" in docs/OPERATING.md.",
    }
}

#[cfg(test)]
mod tests {
    use super::super::finding::Level;
    use super::super::stack::testing::section;
    use super::*;

    fn alarm(logical_id: &str) -> Alarm {
        Alarm {
            logical_id: logical_id.to_owned(),
            name: format!("posthorn-{logical_id}-1"),
            description: "Events have waited for more than five minutes. Check the log.".to_owned(),
            is_ringing: false,
            since: Some(Timestamp::from_millis(0)),
            has_actions: true,
            is_switched_on: true,
        }
    }

    #[test]
    fn an_alarm_that_rings_says_what_happened_and_what_to_do() {
        let findings = judge(&[Alarm { is_ringing: true, ..alarm("EventsAgeAlarm") }], 1, "posthorn");
        let [fix] = &findings[..] else { panic!("{findings:?}") };
        let found = "EventsAgeAlarm rings since 1970-01-01T00:00:00.000Z: Events have waited for more than five minutes.";
        assert_eq!((fix.level, fix.found.as_str()), (Level::Fix, found));
        assert!(fix.to_do.as_ref().unwrap().contains("FanOutConcurrency"));
    }

    #[test]
    fn alarms_that_do_not_ring_are_counted() {
        let findings = judge(&[alarm("EventsAgeAlarm"), alarm("SweepDueAlarm")], 2, "posthorn");
        assert_eq!(findings, [Finding::ok("alarms", "None of 2 alarms rings.")]);
        assert!(judge(&[], 0, "posthorn").is_empty());
    }

    #[test]
    fn an_alarm_that_tells_nobody_is_worth_a_note() {
        let found =
            |alarms: &[Alarm]| judge_actions(alarms).into_iter().map(|note| note.found).collect::<Vec<_>>();
        let silent = Alarm { has_actions: false, ..alarm("SweepDueAlarm") };
        assert_eq!(found(&[silent.clone(), silent.clone()]), ["Nobody is told when an alarm rings."]);
        assert_eq!(found(&[silent, alarm("EventsAgeAlarm")]), ["Nobody is told when SweepDueAlarm rings."]);
        let off = judge_actions(&[Alarm { is_switched_on: false, ..alarm("SweepDueAlarm") }]);
        let command = "`aws cloudwatch enable-alarm-actions --alarm-names posthorn-SweepDueAlarm-1`";
        assert_eq!(off[0].to_do.as_deref(), Some(command));
    }

    #[test]
    fn deleted_alarms_are_missed() {
        let findings = judge(&[alarm("EventsAgeAlarm")], 3, "posthorn");
        assert_eq!(findings[1].found, "2 of the stack's 3 alarms do not exist any more.");
    }

    #[test]
    fn an_alarm_of_cloudwatch_has_its_name_in_the_template() {
        let resource = Resource {
            logical_id: "SweepDueAlarm".to_owned(),
            kind: KIND.to_owned(),
            physical_id: "posthorn-1".to_owned(),
        };
        let described = |name: &str| {
            let alarm = MetricAlarm::builder().alarm_name(name).state_value(StateValue::Alarm);
            alarm_of(alarm.alarm_actions("arn:topic").build(), &[&resource])
        };
        let alarm = described("posthorn-1").unwrap();
        assert_eq!(alarm.logical_id, "SweepDueAlarm");
        assert!(alarm.is_ringing && alarm.has_actions && alarm.is_switched_on && alarm.since.is_none());
        assert!(described("posthorn-2").is_none());
    }

    #[test]
    fn every_alarm_of_the_template_has_its_own_advice() {
        let unknown = advice("NoAlarm", "posthorn");
        let resources = section("Resources");
        let alarms = resources.iter().filter(|(_, resource)| resource["Type"].as_str() == Some(KIND));
        let ids: Vec<&str> = alarms.filter_map(|(id, _)| id.as_str()).collect();
        assert!(!ids.is_empty());
        for id in ids {
            assert_ne!(advice(id, "posthorn"), unknown, "{id}");
        }
    }
}
