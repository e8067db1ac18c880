//! What the functions tell CloudWatch, and that the alarms and the dashboard ask for nothing else.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use http::StatusCode;
use posthorn_delivery::{Metric, Tally};
use posthorn_domain::{EventDraft, EventId, EventMessage, HealthState, Partition};
use posthorn_local::Receiver;
use posthorn_runtime::NAMESPACE;
use serde_json::{Value, json};
use serde_yaml_ng::Value as Yaml;
use tokio::net::TcpListener;

use crate::harness::{changing_receiver, local_tenant, text};
use crate::rights::{read_template, resources, texts};
use crate::time_machine::TimeMachine;

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_mins(1);
const HOUR: Duration = Duration::from_hours(1);

/// The values of a line, which has to be what CloudWatch takes: [the specification][emf].
///
/// [emf]: https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html
pub(crate) fn values(line: &str) -> BTreeMap<String, Value> {
    assert!(!line.contains('\n'), "one line: {line}");
    let document: Value = serde_json::from_str(line).unwrap();
    let [directive] = document["_aws"]["CloudWatchMetrics"].as_array().unwrap().as_slice() else {
        panic!("one directive: {line}")
    };
    assert!(document["_aws"]["Timestamp"].is_u64(), "{line}");
    assert_eq!(directive["Namespace"], NAMESPACE, "{line}");
    // Each further dimension would be as many metrics more as it has values.
    assert_eq!(directive["Dimensions"], json!([["Stack"]]), "{line}");
    assert_eq!(document["Stack"], "posthorn", "{line}");
    let mut values = BTreeMap::new();
    for definition in directive["Metrics"].as_array().unwrap() {
        let metric = Metric::ALL.iter().find(|metric| definition["Name"] == metric.name());
        let metric = metric.unwrap_or_else(|| panic!("{definition} is no metric of ours"));
        assert_eq!(definition["Unit"], metric.unit(), "{line}");
        let value = document[metric.name()].clone();
        let numbers = value.as_array().cloned().unwrap_or_else(|| vec![value.clone()]);
        assert!(!numbers.is_empty() && numbers.len() <= Tally::MOST_VALUES, "{line}");
        assert!(numbers.iter().all(Value::is_u64), "{line}");
        values.insert(metric.name().to_owned(), value);
    }
    let members = document.as_object().unwrap().len();
    assert_eq!(members, values.len() + 2, "nothing but the metrics and their dimension: {line}");
    values
}

/// What a worker would now tell.
fn told(machine: &TimeMachine, function: &str) -> BTreeMap<String, Value> {
    machine.told(function).map_or_else(BTreeMap::new, |line| values(&line))
}

fn expected<const N: usize>(values: [(&str, Value); N]) -> BTreeMap<String, Value> {
    values.map(|(name, value)| (name.to_owned(), value)).into()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_is_counted_where_its_attempts_are_made() {
    let answer = |path: &str, _: &str| match path {
        "/good" => StatusCode::OK,
        _ => StatusCode::INTERNAL_SERVER_ERROR,
    };
    let receiver = Receiver::start(0, answer).await.unwrap();
    let machine = TimeMachine::start(&[("RETRY_SCHEDULE", "1h")]).await;
    let register = async |path: &str| machine.register(&format!("{}{path}", receiver.url), &["a.*"]).await;
    machine.prove(&[register("/good").await, register("/bad").await]).await;
    machine.set_health(&[register("/good").await], HealthState::Slow).await;
    told(&machine, "fan-out");
    for _ in 0..3 {
        machine.publish("a.b").await;
    }
    machine.publish("nobody.cares").await;
    // They wait on their queue, as they do when Lambda is slow.
    machine.sleep(3 * SECOND);
    machine.work().await;
    let from_fan_out = expected([
        ("Events", json!(4)),
        ("Attempts", json!(6)),
        ("Failures", json!(3)),
        ("FirstAttemptLatency", json!([3_000, 3_000, 3_000, 3_000, 3_000, 3_000])),
        ("RetriesPutOff", json!(3)),
    ]);
    assert_eq!(told(&machine, "fan-out"), from_fan_out);
    // The endpoint that is slow gets its events from the deliveries queue.
    let from_deliver =
        expected([("Attempts", json!(3)), ("FirstAttemptLatency", json!([3_000, 3_000, 3_000]))]);
    assert_eq!(told(&machine, "deliver"), from_deliver);

    // Retries are attempts, and no first ones.
    machine.pass(2 * HOUR).await;
    assert_eq!(told(&machine, "fan-out"), expected([]));
    assert_eq!(
        told(&machine, "deliver"),
        expected([("Attempts", json!(3)), ("Failures", json!(3))]),
        "the bad endpoint's deliveries are tried once more"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_function_that_has_counted_nothing_says_nothing() {
    let machine = TimeMachine::start(&[]).await;
    for function in ["fan-out", "deliver", "sweep-due"] {
        assert_eq!(machine.told(function), None, "{function}");
    }
    machine.send("EventsQueue", "nonsense".to_owned()).await;
    machine.work().await;
    assert_eq!(told(&machine, "fan-out"), expected([]), "it is no event");
    // An event that comes twice is one.
    let draft = EventDraft::test(&"a.b".parse().unwrap());
    let id = EventId::new(machine.now(), Partition::of(&draft.event_type), machine.random.bits());
    let message =
        EventMessage { tenant: local_tenant(), endpoint_id: None, claimed: false, id: Some(id), draft }
            .to_json();
    for values in [expected([("Events", json!(1))]), expected([])] {
        machine.send("EventsQueue", message.clone()).await;
        machine.work().await;
        assert_eq!(told(&machine, "fan-out"), values);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_attempt_cut_short_is_an_attempt_and_no_failure() {
    // Connections are opened, and never answered.
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let machine = TimeMachine::start(&[("DELIVERY_TIMEOUT_SECONDS", "2")]).await;
    let url = format!("http://{}", silent.local_addr().unwrap());
    machine.prove(&[machine.register(&url, &["a.*"]).await]).await;
    machine.publish("a.b").await;
    machine.work().await;
    let cut_short = [("Events", json!(1)), ("Attempts", json!(1)), ("FirstAttemptLatency", json!([0]))];
    assert_eq!(told(&machine, "fan-out"), expected(cut_short));
    machine.pass(2 * SECOND).await;
    let failed = [("Attempts", json!(1)), ("Failures", json!(1))];
    assert_eq!(told(&machine, "deliver"), expected(failed), "it is made again, and now it times out");
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_latencies_a_line_has_as_many_as_it_may() {
    let receiver = Receiver::start(0, |_, _| StatusCode::OK).await.unwrap();
    let machine = TimeMachine::start(&[]).await;
    for number in 0..60 {
        machine.register(&format!("{}/{number}", receiver.url), &["a.*"]).await;
    }
    for _ in 0..3 {
        machine.publish("a.b").await;
    }
    machine.work().await;
    let told = told(&machine, "deliver");
    assert!(told["Attempts"].as_u64().unwrap() >= 180, "{told:?}");
    assert_eq!(told["FirstAttemptLatency"].as_array().unwrap().len(), Tally::MOST_VALUES);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_endpoint_that_is_gone_is_counted_as_it_is_disabled() {
    let (receiver, _) = changing_receiver(410).await;
    let machine = TimeMachine::start(&[]).await;
    machine.prove(&[machine.register(&receiver.url, &["a.*"]).await]).await;
    machine.publish("a.b").await;
    machine.work().await;
    let told = told(&machine, "fan-out");
    assert_eq!((&told["EndpointsDisabled"], &told["Failures"]), (&json!(1), &json!(1)));
    assert_eq!(told["Events"], 2, "that it was disabled is an event, too");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_delivery_that_a_recovery_adds_tells_nothing_of_how_long_events_take() {
    let (receiver, _) = changing_receiver(200).await;
    let machine = TimeMachine::start(&[]).await;
    let began = machine.now();
    machine.publish("a.b").await;
    machine.pass(2 * HOUR).await;
    let id = machine.register(&receiver.url, &["a.*"]).await.id.to_string();
    let missing = json!({ "since": began, "scope": "missing" });
    machine.call("recover-endpoint", &[("id", &id)], Some(missing)).await;
    machine.pass(MINUTE).await;
    assert_eq!(told(&machine, "deliver"), expected([("Attempts", json!(1))]));
    let [attempt] = &machine.attempts(&[("webhook_endpoint_id", &id)]).await[..] else { panic!("one") };
    machine.call("retry-attempt", &[("id", text(attempt, "id"))], None).await;
    machine.work().await;
    assert_eq!(told(&machine, "deliver"), expected([("Attempts", json!(1))]), "by hand");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sweep_tells_how_late_it_is_and_what_it_has_sent() {
    let (receiver, _) = changing_receiver(500).await;
    let machine = TimeMachine::start(&[("RETRY_SCHEDULE", "1h")]).await;
    machine.set_health(&[machine.register(&receiver.url, &["a.*"]).await], HealthState::Slow).await;
    for _ in 0..3 {
        machine.publish("a.b").await;
    }
    machine.work().await;
    assert_eq!(told(&machine, "deliver")["RetriesPutOff"], json!(3));
    machine.sweep().await;
    assert_eq!(told(&machine, "sweep-due"), expected([("SweepLag", json!(0))]));

    // Two hours without a sweep, and then one that is ended before it can begin.
    machine.sleep(2 * HOUR);
    machine.sweep_within(SECOND).await;
    assert_eq!(told(&machine, "sweep-due"), expected([("SweepLag", json!(7_200))]));
    machine.sweep().await;
    let swept = [("SweepLag", json!(0)), ("RetriesSwept", json!(3))];
    assert_eq!(told(&machine, "sweep-due"), expected(swept));
}

/// The metrics of ours that a value names: as an alarm does, or as a row of a dashboard's graph.
fn named(value: &Value, names: &mut BTreeSet<String>) {
    match value {
        Value::Object(fields) => {
            if fields.get("Namespace").is_some_and(|namespace| namespace == NAMESPACE) {
                assert_eq!(fields["Dimensions"][0]["Name"], "Stack", "{value}");
                names.insert(text(value, "MetricName").to_owned());
            }
            for field in fields.values() {
                named(field, names);
            }
        }
        Value::Array(items) => {
            if let [Value::String(namespace), Value::String(name), rest @ ..] = items.as_slice()
                && namespace == NAMESPACE
            {
                assert_eq!(rest[0], "Stack", "{value}");
                names.insert(name.clone());
            }
            for item in items {
                named(item, names);
            }
        }
        _ => {}
    }
}

/// What the dashboard shows. References stand where they are.
fn dashboard() -> Value {
    let template = read_template();
    let [(_, dashboard)] = resources(&template, "AWS::CloudWatch::Dashboard")[..] else {
        panic!("one dashboard")
    };
    let body = untagged(&dashboard["DashboardBody"]);
    serde_json::from_str(body[0].as_str().unwrap())
        .unwrap_or_else(|error| panic!("the dashboard is no JSON: {error}"))
}

#[test]
fn alarms_and_dashboard_name_metrics_that_are_there() {
    let template = read_template();
    let ours: BTreeSet<_> = Metric::ALL.iter().map(|metric| metric.name().to_owned()).collect();
    let mut names = BTreeSet::new();
    for (_, alarm) in resources(&template, "AWS::CloudWatch::Alarm") {
        named(&untagged(alarm), &mut names);
    }
    assert!(!names.is_empty() && names.is_subset(&ours), "{names:?}");
    let mut shown = BTreeSet::new();
    named(&dashboard(), &mut shown);
    assert_eq!(shown, ours, "the dashboard shows all that is counted");
}

#[test]
fn each_alarm_is_described_notifies_the_topics_and_is_on_the_dashboard() {
    let template = read_template();
    let alarms = resources(&template, "AWS::CloudWatch::Alarm");
    for (name, alarm) in &alarms {
        let description = alarm["AlarmDescription"].as_str().unwrap_or_default();
        assert!(description.split(['.', ';']).count() > 2, "{name} should say what happened, and what to do");
        assert!(!alarm["TreatMissingData"].is_null(), "{name}");
        let actions =
            ["HasAlarmTopic", "AlarmTopicArn", "AWS::NoValue", "HasAlarmEmail", "AlarmTopic", "AWS::NoValue"];
        assert_eq!(texts(&alarm["AlarmActions"]), actions, "{name}");
    }
    let shown = dashboard()["widgets"][0]["properties"]["alarms"].clone();
    let shown: BTreeSet<_> =
        shown.as_array().unwrap().iter().map(|arn| arn.as_str().unwrap().to_owned()).collect();
    assert_eq!(shown, alarms.iter().map(|(name, _)| format!("${{{name}.Arn}}")).collect());
    let guide =
        std::fs::read_to_string(crate::harness::template().with_file_name("docs/OPERATING.md")).unwrap();
    for (name, _) in alarms {
        assert!(guide.contains(&format!("`{name}`")), "{name} is not explained");
    }
    for metric in Metric::ALL {
        assert!(guide.contains(&format!("| `{}` |", metric.name())), "{metric:?} is not explained");
    }
}

/// A value without its tags, as JSON.
fn untagged(value: &Yaml) -> Value {
    match value {
        Yaml::Tagged(tagged) => untagged(&tagged.value),
        Yaml::Sequence(items) => items.iter().map(untagged).collect(),
        Yaml::Mapping(fields) => Value::Object(
            fields.iter().map(|(name, value)| (name.as_str().unwrap().to_owned(), untagged(value))).collect(),
        ),
        plain => serde_json::to_value(plain).unwrap(),
    }
}
