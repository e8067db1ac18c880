//! A Go publisher's struct had `idempotency_key` without `omitempty`, so each event came with an empty key. The first one
//! claimed it: for 24 hours every other event was a 409, and a heartbeat that was the same each time vanished as a replay.

use serde_json::{Value, json};

use crate::harness::{TestSystem, text};

fn event(key: &Value) -> Value {
    json!({ "type": "order.paid", "data": {}, "request": { "idempotency_key": key } })
}

#[tokio::test(flavor = "multi_thread")]
async fn an_empty_key_stands_for_no_event() {
    let system = TestSystem::start().await;
    let (status, problem) = system.request("POST", "/api/events", Some(&event(&json!("")))).await;
    let named = (status, text(&problem, "code"), text(&problem, "param"));
    assert_eq!(named, (400, "invalid_field", "request.idempotency_key"));

    let batch = json!({ "events": [event(&json!("")), event(&Value::Null)] });
    let (_, answer) = system.request("POST", "/api/events/batch", Some(&batch)).await;
    assert_eq!(text(&answer["list"][0], "param"), "request.idempotency_key");
    assert_eq!(answer["list"][1]["status"], 202);

    for path in ["/api/events", "/api/events/batch"] {
        let body = if path.ends_with("batch") { batch.clone() } else { event(&Value::Null) };
        let headers = [("content-type", "application/json"), ("idempotency-key", "")];
        let (status, problem) = system.send("POST", path, &headers, body.to_string()).await;
        let named = (status, text(&problem, "code"), text(&problem, "param"));
        assert_eq!(named, (400, "invalid_header", "Idempotency-Key"), "{path}");
    }
}
