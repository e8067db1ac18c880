//! Platforms act for their customers: platform keys, accounts, keys, the audit log.

use std::time::Duration;

use http::StatusCode;
use posthorn_domain::{Clock as _, Mode, Scope};
use posthorn_local::Receiver;
use posthorn_runtime::SystemClock;
use serde_json::{Value, json};

use crate::harness::{TestStores, TestSystem, next, text};
use crate::time_machine::TimeMachine;

const PLATFORM: &str = "sk_platform_1";

/// A system with a platform key that has these scopes.
async fn system(scopes: &[Scope]) -> TestSystem {
    let stores = TestStores::start().await;
    stores.add_platform_key(PLATFORM, scopes).await;
    TestSystem::with(stores, &[]).await
}

/// Sends a request with the platform's key, for an account if one is given.
async fn ask(
    system: &TestSystem,
    account: Option<&str>,
    method: &str,
    path: &str,
    body: Option<Value>,
) -> (u16, Value) {
    let authorization = format!("Bearer {PLATFORM}");
    let mut headers = vec![("authorization", authorization.as_str())];
    headers.extend(account.map(|account| ("posthorn-account", account)));
    headers.extend(body.as_ref().map(|_| ("content-type", "application/json")));
    let body = body.map_or_else(Vec::new, |body| body.to_string().into_bytes());
    system.send(method, path, &headers, body).await
}

fn endpoint(url: &str) -> Value {
    json!({ "url": url, "enabled_events": ["order.*"] })
}

fn event() -> Value {
    json!({ "type": "order.paid", "data": { "total": 7 } })
}

#[tokio::test(flavor = "multi_thread")]
async fn the_feed_of_an_account_that_does_not_exist_is_refused_and_notes_no_reader() {
    let system = system(&[Scope::EventsRead, Scope::AccountsRead, Scope::AccountsWrite]).await;
    let (status, problem) =
        ask(&system, Some("acct_misspelled"), "GET", "/api/feed?livemode=false", None).await;
    assert_eq!((status, text(&problem, "code")), (404, "account_not_found"), "{problem}");
    let (_, accounts) = ask(&system, None, "GET", "/api/accounts", None).await;
    assert!(!accounts.to_string().contains("acct_misspelled"), "{accounts}");
    assert_eq!(ask(&system, None, "PUT", "/api/accounts/acct_spelled", Some(json!({}))).await.0, 200);
    let (status, page) = ask(&system, Some("acct_spelled"), "GET", "/api/feed?livemode=false", None).await;
    assert_eq!((status, &page["list"]), (200, &json!([])), "{page}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_platform_publishes_for_a_customer_with_one_key() {
    let mut receiver = Receiver::start(0, |_, _| StatusCode::OK).await.unwrap();
    let system = system(Scope::ALL).await;
    let ada = Some("acct_ada");
    let live = "/api/webhook-endpoints?livemode=true";
    let (status, created) = ask(&system, ada, "POST", live, Some(endpoint(&receiver.url))).await;
    assert_eq!(status, 201, "{created}");
    let (status, published) = ask(&system, ada, "POST", "/api/events?livemode=true", Some(event())).await;
    assert_eq!(status, 202, "{published}");
    assert_eq!(next(&mut receiver).await.event_id(), text(&published, "id"));

    // Neither the other mode nor another account has the endpoint.
    for (account, livemode) in [("acct_ada", "false"), ("acct_bob", "true")] {
        let path = format!("/api/webhook-endpoints?livemode={livemode}");
        let (_, list) = ask(&system, Some(account), "GET", &path, None).await;
        assert_eq!(list["count"], 0, "{account} {livemode}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_platform_key_names_the_account_and_the_mode_each_time() {
    let system = system(Scope::ALL).await;
    let code = async |account: Option<&str>, path: &str| {
        let (status, problem) = ask(&system, account, "GET", path, None).await;
        (status, text(&problem, "code").to_owned())
    };
    let list = "/api/webhook-endpoints";
    let refused = |status: u16, code: &str| (status, code.to_owned());
    assert_eq!(code(Some("acct_ada"), list).await, refused(400, "missing_parameter"));
    assert_eq!(code(None, "/api/webhook-endpoints?livemode=true").await, refused(400, "missing_account"));
    assert_eq!(code(Some("acct ada"), list).await, refused(400, "invalid_header"));
    assert_eq!(code(Some("acct_bob"), "/api/accounts/acct_ada").await, refused(403, "wrong_account"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_misspelled_account_swallows_no_event() {
    let system = system(Scope::ALL).await;
    let publish = async |account: &str| {
        ask(&system, Some(account), "POST", "/api/events?livemode=true", Some(event())).await
    };
    let (status, problem) = publish("acct_adda").await;
    assert_eq!((status, text(&problem, "code")), (404, "account_not_found"), "{problem}");
    let (status, account) = ask(&system, None, "PUT", "/api/accounts/acct_ada", Some(json!({}))).await;
    assert_eq!((status, text(&account, "status")), (200, "active"));
    assert_eq!(publish("acct_ada").await.0, 202);
}

#[tokio::test(flavor = "multi_thread")]
async fn accounts_are_named_counted_and_listed_in_the_order_of_their_ids() {
    let system = system(Scope::ALL).await;
    for id in ["b-1", "a-2", "a-1", "a-10"] {
        let path = format!("/api/accounts/{id}");
        let (status, _) = ask(&system, None, "PUT", &path, Some(json!({ "name": id }))).await;
        assert_eq!(status, 200);
    }
    let list = async |query: &str| {
        let (status, page) = ask(&system, None, "GET", &format!("/api/accounts?{query}"), None).await;
        assert_eq!(status, 200, "{page}");
        let ids = page["list"].as_array().unwrap().iter().map(|account| text(account, "id").to_owned());
        (ids.collect::<Vec<_>>(), page["next_cursor"].as_str().map(str::to_owned))
    };
    assert_eq!(list("").await.0, ["a-1", "a-10", "a-2", "b-1", "local"]);
    assert_eq!(list("prefix=a-1").await.0, ["a-1", "a-10"]);
    let (first, next) = list("limit=2").await;
    assert_eq!((first, next.as_deref()), (vec!["a-1".to_owned(), "a-10".to_owned()], Some("a-10")));
    assert_eq!(list("limit=3&starting_after=a-10").await.0, ["a-2", "b-1", "local"]);
    assert_eq!(list("limit=3&starting_after=a-10").await.1, None);
    assert_eq!(list("prefix=a&starting_after=a-10").await.0, ["a-2"]);
    assert!(list("prefix=a&starting_after=b-1").await.0.is_empty());

    let live = "/api/webhook-endpoints?livemode=true";
    ask(&system, Some("a-1"), "POST", live, Some(endpoint("http://127.0.0.1:9/"))).await;
    let (_, account) = ask(&system, None, "GET", "/api/accounts/a-1", None).await;
    assert_eq!(account["webhook_endpoints"], json!({ "live": 1, "test": 0 }));
    assert_eq!(text(&account, "name"), "a-1", "its first endpoint leaves its name alone");
    let changed = json!({ "name": null, "metadata": { "tier": "gold" } });
    let (_, account) = ask(&system, None, "PUT", "/api/accounts/a-1", Some(changed)).await;
    assert_eq!((text(&account, "name"), &account["metadata"]), ("", &json!({ "tier": "gold" })));
    assert_eq!(ask(&system, None, "GET", "/api/accounts/nobody", None).await.0, 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_comes_to_exist_with_its_first_key_or_endpoint() {
    let system = system(Scope::ALL).await;
    let (status, key) = ask(&system, Some("with-key"), "POST", "/api/keys?livemode=true", None).await;
    assert_eq!(status, 201, "{key}");
    system.stores.add_key("sk_other", "with-endpoint").await;
    let body = endpoint("http://127.0.0.1:9/");
    system.request_as(Some("sk_other"), "POST", "/api/webhook-endpoints", Some(&body)).await;
    for id in ["with-key", "with-endpoint"] {
        let (status, account) = ask(&system, None, "GET", &format!("/api/accounts/{id}"), None).await;
        assert_eq!((status, text(&account, "status")), (200, "active"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_was_made_over_http_opens_its_account_and_is_shown_once() {
    let system = system(Scope::ALL).await;
    let asked = json!({ "livemode": false, "scopes": ["endpoints:read", "keys:write"], "name": "CI" });
    let (status, created) = ask(&system, Some("acct_ada"), "POST", "/api/keys", Some(asked)).await;
    assert_eq!(status, 201, "{created}");
    let key = text(&created, "key").to_owned();
    assert!(key.starts_with("sk_test_"), "{key}");
    let (status, _) = system.request_as(Some(&key), "GET", "/api/webhook-endpoints", None).await;
    assert_eq!(status, 200);
    let (_, keys) = system.request_as(Some(&key), "GET", "/api/keys", None).await;
    assert_eq!((keys["list"].as_array().unwrap().len(), text(&keys["list"][0], "name")), (1, "CI"));
    assert!(keys["list"][0]["last_used_on"].is_string() && !keys.to_string().contains(&key));

    let path = format!("/api/keys/{}", text(&created, "id"));
    let (status, revoked) = ask(&system, Some("acct_ada"), "DELETE", &path, None).await;
    assert!(status == 200 && revoked["revoked_at"].is_string(), "{revoked}");
    assert_eq!(ask(&system, Some("acct_bob"), "DELETE", &path, None).await.0, 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_are_listed_page_by_page_and_those_of_the_other_mode_leave_no_gaps() {
    let system = system(Scope::ALL).await;
    let create = async |livemode: bool, name: String| {
        let asked = json!({ "livemode": livemode, "scopes": ["keys:write"], "name": name });
        let (status, created) = ask(&system, Some("acct_ada"), "POST", "/api/keys", Some(asked)).await;
        assert_eq!(status, 201, "{created}");
        text(&created, "key").to_owned()
    };
    let key = create(true, "0".to_owned()).await;
    for n in 1..=5 {
        create(false, format!("test {n}")).await;
        create(true, n.to_string()).await;
    }
    let (mut names, mut path) = (Vec::new(), "/api/keys?limit=2".to_owned());
    loop {
        let (status, page) = system.request_as(Some(&key), "GET", &path, None).await;
        assert_eq!(status, 200, "{page}");
        let list = page["list"].as_array().unwrap();
        assert!(list.len() == 2 && page["has_more"] == json!(names.len() < 4), "{page}");
        names.extend(list.iter().map(|key| text(key, "name").to_owned()));
        let Some(cursor) = page["next_cursor"].as_str() else { break };
        path = format!("/api/keys?limit=2&starting_after={cursor}");
    }
    assert_eq!(names, ["0", "1", "2", "3", "4", "5"]);
    let (_, all) = ask(&system, Some("acct_ada"), "GET", "/api/keys", None).await;
    assert_eq!(all["list"].as_array().unwrap().len(), 11, "the platform sees both modes");
    let (status, problem) = system.request_as(Some(&key), "GET", "/api/keys?starting_after=1", None).await;
    assert_eq!((status, text(&problem, "param")), (400, "starting_after"));
}

#[tokio::test(flavor = "multi_thread")]
async fn no_key_gives_another_more_than_it_has() {
    let system = system(&[Scope::KeysWrite, Scope::EventsPublish]).await;
    let ada = Some("acct_ada");
    let create = async |account: Option<&str>, body: Value| {
        let (status, answer) = ask(&system, account, "POST", "/api/keys?livemode=true", Some(body)).await;
        (status, answer)
    };
    let (status, problem) = create(ada, json!({ "scopes": ["events:read"] })).await;
    assert_eq!((status, text(&problem, "code")), (403, "missing_scope"));
    let (status, created) = create(ada, json!({})).await;
    assert_eq!((status, &created["scopes"]), (201, &json!(["events:publish"])), "the usual ones that it has");
    let (status, platform) = create(None, json!({ "kind": "platform" })).await;
    assert_eq!((status, &platform["scopes"]), (201, &json!(["events:publish", "keys:write"])));
    assert!(text(&platform, "key").starts_with("sk_platform_"));

    let (_, key) = create(ada, json!({ "scopes": ["keys:write"] })).await;
    let key = text(&key, "key");
    let create = async |body: Value| {
        let (status, problem) = system.request_as(Some(key), "POST", "/api/keys", Some(&body)).await;
        (status, text(&problem, "code").to_owned())
    };
    assert_eq!(create(json!({ "kind": "platform" })).await, (403, "platform_key_required".to_owned()));
    assert_eq!(create(json!({ "livemode": false })).await, (403, "wrong_mode".to_owned()));
    let public_key = "0x79b5562e8fe654f94078b112e8a98ba7901f853ae695bed7e0e3910bad049664";
    let component = json!({ "kind": "component", "public_key": public_key });
    assert_eq!(create(component).await, (400, "invalid_field".to_owned()));
    assert_eq!(create(json!({})).await, (403, "missing_scope".to_owned()), "it has none of the usual scopes");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_made_for_a_while_makes_nothing_that_lasts() {
    let system = system(Scope::ALL).await;
    let soon = SystemClock.now().plus(Duration::from_hours(1));
    let asked = json!({ "expires_at": soon, "scopes": ["keys:write", "events:read"] });
    let (_, made) = ask(&system, Some("acct_ada"), "POST", "/api/keys?livemode=true", Some(asked)).await;
    let key = text(&made, "key");
    let create = async |body: Value| system.request_as(Some(key), "POST", "/api/keys", Some(&body)).await;
    let (status, further) = create(json!({})).await;
    assert_eq!((status, &further["expires_at"]), (201, &made["expires_at"]));
    let later = SystemClock.now().plus(Duration::from_hours(2));
    let (status, problem) = create(json!({ "expires_at": later })).await;
    assert_eq!((status, text(&problem, "param")), (400, "expires_at"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_components_key_is_registered_once_and_listed() {
    let system = system(Scope::ALL).await;
    let public_key = "0x79b5562e8fe654f94078b112e8a98ba7901f853ae695bed7e0e3910bad049664";
    let component = json!({ "kind": "component", "public_key": public_key });
    let register =
        async |account: &str| ask(&system, Some(account), "POST", "/api/keys", Some(component.clone())).await;
    let (status, created) = register("acct_app").await;
    assert_eq!((status, text(&created, "did")), (201, "zNKhmN1i3zutBkzMHrcSv8onT6CSitbVQhRk"), "{created}");
    let (status, problem) = register("acct_other").await;
    assert_eq!((status, text(&problem, "code")), (409, "key_exists"));
    let (_, keys) = ask(&system, Some("acct_app"), "GET", "/api/keys", None).await;
    assert_eq!(
        (text(&keys["list"][0], "public_key"), text(&keys["list"][0], "kind")),
        (public_key, "component")
    );
    let path = format!("/api/keys/{}", text(&created, "id"));
    let (status, revoked) = ask(&system, Some("acct_app"), "DELETE", &path, None).await;
    assert!(status == 200 && revoked["revoked_at"].is_string(), "{revoked}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_of_one_mode_sees_its_own_modes_entries_only() {
    let system = system(Scope::ALL).await;
    system.stores.add_key_for("sk_audit", "acct_ada", Mode::Test, &[Scope::AuditRead]).await;
    for mode in ["true", "false"] {
        let path = format!("/api/webhook-endpoints?livemode={mode}");
        ask(&system, Some("acct_ada"), "POST", &path, Some(endpoint("http://127.0.0.1:9/"))).await;
    }
    let (_, page) = system.request_as(Some("sk_audit"), "GET", "/api/audit", None).await;
    let entries = page["list"].as_array().unwrap();
    assert!(entries.len() == 1 && entries[0]["livemode"] == false, "{page}");
}

#[tokio::test(flavor = "multi_thread")]
async fn only_platform_keys_reach_accounts() {
    let system = system(Scope::ALL).await;
    system.stores.add_key("sk_all", "acct_ada").await;
    for (method, path) in [
        ("GET", "/api/accounts"),
        ("GET", "/api/accounts/acct_ada"),
        ("PUT", "/api/accounts/acct_ada"),
        ("DELETE", "/api/accounts/acct_ada?confirm=acct_ada"),
    ] {
        let (status, problem) = system.request_as(Some("sk_all"), method, path, None).await;
        assert_eq!((status, text(&problem, "code")), (403, "platform_key_required"), "{method} {path}");
    }
    let headers = [("authorization", "Bearer sk_all"), ("posthorn-account", "acct_bob")];
    let (status, problem) = system.send("GET", "/api/webhook-endpoints", &headers, Vec::new()).await;
    assert_eq!((status, text(&problem, "code")), (403, "wrong_account"));
}

#[tokio::test(flavor = "multi_thread")]
async fn each_change_is_on_record_with_who_made_it() {
    let system = system(Scope::ALL).await;
    let ada = Some("acct_ada");
    let live = "/api/webhook-endpoints?livemode=true";
    let (_, created) = ask(&system, ada, "POST", live, Some(endpoint("http://127.0.0.1:9/"))).await;
    let id = text(&created, "id");
    let path = |rest: &str| format!("/api/webhook-endpoints/{id}{rest}?livemode=true");
    ask(&system, ada, "PUT", &path(""), Some(json!({ "description": "Orders" }))).await;
    ask(&system, ada, "GET", &path("/secret"), None).await;
    ask(&system, ada, "POST", &path("/secret/rotate"), None).await;
    ask(&system, ada, "POST", &path("/pause"), None).await;
    ask(&system, ada, "POST", &path("/resume"), None).await;
    ask(&system, ada, "DELETE", &path(""), None).await;
    let (_, key) = ask(&system, ada, "POST", "/api/keys?livemode=true", None).await;
    ask(&system, ada, "DELETE", &format!("/api/keys/{}", text(&key, "id")), None).await;
    ask(&system, None, "PUT", "/api/accounts/acct_ada", Some(json!({ "name": "Ada" }))).await;

    let (status, page) = ask(&system, ada, "GET", "/api/audit", None).await;
    assert_eq!(status, 200, "{page}");
    let entries = page["list"].as_array().unwrap();
    let actions: Vec<_> = entries.iter().rev().map(|entry| text(entry, "action")).collect();
    assert_eq!(
        actions,
        [
            "webhook_endpoint.created",
            "webhook_endpoint.updated",
            "secret.read",
            "secret.rotated",
            "webhook_endpoint.paused",
            "webhook_endpoint.resumed",
            "webhook_endpoint.deleted",
            "key.created",
            "key.revoked",
            "account.updated",
        ]
    );
    let first = entries.last().unwrap();
    assert_eq!((text(first, "target"), text(&first["actor"], "kind")), (id, "platform_key"));
    let (_, rest) = ask(&system, ada, "GET", "/api/audit?limit=4", None).await;
    let next = text(&rest, "next_cursor");
    let (_, rest) = ask(&system, ada, "GET", &format!("/api/audit?starting_after={next}"), None).await;
    assert_eq!(rest["list"].as_array().unwrap()[..], entries[4..]);
    let (_, others) = ask(&system, Some("acct_bob"), "GET", "/api/audit", None).await;
    assert_eq!(others["list"], json!([]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_change_is_not_on_record() {
    let system = system(Scope::ALL).await;
    let ada = Some("acct_ada");
    let invalid = json!({ "url": "nowhere", "enabled_events": ["*"] });
    let live = "/api/webhook-endpoints?livemode=true";
    assert_eq!(ask(&system, ada, "POST", live, Some(invalid)).await.0, 400);
    let missing = "/api/webhook-endpoints/wh_01JDB5G8Z7M4X3W2V1T0S9R8Q7?livemode=true";
    assert_eq!(ask(&system, ada, "DELETE", missing, None).await.0, 404);
    assert_eq!(ask(&system, ada, "GET", "/api/audit", None).await.1["list"], json!([]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deleted_account_loses_its_keys_and_endpoints_and_can_begin_anew() {
    let machine = TimeMachine::start(&[]).await;
    let account = "acct_gone";
    let call = async |function: &str, id: &str, query: &str, body: Option<Value>| {
        machine.call_as_platform(function, id, query, Some(account), body).await
    };
    let new = || Some(json!({ "url": "https://example.com/", "enabled_events": ["*"] }));
    for mode in ["livemode=true", "livemode=false"] {
        for _ in 0..3 {
            assert_eq!(call("create-endpoint", "", mode, new()).await.0, 201);
        }
        assert_eq!(call("create-key", "", mode, None).await.0, 201);
    }
    call("put-account", account, "", Some(json!({ "name": "Ada", "metadata": { "a": 1 } }))).await;

    let (status, problem) = call("delete-account", account, "confirm=acct_other", None).await;
    assert_eq!((status, text(&problem, "param")), (400, "confirm"));
    let (status, deleting) = call("delete-account", account, "confirm=acct_gone", None).await;
    assert_eq!((status, text(&deleting, "status")), (202, "deleting"), "{deleting}");
    for (function, body) in [("create-endpoint", new()), ("create-key", Some(json!({})))] {
        let (status, problem) = call(function, "", "livemode=true", body).await;
        assert_eq!((status, text(&problem, "code")), (409, "account_deleted"), "{function}");
    }
    assert_eq!(call("put-account", account, "", Some(json!({}))).await.0, 409);
    let event = json!({ "type": "order.paid", "data": {} });
    assert_eq!(call("publish-event", "", "livemode=true", Some(event)).await.0, 404);

    machine.erase_accounts().await;
    let (_, deleted) = call("get-account", account, "", None).await;
    assert_eq!((text(&deleted, "status"), text(&deleted, "name")), ("deleted", ""), "{deleted}");
    let deletion = &deleted["deletion"];
    assert_eq!((&deletion["webhook_endpoints"], &deletion["keys"]), (&json!(6), &json!(2)));
    assert_eq!(deleted["webhook_endpoints"], json!({ "live": 0, "test": 0 }));
    assert_eq!(call("list-keys", "", "", None).await.1["list"], json!([]));
    assert_eq!(call("list-accounts", "", "prefix=acct_gone", None).await.1["list"], json!([]));

    assert_eq!(call("create-endpoint", "", "livemode=true", new()).await.0, 409, "a key may still be known");
    assert_eq!(call("put-account", account, "", Some(json!({}))).await.0, 200);
    assert_eq!(call("create-endpoint", "", "livemode=true", new()).await.0, 201);
    let (_, again) = call("get-account", account, "", None).await;
    assert_eq!((text(&again, "status"), &again["deletion"]), ("active", &Value::Null));
}
