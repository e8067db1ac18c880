//! Pausing an endpoint, and what happens to its deliveries then and afterwards.

use std::collections::BTreeSet;
use std::sync::atomic::Ordering;
use std::time::Duration;

use posthorn_domain::{
    Delivery, DeliveryStatus, Endpoint, EventId, HoldState, Partition, Recovery, RecoveryId, RecoveryMessage,
    RecoveryScope, RecoveryStatus, Timestamp,
};
use posthorn_local::Receiver;
use posthorn_storage::{EventRecord, RecordKey, Written};
use serde_json::{Value, json};

use crate::harness::{changing_receiver, local_tenant, text};
use crate::time_machine::TimeMachine;

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_mins(1);

/// Calls a route of the endpoint, and waits until the functions know of it.
async fn call(machine: &TimeMachine, function: &str, endpoint: &Endpoint, body: Option<Value>) -> Value {
    let (status, answer) = machine.call(function, &[("id", &endpoint.id.to_string())], body).await;
    assert_eq!(status, 200, "{function}: {answer}");
    machine.sleep(2 * SECOND);
    answer
}

async fn pause(machine: &TimeMachine, endpoint: &Endpoint) -> Value {
    call(machine, "pause-endpoint", endpoint, None).await
}

async fn resume(machine: &TimeMachine, endpoint: &Endpoint) -> Value {
    call(machine, "resume-endpoint", endpoint, None).await
}

async fn publish(machine: &TimeMachine, events: usize) -> Vec<EventId> {
    let mut published = Vec::new();
    for _ in 0..events {
        published.push(machine.publish("order.paid").await);
        machine.pass(SECOND).await;
    }
    published
}

/// The events of all webhooks that have arrived, in their order.
async fn arrived(receiver: &mut Receiver) -> Vec<EventId> {
    let mut events = Vec::new();
    while !receiver.is_idle() {
        events.push(receiver.next().await.event_id().parse().unwrap());
    }
    events
}

/// Checks that these are the expected events, in their order up to a batch: what is sent at once may arrive in any order.
fn assert_in_order(found: &[EventId], expected: &[EventId]) {
    let mut sorted = found.to_vec();
    sorted.sort_unstable();
    assert_eq!(sorted, expected);
    for (place, event) in found.iter().enumerate() {
        let expected = expected.iter().position(|other| other == event).unwrap();
        assert!(place.abs_diff(expected) < 10, "{event} is the {place}th of {found:?}");
    }
}

async fn statuses(machine: &TimeMachine, events: &[EventId]) -> Vec<DeliveryStatus> {
    let mut statuses = Vec::new();
    for event in events {
        statuses.push(machine.delivery(*event).await.status);
    }
    statuses
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pause_sends_nothing_and_afterwards_everything_arrives_once_the_oldest_first() {
    let (mut receiver, _) = changing_receiver(200).await;
    let machine = TimeMachine::start(&[("RECOVERIES_PER_SECOND", "1")]).await;
    let endpoint = machine.register(&receiver.url, &["order.*"]).await;
    publish(&machine, 1).await;
    assert_eq!(arrived(&mut receiver).await.len(), 1);

    let paused = pause(&machine, &endpoint).await;
    assert_eq!((&paused["status"], &paused["hold"]["status"]), (&json!("paused"), &json!("paused")));
    let held = publish(&machine, 40).await;
    assert_eq!(arrived(&mut receiver).await, []);
    assert_eq!(statuses(&machine, &held).await, [DeliveryStatus::Held; 40]);
    let (_, event) = machine.call("get-event", &[("id", &held[0].to_string())], None).await;
    assert_eq!(event["deliveries"][0]["status"], "held", "{event}");
    assert_eq!(event["pending_webhooks"], 1, "{event}");

    let resumed = resume(&machine, &endpoint).await;
    assert_eq!((&resumed["status"], &resumed["hold"]["status"]), (&json!("enabled"), &json!("draining")));
    let fresh = publish(&machine, 1).await;
    machine.pass(5 * MINUTE).await;
    let mut all = arrived(&mut receiver).await;
    all.retain(|event| *event != fresh[0]);
    assert_in_order(&all, &held);
    let task = text(&resumed["hold"], "recovery_id");
    let path = [("id", &*endpoint.id.to_string()), ("task_id", task)].map(|(name, id)| (name, id.to_owned()));
    let path: Vec<(&str, &str)> = path.iter().map(|(name, id)| (*name, id.as_str())).collect();
    let (_, done) = machine.call("get-recovery", &path, None).await;
    assert_eq!((text(&done, "status"), &done["deliveries_recovered"]), ("completed", &json!(40)), "{done}");
    assert_eq!(machine.endpoint(&endpoint).await.hold, None);
    machine.pass(Duration::from_hours(24)).await;
    assert_eq!(arrived(&mut receiver).await, []);
}

#[tokio::test(flavor = "multi_thread")]
async fn retries_that_come_due_in_a_pause_wait_for_its_end() {
    let (mut receiver, answer) = changing_receiver(500).await;
    let machine = TimeMachine::start(&[("RETRY_SCHEDULE", "1m, 1h")]).await;
    let endpoint = machine.register(&receiver.url, &["order.*"]).await;
    let failed = publish(&machine, 3).await;
    pause(&machine, &endpoint).await;
    answer.store(200, Ordering::SeqCst);
    arrived(&mut receiver).await;
    machine.pass(Duration::from_hours(3)).await;
    assert_eq!(arrived(&mut receiver).await, []);
    assert_eq!(statuses(&machine, &failed).await, [DeliveryStatus::Held; 3]);
    resume(&machine, &endpoint).await;
    machine.pass(MINUTE).await;
    assert_in_order(&arrived(&mut receiver).await, &failed);
    assert_eq!(statuses(&machine, &failed).await, [DeliveryStatus::Succeeded; 3]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_held_ends_as_canceled_when_it_is_skipped_or_its_endpoint_is_disabled_or_deleted() {
    let ways: [(&str, Option<Value>); 3] = [
        ("resume-endpoint", Some(json!({ "skip": true }))),
        ("update-endpoint", Some(json!({ "status": "disabled" }))),
        ("delete-endpoint", None),
    ];
    for (function, body) in ways {
        let (mut receiver, _) = changing_receiver(200).await;
        let machine = TimeMachine::start(&[]).await;
        let endpoint = machine.register(&receiver.url, &["order.*"]).await;
        pause(&machine, &endpoint).await;
        let held = publish(&machine, 3).await;
        call(&machine, function, &endpoint, body).await;
        machine.pass(10 * MINUTE).await;
        assert_eq!(statuses(&machine, &held).await, [DeliveryStatus::Canceled; 3], "{function}");
        assert_eq!(arrived(&mut receiver).await, [], "{function}");
        if function == "resume-endpoint" {
            let fresh = publish(&machine, 1).await;
            assert_eq!(arrived(&mut receiver).await, fresh);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pause_amid_draining_holds_the_rest_and_the_next_resumption_sends_it() {
    let (mut receiver, _) = changing_receiver(200).await;
    let machine = TimeMachine::start(&[("RECOVERIES_PER_SECOND", "1")]).await;
    let endpoint = machine.register(&receiver.url, &["order.*"]).await;
    pause(&machine, &endpoint).await;
    let held = publish(&machine, 30).await;
    call(&machine, "update-endpoint", &endpoint, Some(json!({ "status": "enabled" }))).await;
    machine.pass(5 * SECOND).await;
    let since = machine.endpoint(&endpoint).await.hold.unwrap().since;
    let before = arrived(&mut receiver).await;
    assert!((1..30).contains(&before.len()), "{before:?}");

    call(&machine, "update-endpoint", &endpoint, Some(json!({ "status": "paused" }))).await;
    let again = machine.endpoint(&endpoint).await;
    assert_eq!(again.held_since(), Some(since), "some are held since then");
    machine.pass(10 * MINUTE).await;
    let meanwhile = arrived(&mut receiver).await;
    resume(&machine, &endpoint).await;
    machine.pass(10 * MINUTE).await;
    let all = [before, meanwhile, arrived(&mut receiver).await].concat();
    assert_in_order(&all, &held);
    assert_eq!(machine.endpoint(&endpoint).await.hold, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_paused_one_among_many_endpoints_holds_its_deliveries_alone() {
    let (mut receiver, _) = changing_receiver(200).await;
    let machine = TimeMachine::start(&[]).await;
    let mut endpoints = Vec::new();
    for number in 0..60 {
        endpoints.push(machine.register(&format!("{}/{number}", receiver.url), &["order.*"]).await);
    }
    pause(&machine, &endpoints[7]).await;
    machine.publish("order.paid").await;
    machine.pass(MINUTE).await;
    let mut paths = BTreeSet::new();
    while !receiver.is_idle() {
        paths.insert(receiver.next().await.path);
    }
    assert!(paths.len() == 59 && !paths.contains("/7"), "{paths:?}");
    resume(&machine, &endpoints[7]).await;
    machine.pass(5 * MINUTE).await;
    assert_eq!(receiver.next().await.path, "/7");
}

/// An invocation that knew the endpoint as paused may write its record after the recovery has passed that place.
#[tokio::test(flavor = "multi_thread")]
async fn what_a_late_invocation_holds_is_found_by_the_last_look() {
    let (mut receiver, _) = changing_receiver(200).await;
    let machine = TimeMachine::start(&[]).await;
    let endpoint = machine.register(&receiver.url, &["order.*"]).await;
    machine.publish("order.paid").await;
    machine.pass(SECOND).await;
    arrived(&mut receiver).await;
    pause(&machine, &endpoint).await;
    let since = machine.endpoint(&endpoint).await.held_since().unwrap();
    machine.pass(SECOND).await;
    let event_type = "order.paid".parse().unwrap();
    let event_id = EventId::new(machine.now(), Partition::of(&event_type), 7);
    resume(&machine, &endpoint).await;
    machine.pass(MINUTE).await;
    let deliveries = vec![Delivery::due(endpoint.id, machine.now()).held(since)];
    let body = r#"{"id":"evt_1","livemode":true,"type":"order.paid","api_version":"1.0.0","data":{},"object_type":null,
        "object_id":null,"request":{},"pending_webhooks":0,"metadata":{},"created_at":"2026-11-24T10:00:00.000Z",
        "updated_at":"2026-11-24T10:00:00.000Z"}"#;
    let record =
        EventRecord { body: body.into(), chunks: Vec::new(), deliveries, only: None, expires_at: None };
    let key = RecordKey { tenant: local_tenant(), event_id, chunk: None };
    let written = machine.log.create(&key, &event_type, &record, machine.now()).await.unwrap();
    assert_eq!(written, Written::Now);
    machine.pass(5 * MINUTE).await;
    assert_eq!(arrived(&mut receiver).await, [event_id]);
}

/// The request that resumes an endpoint may end after it has begun the recovery, and before the endpoint is written.
#[tokio::test(flavor = "multi_thread")]
async fn a_resumption_that_ends_halfway_leaves_the_endpoint_paused_and_can_be_repeated() {
    let (mut receiver, _) = changing_receiver(200).await;
    let machine = TimeMachine::start(&[]).await;
    let endpoint = machine.register(&receiver.url, &["order.*"]).await;
    pause(&machine, &endpoint).await;
    let held = publish(&machine, 2).await;
    for (number, scope) in [(1, RecoveryScope::Held), (2, RecoveryScope::Skipped)] {
        begin_recovery(&machine, &endpoint, scope, number).await;
    }
    machine.pass(10 * MINUTE).await;
    assert_eq!(machine.endpoint(&endpoint).await.hold.unwrap().state(), HoldState::Paused);
    assert_eq!(statuses(&machine, &held).await, [DeliveryStatus::Held; 2]);
    resume(&machine, &endpoint).await;
    machine.pass(5 * MINUTE).await;
    assert_in_order(&arrived(&mut receiver).await, &held);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_endpoint_whose_recovery_has_stopped_can_be_resumed_again() {
    let (mut receiver, _) = changing_receiver(200).await;
    let machine = TimeMachine::start(&[]).await;
    let endpoint = machine.register(&receiver.url, &["order.*"]).await;
    pause(&machine, &endpoint).await;
    let held = publish(&machine, 2).await;
    resume(&machine, &endpoint).await;
    let recoveries = machine.stores.runtime("recover-endpoint").recoveries().unwrap();
    let drain = machine.endpoint(&endpoint).await.hold.unwrap().drain().unwrap();
    let recovery = recoveries.get(&local_tenant(), drain).await.unwrap().unwrap();
    let stopped = Recovery { status: RecoveryStatus::Stopped, ..recovery };
    recoveries.create(&local_tenant(), &stopped).await.unwrap();
    machine.pass(MINUTE).await;
    assert_eq!(arrived(&mut receiver).await, []);
    resume(&machine, &endpoint).await;
    machine.pass(5 * MINUTE).await;
    assert_in_order(&arrived(&mut receiver).await, &held);
    assert_eq!(machine.endpoint(&endpoint).await.hold, None);
}

async fn begin_recovery(machine: &TimeMachine, endpoint: &Endpoint, scope: RecoveryScope, number: i64) {
    let endpoint = machine.endpoint(endpoint).await;
    let at = Timestamp::from_millis(machine.now().as_millis() + number);
    let id = RecoveryId::new(at, machine.random.as_ref());
    let recovery = Recovery::of_held(id, &endpoint, scope, machine.now()).unwrap();
    let recoveries = machine.stores.runtime("recover-endpoint").recoveries().unwrap();
    recoveries.create(&local_tenant(), &recovery).await.unwrap();
    let message = RecoveryMessage { tenant: local_tenant(), recovery_id: id, slice: 0 };
    machine.send("DeliveriesQueue", message.to_json()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_paused_endpoint_takes_test_events_and_says_what_it_refuses() {
    let (mut receiver, _) = changing_receiver(200).await;
    let machine = TimeMachine::start(&[]).await;
    let endpoint = machine.register(&receiver.url, &["order.*"]).await;
    let sent = publish(&machine, 1).await;
    pause(&machine, &endpoint).await;
    arrived(&mut receiver).await;
    let id = endpoint.id.to_string();
    machine.call("test-endpoint", &[("id", &id)], None).await;
    machine.pass(SECOND).await;
    assert_eq!(arrived(&mut receiver).await.len(), 1);
    let again = json!({ "event_id": sent[0], "webhook_endpoint_id": id });
    let (status, problem) = machine.call("retry-attempt", &[], Some(again)).await;
    assert_eq!((status, &problem["code"]), (409, &json!("endpoint_paused")), "{problem}");
    let since = json!({ "since": "2026-01-01T00:00:00Z" });
    let (status, problem) = machine.call("recover-endpoint", &[("id", &id)], Some(since)).await;
    assert_eq!((status, &problem["code"]), (409, &json!("endpoint_paused")), "{problem}");
    let (_, listed) = machine.list("list-endpoints", &[("status", "paused")]).await;
    assert_eq!(listed["count"], 1, "{listed}");
    assert_eq!(pause(&machine, &endpoint).await["hold"], pause(&machine, &endpoint).await["hold"]);
}
