//! Sending again what an endpoint has no success for.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock, Weak};
use std::time::Duration;

use axum::body::Bytes;
use axum::response::{IntoResponse as _, Response};
use http::StatusCode;
use posthorn_domain::{
    DeliveryStatus, DisabledReason, Endpoint, EndpointEdit, EventDraft, EventId, EventMessage, Fields,
    Partition, Recovery, RecoveryMessage, Timestamp, WorkMessage,
};
use posthorn_local::Receiver;
use posthorn_local::proxy::{Call, Gate, Proxy, Service, passed_on};
use posthorn_local_aws::clients;
use posthorn_storage::{Recoveries, StorageError};
use serde_json::{Value, json};
use tokio::time::timeout;

use crate::harness::{PATIENCE, changing_receiver, local_tenant, text};
use crate::metrics::values;
use crate::time_machine::{Backend, TimeMachine};

const MINUTE: Duration = Duration::from_mins(1);

/// What has arrived and was acknowledged, in the order of its arrival.
async fn acknowledged(receiver: &mut Receiver) -> Vec<String> {
    let mut ids = Vec::new();
    while !receiver.is_idle() {
        let arrival = receiver.next().await;
        if arrival.answered.is_success() {
            ids.push(arrival.event_id().to_owned());
        }
    }
    ids
}

async fn recover(machine: &TimeMachine, endpoint: &Endpoint, body: Value) -> (u16, Value) {
    let id = endpoint.id.to_string();
    machine.call("recover-endpoint", &[("id", &id)], Some(body)).await
}

async fn progress(machine: &TimeMachine, endpoint: &Endpoint, recovery: &Value) -> Value {
    let (id, task) = (endpoint.id.to_string(), text(recovery, "id"));
    let (status, recovery) = machine.call("get-recovery", &[("id", &id), ("task_id", task)], None).await;
    assert_eq!(status, 200, "{recovery}");
    recovery
}

async fn set_status(machine: &TimeMachine, endpoint: &Endpoint, status: &str) {
    let json = format!(r#"{{"status": "{status}"}}"#);
    let edit = EndpointEdit::read(&mut Fields::parse(&json).unwrap()).unwrap();
    let apply = |endpoint| Ok::<_, StorageError>(edit.apply(endpoint, None, machine.now()));
    machine.endpoints.update(&local_tenant(), endpoint.id, apply).await.unwrap().unwrap();
    machine.pass(Duration::from_secs(2)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_nights_outage_is_recovered_in_the_morning() {
    // In the evening all is well.
    let (mut receiver, answer) = changing_receiver(200).await;
    // No retry of the schedule comes among what is recovered in the morning, and too little fails for a hold.
    let settings = [("RECOVERIES_PER_SECOND", "1"), ("RETRY_SCHEDULE", "24h, 24h")];
    let machine = TimeMachine::start(&settings).await;
    let endpoint = machine.register(&receiver.url, &["order.*"]).await;
    machine.publish("order.paid").await;
    machine.pass(MINUTE).await;
    assert_eq!(acknowledged(&mut receiver).await.len(), 1);

    // At night a deployment goes wrong. Every half hour there is an order.
    let evening = machine.now();
    answer.store(500, Ordering::SeqCst);
    let mut orders = Vec::new();
    for _ in 0..16 {
        orders.push(machine.publish("order.paid").await.to_string());
        machine.pass(30 * MINUTE).await;
    }

    // In the morning it is mended. Without further ado, the last retries would come days later.
    answer.store(200, Ordering::SeqCst);
    assert_eq!(acknowledged(&mut receiver).await, Vec::<String>::new());
    let since = json!({ "since": evening });
    let (status, dry) = recover(&machine, &endpoint, json!({ "since": evening, "dry_run": true })).await;
    assert_eq!((status, dry), (200, json!({ "dry_run": true, "count": 16, "complete": true })));
    let (status, recovery) = recover(&machine, &endpoint, since).await;
    assert_eq!((status, text(&recovery, "status")), (202, "running"), "{recovery}");
    machine.pass(MINUTE).await;

    // A minute later everything has arrived, the oldest first.
    assert_eq!(acknowledged(&mut receiver).await, orders);
    let done = progress(&machine, &endpoint, &recovery).await;
    assert_eq!((text(&done, "status"), &done["deliveries_recovered"]), ("completed", &json!(16)), "{done}");

    // And nothing of it comes once more.
    machine.pass(Duration::from_hours(4 * 24)).await;
    assert_eq!(acknowledged(&mut receiver).await, Vec::<String>::new());
    for order in orders {
        let delivery = machine.delivery(order.parse().unwrap()).await;
        assert_eq!(delivery.status, DeliveryStatus::Succeeded);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_given_up_is_recovered_with_the_whole_schedule_before_it() {
    let (mut receiver, answer) = changing_receiver(500).await;
    let machine = TimeMachine::start(&[("RETRY_SCHEDULE", "5s, 1h")]).await;
    let endpoint = machine.register(&receiver.url, &["*"]).await;
    let since = machine.now();
    let event = machine.publish("order.paid").await;
    machine.pass(Duration::from_hours(3)).await;
    assert_eq!(machine.delivery(event).await.status, DeliveryStatus::Failed);
    for attempts in [6, 9] {
        recover(&machine, &endpoint, json!({ "since": since })).await;
        machine.pass(Duration::from_hours(3)).await;
        let delivery = machine.delivery(event).await;
        assert_eq!((delivery.status, delivery.attempts.len()), (DeliveryStatus::Failed, attempts));
    }
    answer.store(200, Ordering::SeqCst);
    recover(&machine, &endpoint, json!({ "since": since })).await;
    machine.pass(MINUTE).await;
    assert_eq!(acknowledged(&mut receiver).await, [event.to_string()]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_endpoint_missed_is_sent_to_it_where_that_is_asked_for() {
    let (mut receiver, _) = changing_receiver(200).await;
    let machine = TimeMachine::start(&[]).await;
    let other = machine.register(&format!("{}/other", receiver.url), &["*"]).await;
    let began = machine.now();
    let before = machine.publish("order.paid").await;
    machine.publish("parcel.lost").await;
    publish_test_event(&machine, &other).await;
    machine.pass(2 * Duration::from_hours(24)).await;
    let endpoint = machine.register(&format!("{}/new", receiver.url), &["order.*"]).await;
    machine.pass(MINUTE).await;
    let usual = machine.publish("order.paid").await;
    machine.pass(MINUTE).await;
    set_status(&machine, &endpoint, "disabled").await;
    let meanwhile = machine.publish("order.paid").await;
    machine.pass(MINUTE).await;
    let (status, problem) = recover(&machine, &endpoint, json!({ "since": began })).await;
    assert_eq!(status, 409, "{problem}");
    assert!(text(&problem, "error").contains("its owner disabled it"), "{problem}");
    set_status(&machine, &endpoint, "enabled").await;
    acknowledged(&mut receiver).await;

    let (_, dry) = recover(&machine, &endpoint, json!({ "since": began, "dry_run": true })).await;
    assert_eq!(dry["count"], 0, "nothing has failed");
    for (asked, expected) in [("missing", vec![before, meanwhile]), ("all", vec![])] {
        let (status, recovery) =
            recover(&machine, &endpoint, json!({ "since": began, "scope": asked })).await;
        assert_eq!(status, 202, "{recovery}");
        machine.pass(MINUTE).await;
        let expected: Vec<String> = expected.iter().map(EventId::to_string).collect();
        assert_eq!(acknowledged(&mut receiver).await, expected, "{asked}");
    }
    let found = machine.log.find(&local_tenant(), before, endpoint.id).await.unwrap().unwrap();
    assert_eq!(found.1.unwrap().status, DeliveryStatus::Succeeded);
    let shown = machine.attempts(&[("webhook_endpoint_id", &endpoint.id.to_string())]).await;
    let events: Vec<&str> = shown.iter().map(|attempt| text(attempt, "event_id")).collect();
    let expected = [meanwhile, usual, before].map(|id| id.to_string());
    assert_eq!(events, expected, "the list reaches as far back as the recovery");
}

/// An event for one endpoint alone.
async fn publish_test_event(machine: &TimeMachine, endpoint: &Endpoint) {
    let draft = EventDraft::test(&"order.paid".parse().unwrap());
    let message = EventMessage {
        tenant: local_tenant(),
        endpoint_id: Some(endpoint.id),
        claimed: false,
        id: Some(EventId::new(machine.now(), Partition::of(&draft.event_type), 7)),
        draft,
    };
    machine.send("EventsQueue", message.to_json()).await;
    machine.work().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_large_recovery_goes_on_by_itself_at_its_rate() {
    let (mut receiver, answer) = changing_receiver(500).await;
    let machine = TimeMachine::start(&[("RECOVERIES_PER_SECOND", "20"), ("RETRY_SCHEDULE", "1h")]).await;
    let endpoint = machine.register(&receiver.url, &["*"]).await;
    let since = machine.now();
    for _ in 0..500 {
        machine.publish("order.paid").await;
    }
    machine.pass(Duration::from_secs(30)).await;
    answer.store(200, Ordering::SeqCst);
    acknowledged(&mut receiver).await;
    let (_, recovery) = recover(&machine, &endpoint, json!({ "since": since })).await;

    let mut seen: HashMap<String, usize> = HashMap::new();
    machine.work().await;
    assert_eq!(progress(&machine, &endpoint, &recovery).await["deliveries_recovered"], 200, "a slice");
    for _ in 0..5 {
        machine.pass(Duration::from_secs(5)).await;
        let arrived = acknowledged(&mut receiver).await;
        assert!((60..=140).contains(&arrived.len()), "{} in five seconds", arrived.len());
        for id in arrived {
            *seen.entry(id).or_default() += 1;
        }
    }
    machine.pass(MINUTE).await;
    for id in acknowledged(&mut receiver).await {
        *seen.entry(id).or_default() += 1;
    }
    assert_eq!(seen.len(), 500);
    assert!(seen.values().all(|times| *times == 1), "none comes twice");
    let done = progress(&machine, &endpoint, &recovery).await;
    assert_eq!((text(&done, "status"), &done["deliveries_recovered"]), ("completed", &json!(500)), "{done}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_recovery_stops_when_its_endpoint_is_disabled() {
    let (receiver, _) = changing_receiver(500).await;
    let machine = TimeMachine::start(&[("RECOVERIES_PER_SECOND", "1"), ("RETRY_SCHEDULE", "1h")]).await;
    let endpoint = machine.register(&receiver.url, &["*"]).await;
    let since = machine.now();
    for _ in 0..30 {
        machine.publish("order.paid").await;
    }
    machine.pass(Duration::from_secs(5)).await;
    let (_, recovery) = recover(&machine, &endpoint, json!({ "since": since })).await;
    machine.pass(Duration::from_secs(2)).await;
    let read = machine.endpoint(&endpoint).await;
    let disabled =
        machine.endpoints.disable(&local_tenant(), &read, DisabledReason::Gone, machine.now()).await.unwrap();
    assert_eq!(disabled, posthorn_storage::Written::Now);
    machine.pass(MINUTE).await;
    assert_eq!(progress(&machine, &endpoint, &recovery).await["status"], "stopped");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_recovery_stops_after_its_last_slice_and_another_goes_on_where_it_ended() {
    const LAST: u32 = 1_000_000;
    let (mut receiver, answer) = changing_receiver(500).await;
    let machine = TimeMachine::start(&[("RECOVERIES_PER_SECOND", "1"), ("RETRY_SCHEDULE", "1h")]).await;
    let endpoint = machine.register(&receiver.url, &["*"]).await;
    let since = machine.now();
    let mut events = Vec::new();
    for _ in 0..25 {
        events.push(machine.publish("order.paid").await.to_string());
        machine.pass(Duration::from_millis(10)).await;
    }
    answer.store(200, Ordering::SeqCst);
    acknowledged(&mut receiver).await;
    let (_, recovery) = recover(&machine, &endpoint, json!({ "since": since })).await;
    machine.take("DeliveriesQueue").await;

    let recoveries = recoveries(&machine);
    let id = text(&recovery, "id").parse().unwrap();
    let begun = recoveries.get(&local_tenant(), id).await.unwrap().unwrap();
    let slices = LAST - 1;
    recoveries.create(&local_tenant(), &Recovery { slices, ..begun }).await.unwrap();
    let message = RecoveryMessage { tenant: local_tenant(), recovery_id: id, slice: slices }.to_json();
    for _ in 0..2 {
        // SQS may deliver a message twice.
        machine.send("DeliveriesQueue", message.clone()).await;
    }
    machine.told("deliver");
    machine.pass(MINUTE).await;
    let stopped = progress(&machine, &endpoint, &recovery).await;
    assert_eq!((text(&stopped, "status"), &stopped["deliveries_recovered"]), ("stopped", &json!(10)));
    assert_eq!(values(&machine.told("deliver").unwrap())["ChainsStopped"], 1);

    let reached = text(&stopped, "reached");
    let (_, another) = recover(&machine, &endpoint, json!({ "since": reached })).await;
    machine.pass(MINUTE).await;
    assert_eq!(progress(&machine, &endpoint, &another).await["status"], "completed");
    let arrived: BTreeSet<_> = acknowledged(&mut receiver).await.into_iter().collect();
    assert_eq!(arrived, events.into_iter().collect());
}

fn recoveries(machine: &TimeMachine) -> Recoveries {
    let client = clients::dynamodb(&machine.stores.stores.dynamodb);
    Recoveries::new(client, "EventsTable".to_owned(), Duration::from_hours(24))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_recovery_that_comes_no_further_for_an_hour_stops() {
    let (receiver, _) = changing_receiver(500).await;
    let (slow, machine) = behind_a_bad_table(&[("RETRY_SCHEDULE", "1h")]).await;
    let machine = Arc::new(machine);
    let endpoint = machine.register(&receiver.url, &["*"]).await;
    let since = machine.now();
    machine.publish("order.paid").await;
    machine.pass(MINUTE).await;
    slow.gate.clock.set(Arc::downgrade(&machine)).ok();
    let missing = json!({ "since": since, "scope": "missing" });
    let (_, recovery) = recover(&machine, &endpoint, missing).await;
    machine.told("deliver");
    timeout(PATIENCE, machine.pass(Duration::from_hours(2))).await.expect("it should come to an end");
    let stopped = progress(&machine, &endpoint, &recovery).await;
    assert_eq!((text(&stopped, "status"), &stopped["reached"]), ("stopped", &json!(null)), "{stopped}");
    assert_eq!(values(&machine.told("deliver").unwrap())["ChainsStopped"], 1);
}

/// A DynamoDB that takes longer for a query than a slice has, where there is a clock, or that loses its first answer to
/// each write.
#[derive(Default)]
struct BadTable {
    clock: OnceLock<Weak<TimeMachine>>,
    loses_answers: AtomicBool,
    /// The writes whose answers were lost.
    written: Mutex<HashSet<Bytes>>,
}

impl Gate for BadTable {
    async fn answer(&self, call: Call, service: &Service) -> Response {
        let (_, operation) = call.operation();
        let is_write = ["PutItem", "UpdateItem"].contains(&operation);
        if let ("Query", Some(machine)) = (operation, self.clock.get().and_then(Weak::upgrade)) {
            machine.sleep(Duration::from_secs(46));
        }
        let body = call.body.clone();
        let answer = passed_on(service.call(call).await);
        if self.loses_answers.load(Ordering::SeqCst) && is_write && self.written.lock().unwrap().insert(body)
        {
            return StatusCode::INTERNAL_SERVER_ERROR.into_response();
        }
        answer
    }
}

/// A bad table, and a system whose `deliver` uses it.
async fn behind_a_bad_table(environment: &[(&str, &str)]) -> (Proxy<BadTable>, TimeMachine) {
    let backend = Backend::start().await;
    let proxy = Proxy::start(&backend.stores.stores.dynamodb, BadTable::default()).await.unwrap();
    let machine = TimeMachine::start_on(backend, environment, |_, function| {
        let variable = ("AWS_ENDPOINT_URL_DYNAMODB".to_owned(), proxy.url.clone());
        if function == "deliver" { vec![variable] } else { Vec::new() }
    })
    .await;
    (proxy, machine)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_recovery_goes_on_although_the_answer_to_each_of_its_writes_is_lost() {
    let (mut receiver, answer) = changing_receiver(500).await;
    let variables = [("RECOVERIES_PER_SECOND", "1"), ("RETRY_SCHEDULE", "1h")];
    let (lossy, machine) = behind_a_bad_table(&variables).await;
    let endpoint = machine.register(&receiver.url, &["*"]).await;
    let since = machine.now();
    let mut events = Vec::new();
    for _ in 0..12 {
        events.push(machine.publish("order.paid").await.to_string());
        machine.pass(Duration::from_millis(10)).await;
    }
    answer.store(200, Ordering::SeqCst);
    acknowledged(&mut receiver).await;
    lossy.gate.loses_answers.store(true, Ordering::SeqCst);
    let (_, recovery) = recover(&machine, &endpoint, json!({ "since": since })).await;
    machine.pass(MINUTE).await;
    assert!(!lossy.gate.written.lock().unwrap().is_empty(), "answers were lost");
    let recovered = progress(&machine, &endpoint, &recovery).await;
    assert_eq!((text(&recovered, "status"), &recovered["deliveries_recovered"]), ("completed", &json!(12)));
    assert_eq!(acknowledged(&mut receiver).await, events);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slice_whose_messages_were_lost_is_done_again() {
    let (mut receiver, answer) = changing_receiver(500).await;
    let machine = TimeMachine::start(&[("RETRY_SCHEDULE", "1h")]).await;
    let endpoint = machine.register(&receiver.url, &["*"]).await;
    let since = machine.now();
    let event = machine.publish("order.paid").await;
    machine.pass(MINUTE).await;
    answer.store(200, Ordering::SeqCst);
    acknowledged(&mut receiver).await;
    let (_, recovery) = recover(&machine, &endpoint, json!({ "since": since })).await;
    // The function ends in the middle of the slice: the delivery is on record as due again, and on no queue.
    let message = machine.take("DeliveriesQueue").await.pop().unwrap();
    assert!(matches!(WorkMessage::parse(&message), Ok(WorkMessage::Recovery(_))), "{message}");
    let before = machine.delivery(event).await;
    let due_again = before.recovered(machine.now());
    let step =
        posthorn_storage::Progress { delivery: &due_again, before: posthorn_storage::Before::of(&before) };
    let key = posthorn_storage::RecordKey { tenant: local_tenant(), event_id: event, chunk: None };
    let written = machine.log.advance(&key, &[step], machine.now()).await.unwrap();
    assert_eq!(written, posthorn_storage::Written::Now);

    machine.send("DeliveriesQueue", message.clone()).await;
    machine.pass(MINUTE).await;
    assert_eq!(acknowledged(&mut receiver).await, [event.to_string()]);
    // Its message once more finds the slice done.
    machine.send("DeliveriesQueue", message).await;
    machine.pass(MINUTE).await;
    assert_eq!(acknowledged(&mut receiver).await, Vec::<String>::new());
    assert_eq!(progress(&machine, &endpoint, &recovery).await["status"], "completed");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_recovery_that_makes_no_sense_is_refused() {
    let machine = TimeMachine::start(&[]).await;
    let endpoint = machine.register("https://example.com/", &["*"]).await;
    let refused = async |body: Value| {
        let (status, problem) = recover(&machine, &endpoint, body).await;
        (status, problem["param"].as_str().unwrap_or_default().to_owned())
    };
    let param = |name: &str| (400, name.to_owned());
    assert_eq!(refused(json!({})).await, param("since"));
    assert_eq!(refused(json!({ "since": "yesterday" })).await, param("since"));
    let future = machine.now().plus(MINUTE);
    assert_eq!(refused(json!({ "since": future })).await, param("until"));
    let past: Timestamp = machine.now().minus(MINUTE);
    assert_eq!(refused(json!({ "since": past, "scope": "some" })).await, param("scope"));
    assert_eq!(refused(json!({ "since": past, "colour": 1 })).await, param("colour"));
    let (id, task) = (endpoint.id.to_string(), "rec_01JDB5G8Z7M4X3W2V1T0S9R8Q7");
    let (status, _) = machine.call("get-recovery", &[("id", &id), ("task_id", task)], None).await;
    assert_eq!(status, 404);
    let (status, _) = machine.call("get-recovery", &[("id", &id), ("task_id", "x")], None).await;
    assert_eq!(status, 404);
}
