//! A publisher's outbox read a row twice and put the event into one batch twice, with the same idempotency key. The README promises
//! the same event for the same key and body; the second one was a 400.

use http::StatusCode;
use posthorn_local::Receiver;
use serde_json::{Map, json};

use crate::harness::{TestSystem, next, text};

#[tokio::test(flavor = "multi_thread")]
async fn a_twin_is_replayed_and_another_event_under_its_key_is_a_conflict() {
    let mut receiver = Receiver::start(0, |_, _| StatusCode::OK).await.unwrap();
    let system = TestSystem::start().await;
    system.register(&json!({ "url": receiver.url, "enabled_events": ["*"] })).await;
    let event =
        |n: u8| json!({ "type": "order.paid", "data": { "n": n }, "request": { "idempotency_key": "k" } });
    let batch = json!({ "events": [event(1), event(1), event(2), event(1)] });
    let (_, answer) = system.request("POST", "/api/events/batch", Some(&batch)).await;
    let list = answer["list"].as_array().unwrap();
    assert_eq!((&list[0]["status"], list[0].get("replayed")), (&json!(202), None));
    for twin in [&list[1], &list[3]] {
        assert_eq!((&twin["event"], &twin["replayed"]), (&list[0]["event"], &json!(true)));
    }
    assert_eq!((&list[2]["status"], text(&list[2], "code")), (&json!(409), "idempotency_key_reused"));
    assert_eq!(next(&mut receiver).await.event_id(), text(&list[0]["event"], "id"));
    system.stores.until_idle().await;
    assert!(receiver.is_idle(), "the event is delivered once");
}

#[tokio::test(flavor = "multi_thread")]
async fn twins_whose_answer_would_not_fit_are_refused_before_they_are_published() {
    let receiver = Receiver::start(0, |_, _| StatusCode::OK).await.unwrap();
    let system = TestSystem::start().await;
    system.register(&json!({ "url": receiver.url, "enabled_events": ["*"] })).await;
    let quotes = "\"".repeat(500);
    let metadata: Map<_, _> = (0..50).map(|n: u8| (n.to_string(), json!(quotes))).collect();
    let request = json!({ "idempotency_key": "k" });
    let event = json!({ "type": "order.paid", "data": {}, "metadata": metadata, "request": request });
    let batch = json!({ "events": vec![event; 55] });
    let (status, problem) = system.request("POST", "/api/events/batch", Some(&batch)).await;
    assert_eq!((status, text(&problem, "code")), (413, "body_too_large"));
    system.stores.until_idle().await;
    assert!(receiver.is_idle(), "nothing has been published");
}
