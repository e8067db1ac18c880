//! A publisher got 409 and had to match English sentences to know whether to repeat the request (somebody else was changing the
//! same endpoint), to stop (its idempotency key stood for another event), to delete an endpoint or to enable one.

use posthorn_domain::{Mode, Scope};
use serde_json::{Value, json};

use crate::harness::{TestStores, TestSystem, text};

/// What cannot be brought about by a request alone, or is held by tests of its own.
const ELSEWHERE: [&str; 21] = [
    "account_deleted",
    "account_not_found",
    "code_not_found",
    "code_spent",
    "concurrent_edit",
    "cursor_expired",
    "endpoint_deleted",
    "internal_error",
    "invalid_signature",
    "key_exists",
    "key_not_found",
    "method_not_allowed",
    "missing_account",
    "missing_parameter",
    "page_too_large",
    "platform_key_required",
    "retry_limit_reached",
    "unavailable",
    "unknown_route",
    "wrong_account",
    "wrong_mode",
];

#[tokio::test(flavor = "multi_thread")]
async fn each_thing_that_can_be_done_about_an_error_has_its_code() {
    let system = TestSystem::with(TestStores::start().await, &[("MAX_ENDPOINTS", "1")]).await;
    system.stores.add_key_for("sk_reads", "local", Mode::Live, &[Scope::EndpointsRead]).await;
    let endpoint = json!({ "url": "https://example.com/", "enabled_events": ["*"], "status": "disabled" });
    let event = |n: u8| json!({ "type": "a", "data": { "n": n }, "request": { "idempotency_key": "k" } });
    let id = text(&system.register(&endpoint).await, "id").to_owned();
    let of_endpoint = |path: &str| format!("/api/webhook-endpoints/{id}{path}");
    let (_, published) = system.request("POST", "/api/events", Some(&event(1))).await;
    system.stores.until_idle().await;
    for _ in 0..5 {
        system.request("POST", &of_endpoint("/secret/rotate"), None).await;
    }
    let mut seen = std::collections::BTreeSet::new();
    let mut check = |(status, problem): (u16, Value), wanted: u16, code: &'static str| {
        assert_eq!((status, text(&problem, "code")), (wanted, code), "{problem}");
        seen.insert(code);
    };
    let json = [("content-type", "application/json")];
    let post = async |path: &str, body: &Value| system.request("POST", path, Some(body)).await;
    let get = async |path: &str| system.request("GET", path, None).await;
    let (nobody, none) = ("01JDB5G8Z7M4X3W2V1T0S9R8Q7", json!({}));
    let since = json!({ "since": "2026-01-01T00:00:00Z" });

    check(system.send("POST", "/api/events", &json, "{").await, 400, "malformed_body");
    check(post("/api/events", &none).await, 400, "missing_field");
    check(post("/api/events", &json!({ "type": "", "data": {} })).await, 400, "invalid_field");
    check(post("/api/events", &json!({ "type": "a", "data": {}, "x": 1 })).await, 400, "unknown_field");
    check(
        system.request("PUT", &of_endpoint(""), Some(&json!({ "secret": "new" }))).await,
        400,
        "secret_not_editable",
    );
    check(get("/api/events?limit=0").await, 400, "invalid_parameter");
    check(get("/api/events?limits=1").await, 400, "unknown_parameter");
    let list = format!("/api/webhook-endpoints?order=url&starting_after=wh_{nobody}");
    check(get(&list).await, 400, "unknown_cursor");
    let key = [json[0], ("idempotency-key", "ключ")];
    check(system.send("POST", "/api/events", &key, event(1).to_string()).await, 400, "invalid_header");
    check(
        system.send("GET", "/api/events", &[("authorization", "Digest x")], "").await,
        401,
        "missing_api_key",
    );
    check(system.request_as(Some("sk_wrong"), "GET", "/api/events", None).await, 401, "unknown_api_key");
    check(system.request_as(Some("sk_reads"), "GET", "/api/events", None).await, 403, "missing_scope");
    check(get(&format!("/api/webhook-endpoints/wh_{nobody}")).await, 404, "endpoint_not_found");
    check(get(&format!("/api/events/evt_{nobody}")).await, 404, "event_not_found");
    let attempt = format!("/api/webhook-attempts/att_{nobody}{nobody}1/retry");
    check(post(&attempt, &none).await, 404, "attempt_not_found");
    let delivery = json!({ "event_id": published["id"], "webhook_endpoint_id": id });
    check(post("/api/webhook-attempts/retry", &delivery).await, 404, "delivery_not_found");
    check(get(&of_endpoint(&format!("/recover/rec_{nobody}"))).await, 404, "recovery_not_found");
    check(post("/api/webhook-endpoints", &endpoint).await, 409, "endpoint_limit_reached");
    check(post(&of_endpoint("/recover"), &since).await, 409, "endpoint_disabled");
    let paused = json!({ "status": "paused" });
    assert_eq!(system.request("PUT", &of_endpoint(""), Some(&paused)).await.0, 200);
    check(post(&of_endpoint("/recover"), &since).await, 409, "endpoint_paused");
    check(post("/api/events", &event(2)).await, 409, "idempotency_key_reused");
    check(post(&of_endpoint("/secret/rotate"), &none).await, 409, "secret_limit_reached");
    let large = |size: usize| json!({ "type": "a", "data": { "x": "x".repeat(size) } });
    check(post("/api/events", &large(300_000)).await, 413, "body_too_large");
    let of_batch =
        post("/api/events/batch", &json!({ "events": [large(300_000)] })).await.1["list"][0].take();
    check((413, of_batch), 413, "event_too_large");
    let xml = [("content-type", "text/xml")];
    check(system.send("POST", "/api/events", &xml, "<a/>").await, 415, "unsupported_media_type");
    let gzip = [json[0], ("content-encoding", "gzip")];
    check(system.send("POST", "/api/events", &gzip, "x").await, 415, "unsupported_encoding");

    seen.extend(ELSEWHERE);
    let all = posthorn_api::Code::ALL.iter().map(|code| code.as_str()).collect();
    assert_eq!(seen, all);
}
