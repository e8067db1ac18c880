//! The calls that `@blocklet/payment-js` makes, and what it reads back.

use serde_json::{Value, json};

use crate::answers::assert_answer;
use crate::harness::{TestSystem, text};

/// The requests of the SDK: the path, the `livemode` that it adds, and its body.
async fn sdk(system: &TestSystem, method: &str, path: &str, body: Option<Value>) -> Value {
    let separator = if path.contains('?') { '&' } else { '?' };
    let path = format!("/api/webhook-endpoints{path}{separator}livemode=true");
    let (status, answer) = system.request(method, &path, body.as_ref()).await;
    json!({ "status": status, "body": answer })
}

#[tokio::test(flavor = "multi_thread")]
async fn the_sdk_creates_reads_changes_and_deletes_an_endpoint() {
    let system = TestSystem::start().await;
    let new = json!({
        "url": "https://example.com/webhooks",
        "description": "Orders",
        "enabled_events": ["customer.subscription.created", "invoice.*"],
        "metadata": { "team": "orders" },
        "status": "enabled",
        "headers": { "X-Api-Key": "sesame" },
    });
    let created = sdk(&system, "POST", "", Some(new)).await;
    assert_answer("create", &created);
    let path = format!("/{}", text(&created["body"], "id"));
    assert_answer("retrieve", &sdk(&system, "GET", &path, None).await);

    let mut whole = sdk(&system, "GET", &path, None).await["body"].take();
    whole["description"] = json!("Orders and invoices");
    whole["enabled_events"] = json!(["*"]);
    whole.as_object_mut().unwrap().remove("object");
    assert_answer("update", &sdk(&system, "PUT", &path, Some(whole)).await);
    assert_answer("delete", &sdk(&system, "DELETE", &path, None).await);
    let (status, problem) =
        system.request("GET", &format!("/api/webhook-endpoints{path}?livemode=true"), None).await;
    assert_eq!((status, text(&problem, "type")), (404, "about:blank"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dry_run_checks_an_endpoint_as_a_registration_does_and_registers_nothing() {
    let system = TestSystem::start().await;
    let create = async |url: &str, dry_run: Value| {
        let body = json!({ "url": url, "enabled_events": ["*"], "dry_run": dry_run });
        system.request("POST", "/api/webhook-endpoints", Some(&body)).await
    };
    let refused = "https://user@example.com/";
    assert_eq!(create("https://example.com/", json!(true)).await, (200, json!({ "dry_run": true })));
    assert_eq!(create(refused, json!(true)).await, create(refused, json!(false)).await);
    assert_eq!(create("https://10.0.0.1/", json!(true)).await.1["param"], "url", "the guard is asked, too");
    let (_, page) = system.request("GET", "/api/webhook-endpoints", None).await;
    assert_eq!(page["count"], 0);
    assert_eq!(create("https://example.com/", Value::Null).await.0, 201);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_sdk_lists_endpoints_by_page_and_order() {
    let system = TestSystem::start().await;
    for (name, status) in [("b", "enabled"), ("a", "disabled"), ("c", "enabled")] {
        let url = format!("https://example.com/{name}");
        system.register(&json!({ "url": url, "enabled_events": ["*"], "status": status, "headers": { "X-Api-Key": name } })).await;
    }
    assert_answer("list_page", &sdk(&system, "GET", "?page=2&pageSize=2&order=url:ASC", None).await);

    let urls = async |query: &str| {
        let answer = sdk(&system, "GET", query, None).await;
        let list = answer["body"]["list"].as_array().unwrap_or_else(|| panic!("{answer}")).clone();
        let name = |endpoint: &Value| text(endpoint, "url").chars().last().unwrap();
        (list.iter().map(name).collect::<String>(), answer["body"]["count"].clone())
    };
    assert_eq!(urls("").await, ("cab".to_owned(), json!(3)), "the latest comes first");
    assert_eq!(urls("?order=created_at:ASC").await, ("bac".to_owned(), json!(3)));
    assert_eq!(urls("?order=status:DESC&order=url:ASC").await, ("bca".to_owned(), json!(3)));
    assert_eq!(urls("?order[]=status:ASC&order[]=url:DESC").await, ("acb".to_owned(), json!(3)));
    assert_eq!(urls("?order%5B1%5D=url:DESC&order%5B0%5D=status:ASC").await, ("acb".to_owned(), json!(3)));
    assert_eq!(urls("?status=enabled&pageSize=1&order=url:ASC").await, ("b".to_owned(), json!(2)));
    assert_eq!(urls("?page=3&pageSize=2").await, (String::new(), json!(3)));
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_input_is_answered_with_what_to_do() {
    let system = TestSystem::start().await;
    let refused = async |body: Value| {
        let (status, problem) = system.request("POST", "/api/webhook-endpoints", Some(&body)).await;
        (status, problem["param"].as_str().unwrap_or_default().to_owned())
    };
    let with = |field: &str, value: Value| {
        let mut body = json!({ "url": "https://example.com/", "enabled_events": ["*"] });
        body[field] = value;
        body
    };
    let check = async |field: &str, value: Value| {
        assert_eq!(refused(with(field, value.clone())).await, (400, field.to_owned()), "{value}");
    };
    check("colour", json!("red")).await;
    check("url", json!("ftp://example.com/")).await;
    check("url", json!("https://user:secret@example.com/")).await;
    check("url", json!("https://example.com/#part")).await;
    check("url", json!(format!("https://example.com/{}", "x".repeat(2_048)))).await;
    check("enabled_events", json!([])).await;
    check("enabled_events", json!(["a b"])).await;
    check("description", json!("x".repeat(1_025))).await;
    check("metadata", json!({ "x".repeat(41): "long key" })).await;
    check("status", json!("asleep")).await;
    check("headers", json!({ "Host": "example.com" })).await;
    check("headers", json!({ "X-Api-Key": "two\nlines" })).await;
    check("component_secret_key", json!("0x12")).await;
    check("component_secret_key", json!(7)).await;
    let (status, _) = refused(with("description", json!("x".repeat(300 * 1024)))).await;
    assert_eq!(status, 413);
    let (status, problem) = system.request("GET", "/api/webhook-endpoints?pageSize=101", None).await;
    assert_eq!((status, text(&problem, "param")), (400, "pageSize"));
    let (status, problem) = system.request("GET", "/api/webhook-endpoints?page=1000001", None).await;
    assert_eq!((status, text(&problem, "param")), (400, "page"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tenant_sees_nothing_of_another_and_a_wrong_key_opens_nothing() {
    let system = TestSystem::start().await;
    system.stores.add_key("sk_other", "other").await;
    let created = system.register(&json!({ "url": "https://example.com/", "enabled_events": ["*"] })).await;
    let path = format!("/api/webhook-endpoints/{}", text(&created, "id"));
    assert_eq!(system.request("GET", &path, None).await.0, 200);
    for method in ["GET", "DELETE"] {
        assert_eq!(system.request_as(Some("sk_other"), method, &path, None).await.0, 404);
        assert_eq!(system.request(method, &format!("{path}?livemode=false"), None).await.0, 404);
        assert_eq!(system.request_as(Some("sk_wrong"), method, &path, None).await.0, 401);
    }
    assert_eq!(system.request("GET", &path, None).await.0, 200);
}
