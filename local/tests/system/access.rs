//! Who gets in, and to what.

use std::collections::BTreeMap;
use std::time::Duration;

use http::HeaderValue;
use lambda_http::Body;
use lambda_http::http::Request;
use posthorn_domain::{AccountId, Clock as _, GrantId, KeyId, Mode, Reach, Scope, SessionId, Tenant};
use posthorn_runtime::{SystemClock, SystemRandom};
use posthorn_storage::{Credential, TokenHash};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use serde_json::{Value, json};

use crate::component::{Component, Signed};
use crate::contract;
use crate::harness::{TestStores, TestSystem, route, text};
use crate::time_machine::TimeMachine;

/// Every route that needs a key, with a body that would do, and the scopes that it takes. What stands in braces in a path is
/// an id of the tenant's own.
fn routes() -> Vec<(&'static str, &'static str, Option<Value>, &'static [Scope])> {
    use Scope::{
        AuditRead, EndpointsRead, EndpointsWrite, EventsPublish, EventsRead, EventsResend, KeysWrite,
        SecretsRead,
    };
    let endpoint = || Some(json!({ "url": "https://example.com/", "enabled_events": ["*"] }));
    let event = || json!({ "type": "order.paid", "data": {} });
    vec![
        ("POST", "/api/webhook-endpoints", endpoint(), &[EndpointsWrite]),
        ("GET", "/api/webhook-endpoints", None, &[EndpointsRead]),
        ("GET", "/api/webhook-endpoints/{endpoint}", None, &[EndpointsRead]),
        ("PUT", "/api/webhook-endpoints/{endpoint}", Some(json!({})), &[EndpointsWrite]),
        ("GET", "/api/webhook-endpoints/{endpoint}/secret", None, &[SecretsRead]),
        ("POST", "/api/webhook-endpoints/{endpoint}/secret/rotate", None, &[EndpointsWrite, SecretsRead]),
        ("POST", "/api/webhook-endpoints/{endpoint}/test", None, &[EventsResend]),
        ("POST", "/api/webhook-endpoints/{endpoint}/pause", None, &[EndpointsWrite]),
        ("GET", "/api/attention", None, &[EndpointsRead]),
        ("GET", "/api/feed", None, &[EventsRead]),
        ("POST", "/api/webhook-endpoints/{endpoint}/resume", None, &[EndpointsWrite]),
        (
            "POST",
            "/api/webhook-endpoints/{endpoint}/recover",
            Some(json!({ "since": "2026-01-01T00:00:00Z" })),
            &[EventsResend],
        ),
        ("GET", "/api/webhook-endpoints/{endpoint}/recover/{recovery}", None, &[EndpointsRead]),
        ("POST", "/api/events", Some(event()), &[EventsPublish]),
        ("POST", "/api/events/batch", Some(json!({ "events": [event()] })), &[EventsPublish]),
        ("GET", "/api/events", None, &[EventsRead]),
        ("GET", "/api/events/{event}", None, &[EventsRead]),
        ("GET", "/api/events/{event}/explain", None, &[EventsRead, EndpointsRead]),
        ("GET", "/api/webhook-attempts?event_id={event}", None, &[EventsRead]),
        ("GET", "/api/webhook-attempts?webhook_endpoint_id={endpoint}", None, &[EventsRead]),
        ("POST", "/api/webhook-attempts/{attempt}/retry", None, &[EventsResend]),
        (
            "POST",
            "/api/webhook-attempts/retry",
            Some(json!({ "event_id": "{event}", "webhook_endpoint_id": "{endpoint}" })),
            &[EventsResend],
        ),
        ("GET", "/api/event-types", None, &[]),
        ("POST", "/api/keys", Some(json!({})), &[KeysWrite]),
        ("GET", "/api/keys", None, &[KeysWrite]),
        ("POST", "/api/sessions", Some(json!({})), &[]),
        ("DELETE", "/api/sessions", None, &[KeysWrite]),
        ("GET", "/api/audit", None, &[AuditRead]),
        ("DELETE", "/api/keys/{key}", None, &[KeysWrite]),
        ("DELETE", "/api/webhook-endpoints/{endpoint}", None, &[EndpointsWrite]),
    ]
}

/// All scopes but this one, and but those that include it: changing endpoints includes resending.
fn all_but(scope: Scope) -> Vec<Scope> {
    let includes = |other: Scope| scope == Scope::EventsResend && other == Scope::EndpointsWrite;
    Scope::ALL.iter().copied().filter(|other| *other != scope && !includes(*other)).collect()
}

/// Whether a request is about both modes of its account, and so does not take `livemode`.
fn is_for_both_modes(method: &str, path: &str) -> bool {
    method != "POST"
        && ["/api/audit", "/api/keys", "/api/sessions"].iter().any(|begin| path.starts_with(begin))
}

/// The ids of what a tenant has.
struct Ids([(&'static str, String); 5]);

impl Ids {
    fn fill(&self, text: &str) -> String {
        self.0.iter().fold(text.to_owned(), |text, (name, id)| text.replace(&format!("{{{name}}}"), id))
    }

    async fn request(
        &self,
        system: &TestSystem,
        key: &str,
        (method, path, body): (&str, &str, Option<&Value>),
    ) -> (u16, Value) {
        let body = body.map(|body| serde_json::from_str(&self.fill(&body.to_string())).unwrap());
        system.request_as(Some(key), method, &self.fill(path), body.as_ref()).await
    }
}

/// Registers an endpoint, sends it an event, and recovers it.
async fn ids(system: &TestSystem, key: &str) -> Ids {
    let endpoint = json!({ "url": "http://127.0.0.1:9/", "enabled_events": ["*"] });
    let request = async |path: &str, body: &Value| {
        let (status, answer) = system.request_as(Some(key), "POST", path, Some(body)).await;
        assert!((200..300).contains(&status), "{answer}");
        text(&answer, "id").to_owned()
    };
    let endpoint = request("/api/webhook-endpoints", &endpoint).await;
    let event = request("/api/events", &json!({ "type": "order.paid", "data": {} })).await;
    let since = json!({ "since": "2026-01-01T00:00:00Z" });
    let recovery = request(&format!("/api/webhook-endpoints/{endpoint}/recover"), &since).await;
    system.stores.until_idle().await;
    let attempt = format!("att_{}{}1", &event[4..], &endpoint[3..]);
    let key = request("/api/keys", &json!({})).await;
    Ids([
        ("endpoint", endpoint),
        ("event", event),
        ("recovery", recovery),
        ("attempt", attempt),
        ("key", key),
    ])
}

#[tokio::test(flavor = "multi_thread")]
async fn every_documented_route_is_tried_here() {
    let tried: Vec<String> = routes()
        .iter()
        .map(|(method, path, ..)| {
            let path = path.split('?').next().unwrap().replace("{recovery}", "{task_id}");
            format!(
                "{method} {}",
                ["endpoint", "event", "attempt", "key"]
                    .iter()
                    .fold(path, |path, name| { path.replace(&format!("{{{name}}}"), "{id}") })
            )
        })
        .collect();
    for (path, operations) in contract::DOCUMENT["paths"].as_object().unwrap() {
        for (method, _) in contract::operations(operations) {
            let route = format!("{} {path}", method.to_uppercase());
            let is_public = ["/api/openapi.json", "/api/sessions/exchange"].contains(&path.as_str());
            let is_elsewhere = is_public || path.starts_with("/api/accounts");
            assert!(is_elsewhere || tried.contains(&route), "{route}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_route_answers_without_a_key_or_tells_one_tenant_of_another() {
    let system = TestSystem::with(TestStores::start().await, &[("RETRY_SCHEDULE", "1h")]).await;
    for (key, account) in [("sk_a", "acct_a"), ("sk_b", "acct_b")] {
        system.stores.add_key(key, account).await;
    }
    system.stores.add_key_for("sk_a_test", "acct_a", Mode::Test, Scope::ALL).await;
    let (ours, theirs) = (ids(&system, "sk_a").await, ids(&system, "sk_b").await);
    let nobodys = Ids([
        ("endpoint", "wh_01JDB5G8Z7M4X3W2V1T0S9R8Q7".to_owned()),
        ("event", "evt_01JDB5G8Z7M4X3W2V1T0S9R8Q7".to_owned()),
        ("recovery", "rec_01JDB5G8Z7M4X3W2V1T0S9R8Q7".to_owned()),
        ("attempt", "att_01JDB5G8Z7M4X3W2V1T0S9R8Q701JDB5G8Z7M4X3W2V1T0S9R8Q71".to_owned()),
        ("key", "key_01JDB5G8Z7M4X3W2V1T0S9R8Q7".to_owned()),
    ]);
    for (method, path, body, _) in routes() {
        let request = (method, path, body.as_ref());
        for key in ["sk_wrong", "", "sk_a sk_a"] {
            assert_eq!(ours.request(&system, key, request).await.0, 401, "{method} {path} {key:?}");
        }
        let (status, _) = ours.request(&system, "sk_a", request).await;
        assert!((200..300).contains(&status), "{method} {path} with ids of one's own: {status}");
        let names_an_id =
            |text: &str| ["{endpoint}", "{event}", "{attempt}", "{key}"].iter().any(|id| text.contains(id));
        if !names_an_id(path) && !body.as_ref().is_some_and(|body| names_an_id(&body.to_string())) {
            continue;
        }
        let ask = async |key: &str, ids: &Ids| {
            let (status, problem) = ids.request(&system, key, request).await;
            assert_eq!(status, 404, "{method} {path}: {problem}");
            ids.0.iter().fold(problem.to_string(), |error, (name, id)| error.replace(id, name))
        };
        let unknown = ask("sk_b", &nobodys).await;
        assert_eq!(ask("sk_a", &theirs).await, unknown, "{method} {path}: somebody's id reads as nobody's");
        assert_eq!(ask("sk_a_test", &theirs).await, unknown, "{method} {path}");
    }
    let (_, list) = system.request_as(Some("sk_a_test"), "GET", "/api/webhook-endpoints", None).await;
    assert_eq!(list["count"], 0, "test data is another tenant's");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_opens_what_its_scopes_say_and_its_own_mode_alone() {
    let system = TestSystem::with(TestStores::start().await, &[("RETRY_SCHEDULE", "1h")]).await;
    system.stores.add_key("sk_all", "acct").await;
    let ids = ids(&system, "sk_all").await;
    for &scope in Scope::ALL {
        system.stores.add_key_for(&format!("sk_but_{scope}"), "acct", Mode::Live, &all_but(scope)).await;
    }
    for (method, path, body, scopes) in routes() {
        for &scope in Scope::ALL {
            let key = format!("sk_but_{scope}");
            if scopes.contains(&scope) {
                let (status, problem) = ids.request(&system, &key, (method, path, body.as_ref())).await;
                assert_eq!(status, 403, "{method} {path} without {scope}");
                assert!(text(&problem, "error").contains(&scope.to_string()), "{problem}");
            }
        }
        if is_for_both_modes(method, path) {
            continue;
        }
        let separator = if path.contains('?') { '&' } else { '?' };
        let other_mode = format!("{path}{separator}livemode=false");
        let (status, problem) = ids.request(&system, "sk_all", (method, &other_mode, body.as_ref())).await;
        assert_eq!(status, 403, "{method} {path}: {problem}");
    }
}

/// The kinds of credentials: an account's key, a platform key, a portal session, a component's key.
const KINDS: [&str; 4] = ["key", "platform", "session", "component"];

/// Adds a credential of this kind for the account `acct`: a token, or a component of this name.
async fn add_credential(system: &TestSystem, kind: &str, token: &str, scopes: &[Scope]) {
    if kind == "component" {
        return Component::named(token).register(&system.stores, "acct", scopes).await;
    }
    let tenant = Tenant { account: "acct".parse().unwrap(), mode: Mode::Live };
    let (now, random) = (SystemClock.now(), &SystemRandom);
    let key = GrantId::Key(KeyId::new(now, random));
    let (id, reach) = match kind {
        "platform" => (key, Reach::Platform),
        "session" => (GrantId::Session(SessionId::new(now, random)), Reach::Tenant(tenant)),
        _ => (key, Reach::Tenant(tenant)),
    };
    system.stores.add_grant(&Credential::Token(TokenHash::of(token)), id, reach, scopes).await;
}

/// The headers of a request with this credential. The values of its query are plain texts.
fn headers(token: &str, method: &str, path: &str, body: &str) -> Vec<(&'static str, String)> {
    if !token.starts_with("component") {
        return vec![
            ("authorization", format!("Bearer {token}")),
            ("posthorn-account", "acct".to_owned()),
            ("content-type", "application/json".to_owned()),
        ];
    }
    let (path, query) = path.split_once('?').unwrap_or((path, ""));
    let query: BTreeMap<_, _> = query.split('&').filter_map(|pair| pair.split_once('=')).collect();
    let (query, body) = (json!(query).to_string(), if body.is_empty() { "{}" } else { body });
    let signed = Signed { method, path, query: &query, body, at: SystemClock.now() };
    Component::named(token).headers(&signed).to_vec()
}

#[tokio::test(flavor = "multi_thread")]
async fn each_kind_of_credential_is_held_to_its_scopes_on_each_route() {
    let system = TestSystem::requiring_keys(TestStores::start().await, &[("RETRY_SCHEDULE", "1h")]).await;
    system.stores.add_key("sk_all", "acct").await;
    let ids = ids(&system, "sk_all").await;
    for kind in KINDS {
        add_credential(&system, kind, &format!("{kind}_all"), Scope::ALL).await;
        for &scope in Scope::ALL {
            add_credential(&system, kind, &format!("{kind}_but_{scope}"), &all_but(scope)).await;
        }
    }
    let ask = async |token: &str, (method, path, body): (&str, &str, Option<&Value>)| {
        let separator = if path.contains('?') { '&' } else { '?' };
        let mode =
            if is_for_both_modes(method, path) { String::new() } else { format!("{separator}livemode=true") };
        let path = format!("{}{mode}", ids.fill(path));
        let body = body.map_or_else(String::new, |body| ids.fill(&body.to_string()));
        let headers = headers(token, method, &path, &body);
        let headers: Vec<_> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
        system.send(method, &path, &headers, body).await
    };
    for (method, path, body, scopes) in routes() {
        let request = (method, path, body.as_ref());
        for kind in KINDS.into_iter().filter(|kind| *kind != "session" || path != "/api/sessions") {
            let (status, answer) = ask(&format!("{kind}_all"), request).await;
            assert!(![401, 403].contains(&status), "{kind}: {method} {path}: {answer}");
            for scope in scopes {
                let (status, problem) = ask(&format!("{kind}_but_{scope}"), request).await;
                assert_eq!(
                    (status, text(&problem, "code")),
                    (403, "missing_scope"),
                    "{kind}: {method} {path}"
                );
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_ends_when_it_expires_and_soon_after_it_is_revoked() {
    let machine = TimeMachine::start(&[]).await;
    let account: AccountId = "acct".parse().unwrap();
    let keys = machine.stores.runtime("create-endpoint").grants().unwrap();
    machine.stores.add_key("sk_revoked", "acct").await;
    let status = async || machine.list_as("sk_revoked", "list-events", &[]).await.0;
    assert_eq!(status().await, 200);
    let grant = keys.find(TokenHash::of("sk_revoked")).await.unwrap().unwrap();
    let today = grant.last_used_on.unwrap();
    assert!(today.to_string().ends_with("T00:00:00.000Z") && machine.now().since(today).as_secs() < 86_400);

    let posthorn_domain::GrantId::Key(id) = grant.id else { panic!("{:?}", grant.id) };
    assert!(keys.revoke(Some(&account), id, machine.now()).await.unwrap());
    machine.sleep(Duration::from_secs(30));
    assert_eq!(status().await, 401);
    let mut list = keys.list(Some(&account)).await.unwrap();
    assert!(list.pop().unwrap().1.revoked_at.is_some());

    let expiring = posthorn_domain::Grant {
        id: posthorn_domain::GrantId::Key(posthorn_domain::KeyId::new(
            machine.now(),
            machine.random.as_ref(),
        )),
        expires_at: Some(machine.now().plus(Duration::from_secs(10))),
        revoked_at: None,
        ..grant
    };
    let written = keys.add(&Credential::Token(TokenHash::of("sk_expiring")), &expiring, None).await.unwrap();
    assert_eq!(written, posthorn_storage::Written::Now);
    assert_eq!(machine.list_as("sk_expiring", "list-events", &[]).await.0, 200);
    machine.sleep(Duration::from_secs(10));
    assert_eq!(
        machine.list_as("sk_expiring", "list-events", &[]).await.0,
        401,
        "whatever is remembered of it"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_stands_in_for_a_key_is_refused() {
    let stores = TestStores::start().await;
    let list = route("list-events", &stores.runtime("list-events"));
    let runtime = tokio::runtime::Handle::current();
    let answer = |authorization: Vec<u8>| {
        let Ok(header) = HeaderValue::from_bytes(&authorization) else { return Ok(()) };
        let request = Request::get("/api/events").header("authorization", header);
        let answer = runtime.block_on(list(request.body(Body::Empty).unwrap()));
        prop_assert_eq!(answer.status(), 401);
        Ok(())
    };
    let guesses = prop_oneof![
        vec(any::<u8>(), 0..300),
        "[Bb]earer *[ -~]{0,300}".prop_map(String::into_bytes),
        "(Basic|bearer|Bearer,|Bearer\t) ?sk_live_[A-Za-z0-9_-]{43}".prop_map(String::into_bytes),
    ];
    let mut runner = TestRunner::new(Config { failure_persistence: None, ..Config::with_cases(100) });
    tokio::task::block_in_place(|| runner.run(&guesses, answer)).unwrap();
}
