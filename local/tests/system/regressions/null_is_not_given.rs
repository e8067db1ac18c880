//! Clients with typed models (System.Text.Json, Jackson) write each optional field that is not set as `null`. Their creates were
//! refused for `status: null` while `description: null` passed; `dry_run`, `expire_now`, a test's `type` and an event's
//! `api_version` were refused as well.

use serde_json::{Map, Value, json};

use crate::contract::DOCUMENT;
use crate::harness::{TestStores, TestSystem, text};

/// The optional fields of a request, all of them `null`.
fn nulls(schema: &str) -> Map<String, Value> {
    let schema = &DOCUMENT["components"]["schemas"][schema];
    let required =
        |name: &str| schema["required"].as_array().is_some_and(|names| names.contains(&json!(name)));
    let optional = schema["properties"].as_object().unwrap().keys().filter(|name| !required(name));
    optional.map(|name| (name.clone(), Value::Null)).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_route_takes_null_for_what_need_not_be_given() {
    let system = TestSystem::with(TestStores::start().await, &[("RETRY_SCHEDULE", "1h")]).await;
    let ask = async |method: &str, path: &str, schema: &str, required: Value| {
        let mut body = nulls(schema);
        assert!(!body.is_empty(), "{schema} has optional fields");
        body.extend(required.as_object().unwrap().clone());
        let (status, answer) = system.request(method, path, Some(&Value::from(body))).await;
        assert!((200..300).contains(&status), "{method} {path}: {answer}");
        answer
    };
    let new = json!({ "url": "http://127.0.0.1:9/", "enabled_events": ["*"] });
    let created = ask("POST", "/api/webhook-endpoints", "NewWebhookEndpoint", new).await;
    assert_eq!((text(&created, "status"), text(&created, "api_version")), ("enabled", "1.0.0"));
    let path = format!("/api/webhook-endpoints/{}", text(&created, "id"));
    ask("POST", &format!("{path}/secret/rotate"), "SecretRotation", json!({})).await;
    ask("POST", &format!("{path}/test"), "TestRequest", json!({})).await;
    let since = json!({ "since": "2026-01-01T00:00:00Z" });
    ask("POST", &format!("{path}/recover"), "RecoveryRequest", since).await;
    let event = json!({ "type": "order.paid", "data": {} });
    let published = ask("POST", "/api/events", "NewEvent", event.clone()).await;
    let mut with_request = event.clone();
    with_request["request"] = nulls("NewEventRequest").into();
    ask("POST", "/api/events", "NewEvent", with_request).await;
    ask("POST", "/api/events/batch", "NewEventBatch", json!({ "events": [event] })).await;
    system.stores.until_idle().await;
    let delivery = json!({ "event_id": published["id"], "webhook_endpoint_id": created["id"] });
    ask("POST", "/api/webhook-attempts/retry", "RetryRequest", delivery).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_update_empties_what_can_be_empty_and_leaves_the_rest() {
    let system = TestSystem::start().await;
    let full = json!({
        "url": "https://example.com/", "enabled_events": ["a"], "description": "d", "metadata": { "k": "v" },
        "headers": { "X-A": "b" }, "status": "disabled", "api_version": "2", "component_secret_key": "07".repeat(32),
    });
    let created = system.register(&full).await;
    let path = format!("/api/webhook-endpoints/{}", text(&created, "id"));
    let nulls = Value::from(nulls("WebhookEndpointEdit"));
    let (status, updated) = system.request("PUT", &path, Some(&nulls)).await;
    assert_eq!(status, 200, "{updated}");
    for (field, value) in [
        ("description", json!("")),
        ("metadata", json!({})),
        ("headers", json!({})),
        ("component_public_key", Value::Null),
    ] {
        assert_eq!(updated[field], value);
    }
    for field in ["url", "enabled_events", "status", "api_version", "disabled_reason"] {
        assert_eq!(updated[field], created[field], "{field}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn null_for_what_is_required_is_missing() {
    let system = TestSystem::start().await;
    for body in [json!({ "type": null, "data": {} }), json!({ "data": {} })] {
        let (status, problem) = system.request("POST", "/api/events", Some(&body)).await;
        assert_eq!((status, text(&problem, "code"), text(&problem, "param")), (400, "missing_field", "type"));
    }
}
