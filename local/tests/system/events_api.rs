//! Events, read later.

use http::StatusCode;
use posthorn_local::Receiver;
use serde_json::{Value, json};

use crate::harness::{TestStores, TestSystem, next, text};

async fn publish(system: &TestSystem) -> String {
    let event = json!({ "type": "order.paid", "data": { "object": { "object": "order", "id": "ord_1" } } });
    let (status, accepted) = system.request("POST", "/api/events", Some(&event)).await;
    assert_eq!(status, 202, "{accepted}");
    text(&accepted, "id").to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_shows_what_became_of_each_of_its_deliveries() {
    let answer = |path: &str, _: &str| match path {
        "/good" => StatusCode::NO_CONTENT,
        _ => StatusCode::INTERNAL_SERVER_ERROR,
    };
    let mut receiver = Receiver::start(0, answer).await.unwrap();
    let system = TestSystem::with(TestStores::start().await, &[("RETRY_SCHEDULE", "1h")]).await;
    let mut ids = Vec::new();
    for path in ["good", "bad"] {
        let endpoint = json!({ "url": format!("{}/{path}", receiver.url), "enabled_events": ["order.*"] });
        ids.push(text(&system.register(&endpoint).await, "id").to_owned());
    }
    let id = publish(&system).await;
    let arrived = [next(&mut receiver).await, next(&mut receiver).await];
    // The retry waits in the due table, not on a queue.
    system.stores.until_idle().await;

    let (status, event) = system.request("GET", &format!("/api/events/{id}"), None).await;
    assert_eq!(status, 200, "{event}");
    let delivered: Value = serde_json::from_slice(&arrived[0].body).unwrap();
    for field in ["id", "livemode", "type", "data", "object_type", "object_id", "request", "created_at"] {
        assert_eq!(event[field], delivered[field], "{field}");
    }
    assert_eq!((&event["pending_webhooks"], &event["deliveries_count"]), (&json!(1), &json!(2)));
    let [bad, good] = event["deliveries"].as_array().unwrap().as_slice() else { panic!("{event}") };
    assert_eq!((text(bad, "webhook_endpoint_id"), text(bad, "status")), (ids[1].as_str(), "pending"));
    assert_eq!(bad["attempts"][0]["response_status"], 500);
    assert_eq!(text(&bad["attempts"][0], "status"), "failed");
    assert!(text(bad, "next_attempt_at") > text(&bad["attempts"][0], "created_at"));
    assert_eq!((text(good, "webhook_endpoint_id"), text(good, "status")), (ids[0].as_str(), "succeeded"));
    assert_eq!(good["attempts"][0]["response_status"], 204);
    assert_eq!(good["next_attempt_at"], Value::Null);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_shows_the_deliveries_in_its_chunks_too() {
    let receiver = Receiver::start(0, |_, _| StatusCode::OK).await.unwrap();
    let system = TestSystem::start().await;
    for number in 0..60 {
        let url = format!("{}/{number}", receiver.url);
        system.register(&json!({ "url": url, "enabled_events": ["*"] })).await;
    }
    let id = publish(&system).await;
    system.stores.until_idle().await;
    let (_, event) = system.request("GET", &format!("/api/events/{id}"), None).await;
    assert_eq!((&event["pending_webhooks"], &event["deliveries_count"]), (&json!(0), &json!(60)), "{event}");
    let succeeded = |delivery: &Value| text(delivery, "status") == "succeeded";
    assert!(event["deliveries"].as_array().unwrap().iter().all(succeeded), "{event}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_of_another_tenant_is_an_event_that_is_not_there() {
    let system = TestSystem::start().await;
    system.stores.add_key("sk_other", "other").await;
    let id = publish(&system).await;
    system.stores.until_idle().await;
    let path = format!("/api/events/{id}");
    assert_eq!(system.request("GET", &path, None).await.0, 200);
    let (status, theirs) = system.request_as(Some("sk_other"), "GET", &path, None).await;
    assert_eq!(status, 404);
    assert_eq!(system.request("GET", &format!("{path}?livemode=false"), None).await.0, 404);
    let (status, nobodys) = system.request("GET", "/api/events/evt_01JDB5G8Z7M4X3W2V1T0S9R8Q7", None).await;
    assert_eq!(status, 404);
    let said = text(&nobodys, "error").replace("evt_01JDB5G8Z7M4X3W2V1T0S9R8Q7", &id);
    assert_eq!(text(&theirs, "error"), said, "the two cannot be told apart");
    assert_eq!(system.request("GET", "/api/events/x", None).await.0, 404);
}
