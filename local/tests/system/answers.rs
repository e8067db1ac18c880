//! What the routes answer, field by field.

use http::StatusCode;
use insta::{assert_json_snapshot, with_settings};
use posthorn_local::Receiver;
use serde_json::{Value, json};

use crate::harness::{TestStores, TestSystem, text};

/// Compares an answer with a snapshot, in which what is another each time is replaced by what it looks like.
pub(crate) fn assert_answer(name: &str, answer: &Value) {
    with_settings!({ prepend_module_to_snapshot => false }, {
        assert_json_snapshot!(name, shape(answer));
    });
}

fn shape(value: &Value) -> Value {
    match value {
        Value::String(text) => shape_of(text).into(),
        Value::Array(values) => values.iter().map(shape).collect(),
        Value::Object(fields) => {
            let field = |(name, value): (&String, &Value)| match name.as_str() {
                "duration_ms" | "connect_ms" | "first_byte_ms" if value.is_u64() => {
                    (name.clone(), "[a number]".into())
                }
                _ => (name.clone(), shape(value)),
            };
            fields.iter().map(field).collect()
        }
        _ => value.clone(),
    }
}

/// Ids, secrets and times, and where receivers listen.
fn shape_of(text: &str) -> String {
    const SHAPES: [(&str, usize); 6] =
        [("wh_", 29), ("evt_", 30), ("att_", 57), ("rec_", 30), ("whsec_", 50), ("20", 24)];
    let shape = SHAPES.iter().find(|(prefix, length)| text.starts_with(prefix) && text.len() == *length);
    match shape {
        Some((prefix, length)) => format!("[{prefix}… of {length} characters]"),
        None if text.len() == 16 && text.chars().all(|c| c.is_ascii_hexdigit()) => {
            "[a request's id]".to_owned()
        }
        None if text.starts_with("http://127.0.0.1:") => "[a receiver's URL]".to_owned(),
        None => text.to_owned(),
    }
}

/// Asks for an answer, and compares it with the snapshot of that name.
async fn check(system: &TestSystem, name: &str, method: &str, path: &str, body: Option<Value>) -> Value {
    let (status, answer) = system.request(method, path, body.as_ref()).await;
    assert_answer(name, &json!({ "status": status, "body": answer }));
    answer
}

#[tokio::test(flavor = "multi_thread")]
async fn the_routes_of_a_failing_endpoint_answer_what_became_of_its_events() {
    let receiver = Receiver::start(0, |_, _| StatusCode::INTERNAL_SERVER_ERROR).await.unwrap();
    let system = TestSystem::with(TestStores::start().await, &[("RETRY_SCHEDULE", "1h, 1h")]).await;
    let endpoint = system.register(&json!({ "url": receiver.url, "enabled_events": ["order.*"] })).await;
    let endpoint = format!("/api/webhook-endpoints/{}", text(&endpoint, "id"));
    let data = json!({ "object": { "object": "order", "id": "ord_1" }, "total": 12.50 });
    let event = json!({ "type": "order.paid", "data": data, "metadata": { "shop": "7" } });

    let event = check(&system, "publish", "POST", "/api/events", Some(event)).await;
    let id = text(&event, "id");
    system.stores.until_idle().await;
    check(&system, "get_event", "GET", &format!("/api/events/{id}"), None).await;
    check(&system, "list_events", "GET", "/api/events?type=order.*&object_id=ord_1", None).await;
    check(&system, "retrieve_with_attempts", "GET", &endpoint, None).await;
    let attempts = format!("/api/webhook-attempts?event_id={id}");
    let attempts = check(&system, "list_attempts", "GET", &attempts, None).await;

    let retry = format!("/api/webhook-attempts/{}/retry", text(&attempts["list"][0], "id"));
    check(&system, "retry", "POST", &retry, None).await;
    system.stores.until_idle().await;
    let recover = format!("{endpoint}/recover");
    let since = |dry_run: bool| Some(json!({ "since": "2026-01-01T00:00:00Z", "dry_run": dry_run }));
    check(&system, "recover_dry_run", "POST", &recover, since(true)).await;
    let recovery = check(&system, "recover", "POST", &recover, since(false)).await;
    system.stores.until_idle().await;
    check(&system, "get_recovery", "GET", &format!("{recover}/{}", text(&recovery, "id")), None).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_other_routes_answer() {
    let system = TestSystem::start().await;
    let receiver = Receiver::start(0, |_, _| StatusCode::NO_CONTENT).await.unwrap();
    let endpoint = system.register(&json!({ "url": receiver.url, "enabled_events": ["parcel.*"] })).await;
    let endpoint = format!("/api/webhook-endpoints/{}", text(&endpoint, "id"));
    check(&system, "test", "POST", &format!("{endpoint}/test"), None).await;
    check(&system, "get_secret", "GET", &format!("{endpoint}/secret"), None).await;
    check(&system, "rotate_secret", "POST", &format!("{endpoint}/secret/rotate"), None).await;

    let (status, _) = system.request("POST", &format!("{endpoint}/pause"), None).await;
    assert_eq!(status, 200);
    check(&system, "list_attention", "GET", "/api/attention?limit=1", None).await;

    let request = json!({ "id": "req_81", "idempotency_key": "cus_1-2", "requested_by": "usr_7" });
    let event = json!({ "type": "customer.updated", "data": {}, "request": request });
    let batch = json!({ "events": [event, event, { "type": "customer.updated" }] });
    check(&system, "publish_batch", "POST", "/api/events/batch", Some(batch)).await;

    let (_, mut types) = system.request("GET", "/api/event-types", None).await;
    types["list"].as_array_mut().unwrap().truncate(3);
    assert_answer("list_event_types", &types);
    let (_, problem) = system.request_as(Some("sk_wrong"), "GET", "/api/event-types", None).await;
    assert_answer("wrong_key", &problem);
}
