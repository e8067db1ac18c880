//! Messages that come twice, and messages that nobody can understand.

use std::collections::BTreeSet;
use std::time::Duration;

use aws_sdk_dynamodb::types::{
    AttributeDefinition, BillingMode, KeySchemaElement, KeyType, ScalarAttributeType,
};
use futures::future::join_all;
use http::StatusCode;
use posthorn_domain::{DeliveryStatus, EventId, HealthState, Partition};
use posthorn_local::Receiver;
use posthorn_local_aws::clients;
use posthorn_local_aws::template::queue_url;
use serde_json::json;
use tokio::time::{interval, timeout};

use crate::harness::{PATIENCE, TestStores, TestSystem, local_tenant, next};
use crate::time_machine::TimeMachine;

fn event_id(machine: &TimeMachine) -> EventId {
    EventId::new(machine.now(), Partition::of(&"order.paid".parse().unwrap()), machine.random.bits())
}

fn message(id: EventId) -> String {
    let event = json!({ "id": id, "type": "order.paid", "data": {} });
    json!({ "account": local_tenant().account, "livemode": true, "event": event }).to_string()
}

#[tokio::test(flavor = "multi_thread")]
async fn duplicates_that_are_handled_at_the_same_time_leave_one_record_and_no_loose_ends() {
    let flaky = |path: &str, _: &str| {
        if path == "/ok" { StatusCode::OK } else { StatusCode::INTERNAL_SERVER_ERROR }
    };
    let receiver = Receiver::start(0, flaky).await.unwrap();
    let machine = TimeMachine::start(&[("RETRY_SCHEDULE", "5s")]).await;
    machine.register(&format!("{}/ok", receiver.url), &["*"]).await;
    machine.register(&format!("{}/broken", receiver.url), &["*"]).await;
    machine.stores.prove_endpoints().await;
    let id = event_id(&machine);
    join_all((0..8).map(|_| machine.send("EventsQueue", message(id)))).await;
    machine.work().await;
    let record = machine.record(id).await;
    assert_eq!(record.deliveries.len(), 2);
    assert!(record.deliveries.iter().all(|delivery| delivery.attempts.len() == 1), "{record:?}");
    machine.pass(Duration::from_mins(1)).await;
    let record = machine.record(id).await;
    let mut ends: Vec<_> =
        record.deliveries.iter().map(|delivery| (delivery.attempts.len(), delivery.status)).collect();
    ends.sort_by_key(|(attempts, _)| *attempts);
    assert_eq!(ends, [(1, DeliveryStatus::Succeeded), (2, DeliveryStatus::Failed)]);
    machine.stores.until_idle().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_duplicate_that_comes_late_finds_nothing_left_to_do() {
    let mut receiver = Receiver::start(0, |_, _| StatusCode::OK).await.unwrap();
    let machine = TimeMachine::start(&[]).await;
    machine.register(&receiver.url, &["*"]).await;
    let id = event_id(&machine);
    let late = json!({ "id": id, "type": "order.paid", "data": {}, "created_at": machine.now() });
    let late = json!({ "account": local_tenant().account, "livemode": true, "event": late }).to_string();
    machine.send("EventsQueue", late.clone()).await;
    machine.work().await;
    assert_eq!(next(&mut receiver).await.event_id(), id.to_string());
    machine.sleep(Duration::from_mins(1));
    machine.send("EventsQueue", late).await;
    machine.work().await;
    assert!(receiver.is_idle(), "it is not delivered again");
    assert_eq!(machine.delivery(id).await.attempts.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn duplicate_retries_make_one_attempt_more() {
    let receiver = Receiver::start(0, |_, _| StatusCode::INTERNAL_SERVER_ERROR).await.unwrap();
    let machine = TimeMachine::start(&[("RETRY_SCHEDULE", "5s, 1h")]).await;
    let endpoint = machine.register(&receiver.url, &["*"]).await;
    let id = machine.publish("order.paid").await;
    machine.work().await;
    let retry = json!({
        "account": local_tenant().account, "livemode": true, "event_id": id, "endpoint_id": endpoint.id, "attempt": 2,
    });
    for _ in 0..5 {
        machine.send("DeliveriesQueue", retry.to_string()).await;
    }
    machine.pass(Duration::from_mins(1)).await;
    assert_eq!(machine.delivery(id).await.attempts.len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn with_too_little_time_left_no_post_is_begun_and_the_message_is_handed_back() {
    let mut receiver = Receiver::start(0, |_, _| StatusCode::OK).await.unwrap();
    let mut machine = TimeMachine::start(&[]).await;
    let endpoint = machine.register(&receiver.url, &["*"]).await;
    machine.set_health(&[endpoint], HealthState::Slow).await;
    machine.time_left = Duration::from_secs(12);
    let id = machine.publish("order.paid").await;
    machine.work().await;
    assert_eq!(machine.stores.depth("EventsQueue").await, 1, "fan-out hands it back");
    // Time for fan-out, too little for the 15 seconds that deliver gives an endpoint.
    machine.time_left = Duration::from_secs(14);
    machine.pass(Duration::from_mins(4)).await;
    assert_eq!(machine.delivery(id).await.attempts, [], "deliver hands it back");
    assert!(receiver.is_idle());
    machine.time_left = Duration::from_secs(30);
    machine.pass(Duration::from_mins(4)).await;
    assert_eq!(next(&mut receiver).await.event_id(), id.to_string());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_whose_record_is_refused_stays_on_its_queue_and_is_delivered_after_redelivery() {
    let mut receiver = Receiver::start(0, |_, _| StatusCode::OK).await.unwrap();
    let mut machine = TimeMachine::start(&[("EVENTS_TABLE", "LaterTable")]).await;
    // Refused writes are tried again as long as there is time.
    machine.time_left = Duration::from_secs(14);
    let endpoint = machine.register(&receiver.url, &["*"]).await;
    machine.prove(&[endpoint]).await;
    let id = machine.publish("order.paid").await;
    machine.work().await;
    assert_eq!(next(&mut receiver).await.event_id(), id.to_string());
    assert_eq!(machine.stores.depth("EventsQueue").await, 1, "an event without a record is not done with");
    create_events_table(&machine.stores, "LaterTable").await;
    machine.pass(Duration::from_secs(6)).await;
    assert_eq!(next(&mut receiver).await.event_id(), id.to_string(), "the delivery is made again");
    assert_eq!(machine.delivery(id).await.status, DeliveryStatus::Succeeded);
    machine.stores.until_idle().await;
}

async fn create_events_table(stores: &TestStores, name: &str) {
    let key = |name: &str, kind: KeyType| {
        KeySchemaElement::builder().attribute_name(name).key_type(kind).build().unwrap()
    };
    let attribute = |name: &str| {
        let attribute = AttributeDefinition::builder().attribute_name(name);
        attribute.attribute_type(ScalarAttributeType::S).build().unwrap()
    };
    let create = clients::dynamodb(&stores.stores.dynamodb).create_table().table_name(name);
    let create = create.key_schema(key("pk", KeyType::Hash)).key_schema(key("sk", KeyType::Range));
    let create = create.attribute_definitions(attribute("pk")).attribute_definitions(attribute("sk"));
    create.billing_mode(BillingMode::PayPerRequest).send().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_nobody_can_understand_becomes_a_dead_letter_and_holds_up_nothing() {
    let mut receiver = Receiver::start(0, |_, _| StatusCode::OK).await.unwrap();
    let stores = TestStores::with_visibility(Duration::from_millis(300)).await;
    let system = TestSystem::with(stores, &[]).await;
    system.register(&json!({ "url": receiver.url, "enabled_events": ["*"] })).await;
    let sqs = clients::sqs(&system.stores.stores.sqs);
    let send = async |queue: &str, body: &str| {
        let url = queue_url(&system.stores.stores.sqs, queue);
        sqs.send_message().queue_url(url).message_body(body).send().await.unwrap();
    };
    let unrecorded = EventId::new(
        posthorn_domain::Timestamp::from_millis(1_795_514_400_000),
        Partition::of(&"order.paid".parse().unwrap()),
        7,
    );
    let poison = [
        "not JSON",
        "[]",
        r#"{"account":"local","livemode":true}"#,
        r#"{"account":"no such account!","livemode":true,"event":{"type":"a","data":{}}}"#,
        r#"{"account":{"id":"local"},"livemode":true,"event":{"type":"a","data":{}}}"#,
        r#"{"account":"local","livemode":true,"event":{"type":"a","data":{},"colour":"red"}}"#,
        r#"{"account":"local","livemode":"yes","event":{"type":"a","data":{}}}"#,
    ];
    for body in poison {
        send("EventsQueue", body).await;
        send("DeliveriesQueue", body).await;
    }
    let unknown = json!({ "account": "local", "livemode": true, "event_id": unrecorded,
        "endpoint_id": "wh_01JDB5G8Z7M4X3W2V1T0S9R8Q7", "attempt": 1 });
    send("DeliveriesQueue", &unknown.to_string()).await;
    send("EventsQueue", r#"{"account":"local","livemode":true,"event":{"type":"good","data":{}}}"#).await;
    assert_eq!(next(&mut receiver).await.path, "/");
    let dead = async {
        let mut look = interval(Duration::from_millis(50));
        loop {
            let events = system.stores.depth("EventsDeadLetterQueue").await;
            let deliveries = system.stores.depth("DeliveriesDeadLetterQueue").await;
            if (events, deliveries) == (7, 8) {
                return;
            }
            look.tick().await;
        }
    };
    timeout(PATIENCE, dead).await.expect("all of them should become dead letters");
    assert_eq!(system.stores.waiting().await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_for_five_thousand_endpoints_reaches_each_of_them_through_chunks() {
    let mut receiver = Receiver::start(0, |_, _| StatusCode::OK).await.unwrap();
    let machine = TimeMachine::start(&[]).await;
    for hundred in 0..50 {
        let urls: Vec<_> = (0..100).map(|n| format!("{}/{hundred}-{n}", receiver.url)).collect();
        join_all(urls.iter().map(|url| machine.register(url, &["order.*"]))).await;
    }
    let id = machine.publish("order.paid").await;
    machine.pass(Duration::from_mins(1)).await;
    let record = machine.record(id).await;
    assert_eq!((record.chunks.len(), record.deliveries.len()), (100, 0));
    // On a busy machine, one may take more than a second: it is then made again.
    let mut reached = BTreeSet::new();
    while !receiver.is_idle() {
        let arrival = receiver.next().await;
        assert_eq!(arrival.event_id(), id.to_string());
        reached.insert(arrival.path);
    }
    assert_eq!(reached.len(), 5_000);
    machine.stores.until_idle().await;
}
