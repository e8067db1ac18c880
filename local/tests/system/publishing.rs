//! Publishing that is safe to repeat.

use std::time::Duration;

use aws_sdk_dynamodb::types::AttributeValue;
use futures::future::join_all;
use http::StatusCode;
use posthorn_local::Receiver;
use posthorn_local_aws::clients;
use serde_json::{Value, json};

use crate::harness::{TestStores, TestSystem, local_tenant, next, text};

fn event(key: &str, amount: u32) -> Value {
    json!({
        "type": "order.paid",
        "data": { "object": { "id": "1", "amount": amount } },
        "request": { "idempotency_key": key },
    })
}

/// Publishes an event with a key in the header. Returns the status, whether it was replayed, and the body.
async fn publish(system: &TestSystem, key: &str, amount: u32) -> (StatusCode, bool, Value) {
    let mut event = event(key, amount);
    event.as_object_mut().unwrap().remove("request");
    let request = reqwest::Client::new().post(format!("{}/api/events", system.http));
    let request = request.header("content-type", "application/json").header("idempotency-key", key);
    let response = request.body(event.to_string()).send().await.unwrap();
    let replayed = response.headers().get("idempotent-replayed").is_some_and(|value| value == "true");
    (response.status(), replayed, serde_json::from_str(&response.text().await.unwrap()).unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_key_and_body_give_the_same_event_and_another_body_is_a_conflict() {
    let mut receiver = Receiver::start(0, |_, _| StatusCode::OK).await.unwrap();
    let system = TestSystem::start().await;
    system.register(&json!({ "url": receiver.url, "enabled_events": ["*"] })).await;
    let (status, replayed, first) = publish(&system, "order-1", 5).await;
    assert_eq!((status, replayed), (StatusCode::ACCEPTED, false));
    let (status, replayed, again) = publish(&system, "order-1", 5).await;
    assert_eq!((status, replayed, &again), (StatusCode::ACCEPTED, true, &first));
    let (status, _, problem) = publish(&system, "order-1", 6).await;
    assert_eq!(status, StatusCode::CONFLICT);
    assert!(text(&problem, "error").contains("\"order-1\" was used for another event"), "{problem}");
    // The key in the body is the same key, and so is the event.
    let (status, in_body) = system.request("POST", "/api/events", Some(&event("order-1", 5))).await;
    assert_eq!((status, &in_body["id"]), (202, &first["id"]));
    // Another mode is another tenant.
    let (status, other) =
        system.request("POST", "/api/events?livemode=false", Some(&event("order-1", 6))).await;
    assert_eq!(status, 202);
    assert_ne!(other["id"], first["id"]);
    assert_eq!(next(&mut receiver).await.event_id(), text(&first, "id"));
    system.stores.until_idle().await;
    assert!(receiver.is_idle(), "the event is delivered once");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_cannot_be_read_is_refused_not_overlooked() {
    let system = TestSystem::start().await;
    let request = reqwest::Client::new().post(format!("{}/api/events", system.http));
    let request = request.header("content-type", "application/json").header("idempotency-key", "schlüssel");
    let response =
        request.body(event("key", 5).to_string().replace("request", "metadata")).send().await.unwrap();
    assert_eq!(response.status(), StatusCode::BAD_REQUEST);
    let problem: Value = serde_json::from_str(&response.text().await.unwrap()).unwrap();
    assert_eq!(text(&problem, "param"), "Idempotency-Key");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_with_a_misspelt_mode_is_not_published_as_live() {
    let system = TestSystem::start().await;
    let (status, problem) = system.request("POST", "/api/events?livmode=false", Some(&event("key", 5))).await;
    assert_eq!((status, text(&problem, "param")), (400, "livmode"));
    assert_eq!(system.stores.depth("EventsQueue").await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn twins_that_publish_at_the_same_time_publish_one_event() {
    let mut receiver = Receiver::start(0, |_, _| StatusCode::OK).await.unwrap();
    let system = TestSystem::start().await;
    system.register(&json!({ "url": receiver.url, "enabled_events": ["*"] })).await;
    let twins = join_all((0..12).map(|_| publish(&system, "twins", 5))).await;
    assert!(twins.iter().all(|(status, _, event)| *status == StatusCode::ACCEPTED && event == &twins[0].2));
    assert_eq!(twins.iter().filter(|(_, replayed, _)| !replayed).count(), 1);
    next(&mut receiver).await;
    system.stores.until_idle().await;
    assert!(receiver.is_idle(), "the event is delivered once");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_that_its_first_request_could_not_send_is_sent_when_the_request_is_repeated() {
    let mut receiver = Receiver::start(0, |_, _| StatusCode::OK).await.unwrap();
    let stores = TestStores::start().await;
    let nowhere = [("EVENTS_QUEUE_URL", "http://127.0.0.1/000000000000/NoQueue")];
    let broken = TestSystem::with(stores, &nowhere).await;
    broken.register(&json!({ "url": receiver.url, "enabled_events": ["*"] })).await;
    let (status, _, problem) = publish(&broken, "order-1", 5).await;
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE, "{problem}");
    let system = TestSystem::with(broken.stores, &[]).await;
    let (status, _, event) = publish(&system, "order-1", 5).await;
    assert_eq!(status, StatusCode::ACCEPTED, "{event}");
    assert_eq!(next(&mut receiver).await.event_id(), text(&event, "id"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_is_free_again_after_a_day() {
    let system = TestSystem::start().await;
    let (_, _, first) = publish(&system, "order-1", 5).await;
    let tenant = local_tenant();
    let expire = clients::dynamodb(&system.stores.stores.dynamodb).update_item().table_name("EventsTable");
    let expire = expire.key("pk", AttributeValue::S(format!("idem#{tenant}#order-1")));
    let expire =
        expire.key("sk", AttributeValue::S("idem".to_owned())).update_expression("SET expires_at = :past");
    expire.expression_attribute_values(":past", AttributeValue::N("1".to_owned())).send().await.unwrap();
    let (status, replayed, second) = publish(&system, "order-1", 6).await;
    assert_eq!((status, replayed), (StatusCode::ACCEPTED, false));
    assert_ne!(first["id"], second["id"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn each_event_of_a_batch_has_its_own_outcome() {
    let system = TestSystem::start().await;
    let (_, _, before) = publish(&system, "a", 1).await;
    let events = json!({ "events": [
        event("a", 1), event("a", 2), event("b", 1), event("b", 1), { "type": "order.paid" },
        { "type": "order.paid", "data": {} },
    ] });
    let (status, answer) = system.request("POST", "/api/events/batch", Some(&events)).await;
    assert_eq!(status, 202, "{answer}");
    let list = answer["list"].as_array().unwrap();
    let statuses: Vec<u64> = list.iter().map(|outcome| outcome["status"].as_u64().unwrap()).collect();
    assert_eq!(statuses, [202, 409, 202, 202, 400, 202], "{answer}");
    assert_eq!((&list[0]["event"]["id"], &list[0]["replayed"]), (&before["id"], &json!(true)));
    let (_, again) =
        system.request("POST", "/api/events/batch", Some(&json!({ "events": [event("a", 2)] }))).await;
    assert_eq!(again["list"][0]["status"], 409, "{again}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_repeated_under_one_key_is_the_same_events() {
    let system = TestSystem::start().await;
    let publish = async || {
        let events = json!({ "events": [{ "type": "a", "data": {} }, { "type": "b", "data": {} }] });
        let request = reqwest::Client::new().post(format!("{}/api/events/batch", system.http));
        let request = request.header("content-type", "application/json").header("idempotency-key", "batch-1");
        let answer = request.body(events.to_string()).send().await.unwrap().text().await.unwrap();
        let answer: Value = serde_json::from_str(&answer).unwrap();
        let list = answer["list"].as_array().unwrap().clone();
        list.iter().map(|outcome| text(&outcome["event"], "id").to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(publish().await, publish().await);
    tokio::time::timeout(Duration::from_secs(30), system.stores.until_idle()).await.unwrap();
}
