//! Requests as PaymentKit's SDK sends them to a deployed stack: with two keys in the base URL, or signed.

use std::collections::BTreeMap;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::StatusCode;
use posthorn_domain::{ComponentCall, Mode, Numbers, Scope};
use posthorn_local::Receiver;
use ring::signature::{ED25519, UnparsedPublicKey};
use serde_json::{Value, json};

use crate::component::{Component, Signed};
use crate::harness::{TestStores, TestSystem, next, text};
use crate::time_machine::TimeMachine;

const ENDPOINTS: &str = "/api/webhook-endpoints";

fn basic(live: &str, test: &str) -> String {
    format!("Basic {}", STANDARD.encode(format!("{live}:{test}")))
}

/// A component whose key is registered for the account `acct_app`.
async fn registered(stores: &TestStores, scopes: &[Scope]) -> Component {
    let component = Component::named("app");
    component.register(stores, "acct_app", scopes).await;
    component
}

impl Component {
    /// Calls a function with a signed request. `canonical_query` is the query as the signature covers it. A laptop's gateway
    /// would lend a key to such a request, so this one does not pass it.
    async fn call(
        &self,
        machine: &TimeMachine,
        (function, id): (&str, Option<&str>),
        (query, canonical_query): (&str, &str),
        body: Option<&str>,
    ) -> (u16, Value) {
        let of_one = || format!("{ENDPOINTS}/{}", id.unwrap());
        let (method, path) = match function {
            "create-endpoint" => ("POST", ENDPOINTS.to_owned()),
            "get-endpoint" => ("GET", of_one()),
            "update-endpoint" => ("PUT", of_one()),
            "delete-endpoint" => ("DELETE", of_one()),
            "list-audit" => ("GET", "/api/audit".to_owned()),
            _ => ("GET", ENDPOINTS.to_owned()),
        };
        let (signed_body, at) = (body.unwrap_or("{}"), machine.now());
        let signed = Signed { method, path: &path, query: canonical_query, body: signed_body, at };
        let headers: BTreeMap<_, _> = self.headers(&signed).into_iter().collect();
        let mut parts = json!({ "headers": headers, "rawPath": path, "rawQueryString": query });
        if let Some(id) = id {
            parts["pathParameters"] = json!({ "id": id });
        }
        if let Some(body) = body {
            parts["body"] = body.into();
        }
        machine.request(function, &parts).await
    }
}

const LIVE: (&str, &str) = ("livemode=true", r#"{"livemode":"true"}"#);

#[tokio::test(flavor = "multi_thread")]
async fn two_keys_in_the_base_url_are_picked_by_the_mode() {
    let system = TestSystem::start().await;
    system.stores.add_key_for("sk_live_1", "acct_app", Mode::Live, Scope::OF_KEYS).await;
    system.stores.add_key_for("sk_test_1", "acct_app", Mode::Test, Scope::OF_KEYS).await;
    let status = async |authorization: &str, livemode: bool| {
        let path = format!("{ENDPOINTS}?livemode={livemode}");
        system.send("GET", &path, &[("authorization", authorization)], Vec::new()).await.0
    };
    let both = basic("sk_live_1", "sk_test_1");
    assert_eq!((status(&both, true).await, status(&both, false).await), (200, 200));
    let live = basic("sk_live_1", "");
    assert_eq!((status(&live, true).await, status(&live, false).await), (200, 403));
    let test = basic("", "sk_test_1");
    assert_eq!((status(&test, true).await, status(&test, false).await), (403, 200));
    for wrong in [basic("sk_live_2", "sk_test_2"), "Basic !".to_owned(), "Basic".to_owned()] {
        assert_eq!(status(&wrong, true).await, 401, "{wrong}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_component_acts_for_its_account_in_both_modes() {
    let machine = TimeMachine::start(&[]).await;
    let component = registered(&machine.stores, Scope::OF_COMPONENTS).await;
    let body = r#"{"enabled_events":["customer.*"],"url":"http://127.0.0.1:9/"}"#;
    let (status, created) = component.call(&machine, ("create-endpoint", None), LIVE, Some(body)).await;
    assert_eq!(status, 201, "{created}");
    let list = ("list-endpoints", None);
    let (_, live) = component.call(&machine, list, LIVE, None).await;
    let test = ("livemode=false", r#"{"livemode":"false"}"#);
    let (_, in_test_mode) = component.call(&machine, list, test, None).await;
    assert_eq!((&live["count"], &in_test_mode["count"]), (&json!(1), &json!(0)));
    let (_, without_mode) = component.call(&machine, list, ("", "{}"), None).await;
    assert_eq!(without_mode["count"], 1, "live, if it does not say");
    let (status, problem) = component.call(&machine, ("list-audit", None), ("", "{}"), None).await;
    assert_eq!((status, text(&problem, "code")), (403, "missing_scope"));
    let id = Some(text(&created, "id"));
    let (status, unchanged) = component.call(&machine, ("update-endpoint", id), LIVE, None).await;
    assert_eq!((status, unchanged["id"].as_str()), (200, id), "an update without data");
    assert_eq!(component.call(&machine, ("delete-endpoint", id), LIVE, None).await.0, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_component_whose_key_is_not_registered_is_refused() {
    let machine = TimeMachine::start(&[]).await;
    let list = async |component: &Component, query: (&str, &str)| {
        let (status, answer) = component.call(&machine, ("list-endpoints", None), query, None).await;
        (status, answer["code"].as_str().unwrap_or_default().to_owned())
    };
    let refused = (401, "invalid_signature".to_owned());
    let stranger = Component::named("stranger");
    assert_eq!(list(&stranger, LIVE).await, refused);
    let component = registered(&machine.stores, Scope::OF_COMPONENTS).await;
    let mut impostor = stranger;
    impostor.key.did = component.key.did.clone();
    assert_eq!(list(&impostor, LIVE).await, refused);
    assert_eq!(list(&component, ("livemode=true", r#"{"livemode":"false"}"#)).await, refused);
    assert_eq!(list(&component, LIVE).await.0, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_signed_request_is_read_as_paymentkit_reads_it() {
    let machine = TimeMachine::start(&[]).await;
    let component = registered(&machine.stores, Scope::OF_COMPONENTS).await;
    for url in ["http://127.0.0.1:9/b", "http://127.0.0.1:9/a", "http://127.0.0.1:9/c"] {
        let body = json!({ "enabled_events": ["*"], "url": url }).to_string();
        assert_eq!(component.call(&machine, ("create-endpoint", None), LIVE, Some(&body)).await.0, 201);
    }
    let urls = async |query: (&str, &str)| {
        let (status, page) = component.call(&machine, ("list-endpoints", None), query, None).await;
        assert_eq!(status, 200, "{page}");
        let list = page["list"].as_array().unwrap().iter();
        list.map(|endpoint| text(endpoint, "url").rsplit('/').next().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let by_url = r#"{"order":[["url","DESC"]]}"#;
    assert_eq!(urls(("order%5B0%5D%5B0%5D=url&order%5B0%5D%5B1%5D=DESC", by_url)).await, ["c", "b", "a"]);
    assert_eq!(urls(("order%5B0%5D=url%3AASC", r#"{"order":["url:ASC"]}"#)).await, ["a", "b", "c"]);
    assert_eq!(urls(("colour=red", r#"{"colour":"red"}"#)).await.len(), 3, "what it does not know");
    assert_eq!(urls(("status=", r#"{"status":""}"#)).await.len(), 3, "null");
    assert_eq!(urls(("limit=2&page=1", r#"{"limit":"2","page":"1"}"#)).await.len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_sdk_gets_endpoints_and_attempts_as_its_types_declare_them() {
    let machine = TimeMachine::start(&[]).await;
    let component = registered(&machine.stores, Scope::OF_COMPONENTS).await;
    machine.stores.add_key_for("sk_1", "acct_app", Mode::Live, Scope::OF_KEYS).await;
    let authorization = json!({ "authorization": "Bearer sk_1", "content-type": "application/json" });
    let refuses = r#"{"enabled_events":["order.*"],"url":"http://127.0.0.1:9/"}"#;
    let (_, created) = component.call(&machine, ("create-endpoint", None), LIVE, Some(refuses)).await;
    let event = json!({ "type": "order.paid", "data": {}, "metadata": { "k": "v" } }).to_string();
    let publish = json!({ "headers": authorization, "body": event });
    let (_, event) = machine.request("publish-event", &publish).await;
    machine.pass(Duration::from_secs(1)).await;

    let (_, page) = component.call(&machine, ("list-endpoints", None), LIVE, None).await;
    let id = text(&created, "id");
    let (_, endpoint) = component.call(&machine, ("get-endpoint", Some(id)), LIVE, None).await;
    assert_eq!(endpoint["object"], "webhook_endpoint");
    let attempt = &endpoint["attempts"][0];
    assert_eq!(attempt["object"], "webhook_attempt");
    assert_eq!((&attempt["status"], &attempt["response_status"]), (&json!("failed"), &json!(0)));
    assert_eq!(attempt["event"]["id"], event["id"]);
    assert_eq!((&attempt["event"]["metadata"], attempt["event"].get("data")), (&json!({ "k": "v" }), None));
    assert_eq!((attempt["endpoint"]["id"].as_str(), attempt["endpoint"].get("attempts")), (Some(id), None));
    assert_eq!(page["list"][0]["object"], "webhook_endpoint");
    assert_eq!(page["list"][0]["attempts"], endpoint["attempts"]);

    let by_key = json!({ "headers": authorization, "pathParameters": { "id": id } });
    let (_, endpoint) = machine.request("get-endpoint", &by_key).await;
    assert_eq!(endpoint["attempts"][0]["response_status"], Value::Null, "{endpoint}");
    let (_, page) = machine.request("list-endpoints", &by_key).await;
    assert_eq!(page["list"][0].get("attempts"), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_sdk_gets_attempts_only_on_short_pages_and_only_if_it_may_read_events() {
    let machine = TimeMachine::start(&[]).await;
    let component = registered(&machine.stores, Scope::OF_COMPONENTS).await;
    for _ in 0..21 {
        let body = r#"{"enabled_events":["*"],"url":"http://127.0.0.1:9/"}"#;
        assert_eq!(component.call(&machine, ("create-endpoint", None), LIVE, Some(body)).await.0, 201);
    }
    machine.stores.add_key_for("sk_1", "acct_app", Mode::Live, Scope::OF_KEYS).await;
    machine.stores.add_key_for("sk_2", "acct_app", Mode::Live, &[Scope::EndpointsRead]).await;
    let headers = |key: &str| json!({ "authorization": format!("Bearer {key}"), "content-type": "application/json", "x-component-sig": "0x" });
    let event = json!({ "type": "order.paid", "data": {} }).to_string();
    machine.request("publish-event", &json!({ "headers": headers("sk_1"), "body": event })).await;
    machine.pass(Duration::from_secs(1)).await;
    let attempts = async |key: &str, limit: usize| {
        let query = format!("limit={limit}");
        let parts = json!({ "headers": headers(key), "rawQueryString": query });
        let (status, page) = machine.request("list-endpoints", &parts).await;
        assert_eq!(status, 200, "{page}");
        let list = page["list"].as_array().unwrap().iter();
        list.map(|endpoint| endpoint["attempts"].as_array().unwrap().len()).collect::<Vec<_>>()
    };
    assert_eq!(attempts("sk_1", 20).await, [1; 20]);
    assert_eq!(attempts("sk_1", 21).await, [0; 21]);
    assert_eq!(attempts("sk_2", 20).await, [0; 20]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_endpoint_with_a_components_key_gets_deliveries_signed_as_that_components_calls() {
    let system = TestSystem::start().await;
    let mut receiver = Receiver::start(0, |_, _| StatusCode::OK).await.unwrap();
    let component = Component::named("app");
    let url = format!("{}/callback?b=2&a=1", receiver.url);
    let secret_key = format!("0x{}", hex::encode(Component::seed("app")));
    let new = json!({ "url": url, "enabled_events": ["*"], "component_secret_key": secret_key });
    let created = system.register(&new).await;
    assert_eq!(text(&created, "component_public_key"), component.key.public_key.to_string());
    assert!(!created.to_string().contains(&secret_key), "the secret key is not shown");
    let event = json!({ "type": "order.paid", "data": { "n": 1.5e20, "é": ["😀", null] } });
    let publish = async || assert_eq!(system.request("POST", "/api/events", Some(&event)).await.0, 202);
    publish().await;
    let arrival = next(&mut receiver).await;
    arrival.verify(text(&created, "secret")).unwrap();
    let header = |name: &str| arrival.headers[name].to_str().unwrap().to_owned();
    assert_eq!(header("x-component-did"), component.key.did.as_str());
    assert_eq!(header("x-component-sig-version"), "1");
    let (issued_at, expires_at) =
        (header("x-component-sig-iat").parse().unwrap(), header("x-component-sig-exp").parse().unwrap());
    assert_eq!(expires_at - issued_at, 300);
    let query = [("b".to_owned(), "2".to_owned()), ("a".to_owned(), "1".to_owned())];
    let call = ComponentCall {
        method: "POST",
        path: "/callback",
        query: &query,
        body: &arrival.body,
        issued_at,
        expires_at,
    };
    let digest = call.digest(Numbers::AsInJavaScript).unwrap();
    let signature = hex::decode(&header("x-component-sig")[2..]).unwrap();
    let key = UnparsedPublicKey::new(&ED25519, component.key.public_key.as_bytes());
    assert!(key.verify(&digest, &signature).is_ok());

    let path = format!("/api/webhook-endpoints/{}", text(&created, "id"));
    let elsewhere = json!({ "url": "http://127.0.0.1:9/" });
    let (status, problem) = system.request("PUT", &path, Some(&elsewhere)).await;
    assert_eq!(
        (status, text(&problem, "param")),
        (400, "url"),
        "whoever gets a signature can use it: {problem}"
    );
    let remove = json!({ "component_secret_key": null });
    assert_eq!(system.request("PUT", &path, Some(&remove)).await.0, 200);
    publish().await;
    assert!(!next(&mut receiver).await.headers.contains_key("x-component-sig"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_url_that_no_components_signature_covers_is_refused_with_a_components_key() {
    let system = TestSystem::start().await;
    let key = format!("0x{}", hex::encode(Component::seed("app")));
    let odd = "https://example.com/?toString=1";
    let new = json!({ "url": odd, "enabled_events": ["*"], "component_secret_key": key });
    let (status, problem) = system.request("POST", ENDPOINTS, Some(&new)).await;
    assert_eq!((status, text(&problem, "param")), (400, "url"), "{problem}");
    let created = system.register(&json!({ "url": odd, "enabled_events": ["*"] })).await;
    let path = format!("{ENDPOINTS}/{}", text(&created, "id"));
    let (status, problem) = system.request("PUT", &path, Some(&json!({ "component_secret_key": key }))).await;
    assert_eq!((status, text(&problem, "param")), (400, "url"), "{problem}");
}
