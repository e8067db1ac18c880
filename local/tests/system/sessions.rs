//! Portal sessions: a customer's own, limited access.

use std::time::Duration;

use futures::future::join_all;
use posthorn_domain::Scope;
use serde_json::{Value, json};

use crate::harness::text;
use crate::time_machine::TimeMachine;

const ADA: &str = "acct_ada";

/// A platform with the account `acct_ada`.
async fn platform() -> TimeMachine {
    let machine = TimeMachine::start(&[]).await;
    let (status, _) = machine.call_as_platform("put-account", ADA, "", None, Some(json!({}))).await;
    assert_eq!(status, 200);
    machine
}

/// Creates a session by the platform's key; returns it.
async fn create(machine: &TimeMachine, asked: Value) -> Value {
    let (status, session) = machine.call_as_platform("create-session", "", "", None, Some(asked)).await;
    assert_eq!(status, 201, "{session}");
    session
}

fn code(session: &Value) -> String {
    text(session, "url").split_once("#code=").unwrap().1.to_owned()
}

async fn exchange(machine: &TimeMachine, code: &str) -> (u16, Value) {
    let headers = json!({ "content-type": "application/json" });
    let body = json!({ "code": code }).to_string();
    machine.request("exchange-session", &json!({ "headers": headers, "body": body })).await
}

/// Calls a function with a session's token, for an account if one is named.
async fn status_as(
    machine: &TimeMachine,
    token: &str,
    function: &str,
    query: &str,
    account: Option<&str>,
) -> u16 {
    let mut headers = json!({ "authorization": format!("Bearer {token}") });
    if let Some(account) = account {
        headers["posthorn-account"] = account.into();
    }
    machine.request(function, &json!({ "headers": headers, "rawQueryString": query })).await.0
}

#[tokio::test(flavor = "multi_thread")]
async fn a_customer_gets_what_the_session_allows_and_no_more() {
    let machine = platform().await;
    let session = create(
        &machine,
        json!({ "account": ADA, "livemode": true, "capabilities": ["endpoints:read"], "expires_in": 86_400 }),
    )
    .await;
    assert!(
        text(&session, "url").starts_with("https://abc123.execute-api.eu-central-1.amazonaws.com/#code=sc_")
    );
    let (status, begun) = exchange(&machine, &code(&session)).await;
    assert_eq!((status, text(&begun, "account")), (200, ADA), "{begun}");
    let token = text(&begun, "token");
    assert!(token.starts_with("ss_"));
    assert_eq!(status_as(&machine, token, "list-endpoints", "", None).await, 200);
    assert_eq!(
        status_as(&machine, token, "list-endpoints", "livemode=false", None).await,
        403,
        "another mode"
    );
    assert_eq!(
        status_as(&machine, token, "list-endpoints", "", Some("acct_bob")).await,
        403,
        "another account"
    );
    assert_eq!(status_as(&machine, token, "list-events", "", None).await, 403, "another scope");
    assert_eq!(status_as(&machine, token, "create-session", "", None).await, 403, "another session");
    let id = text(&session, "id");
    let (_, audit) = machine.call_as_platform("list-audit", "", "", Some(ADA), None).await;
    let entries = audit["list"].as_array().unwrap();
    let is_the_sessions =
        |entry: &Value| text(entry, "action") == "session.created" && text(entry, "target") == id;
    assert!(entries.iter().any(is_the_sessions), "{audit}");

    machine.sleep(Duration::from_hours(24));
    assert_eq!(status_as(&machine, token, "list-endpoints", "", None).await, 401, "it has ended");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_platforms_colour_and_logo_come_with_the_session() {
    let machine = platform().await;
    let appearance = json!({ "color": "#1d4ed8", "logo": "data:image/svg+xml;base64,PHN2Zy8+" });
    let session =
        create(&machine, json!({ "account": ADA, "livemode": true, "appearance": appearance })).await;
    let (status, begun) = exchange(&machine, &code(&session)).await;
    assert_eq!((status, &begun["appearance"]), (200, &appearance));
    let plain = create(&machine, json!({ "account": ADA, "livemode": true })).await;
    let (_, begun) = exchange(&machine, &code(&plain)).await;
    assert_eq!(begun["appearance"], json!({ "color": null, "logo": null }));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_code_begins_one_session_however_many_use_it_at_once() {
    let machine = platform().await;
    let back = "https://app.example.com/webhooks";
    let session = create(&machine, json!({ "account": ADA, "livemode": true, "return_url": back })).await;
    let code = code(&session);
    let answers = join_all((0..8).map(|_| exchange(&machine, &code))).await;
    let winners = answers.iter().filter(|(status, _)| *status == 200).count();
    assert_eq!(winners, 1, "{answers:?}");
    for (_, problem) in answers.iter().filter(|(status, _)| *status != 200) {
        assert_eq!((text(problem, "code"), text(problem, "return_url")), ("code_spent", back));
    }
    let (status, problem) = exchange(&machine, "sc_nobody").await;
    assert_eq!((status, text(&problem, "code")), (404, "code_not_found"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_code_is_good_for_ten_minutes() {
    let machine = platform().await;
    let asked = || json!({ "account": ADA, "livemode": true, "expires_in": 86_400 });
    let (in_time, late) = (create(&machine, asked()).await, create(&machine, asked()).await);
    machine.sleep(Duration::from_secs(599));
    assert_eq!(exchange(&machine, &code(&in_time)).await.0, 200);
    machine.sleep(Duration::from_secs(1));
    assert_eq!(exchange(&machine, &code(&late)).await.0, 410);
}

#[tokio::test(flavor = "multi_thread")]
async fn all_sessions_of_an_account_end_within_30_seconds() {
    let machine = platform().await;
    let asked = || json!({ "account": ADA, "livemode": true });
    let (stolen, unused) = (create(&machine, asked()).await, create(&machine, asked()).await);
    let (_, begun) = exchange(&machine, &code(&stolen)).await;
    let token = text(&begun, "token");
    assert_eq!(status_as(&machine, token, "list-endpoints", "", None).await, 200);
    let (status, ended) = machine.call_as_platform("end-sessions", "", "account=acct_ada", None, None).await;
    assert_eq!((status, &ended["ended"]), (200, &json!(2)));
    machine.sleep(Duration::from_secs(30));
    assert_eq!(status_as(&machine, token, "list-endpoints", "", None).await, 401);
    assert_eq!(exchange(&machine, &code(&unused)).await.0, 404);
    let (_, again) = machine.call_as_platform("end-sessions", "", "account=acct_ada", None, None).await;
    assert_eq!(again["ended"], 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operators_session_names_the_account_each_time() {
    let machine = platform().await;
    let (status, problem) =
        machine.call_as_platform("create-session", "", "livemode=true", None, Some(json!({}))).await;
    assert_eq!(
        (status, text(&problem, "code")),
        (400, "missing_account"),
        "a request that forgot the account"
    );
    let session = create(&machine, json!({ "operator": true })).await;
    let (_, begun) = exchange(&machine, &code(&session)).await;
    let token = text(&begun, "token");
    assert_eq!(status_as(&machine, token, "list-accounts", "", None).await, 200);
    assert_eq!(status_as(&machine, token, "list-endpoints", "livemode=true", None).await, 400);
    assert_eq!(status_as(&machine, token, "list-endpoints", "livemode=true", Some(ADA)).await, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_can_do_no_more_and_lasts_no_longer_than_its_maker_allows() {
    let machine = platform().await;
    machine.stores.add_key_for("sk_reads", ADA, posthorn_domain::Mode::Live, &[Scope::EndpointsRead]).await;
    let ask = async |body: Value| {
        let headers = json!({ "authorization": "Bearer sk_reads", "content-type": "application/json" });
        machine.request("create-session", &json!({ "headers": headers, "body": body.to_string() })).await
    };
    let (status, session) = ask(json!({})).await;
    assert_eq!((status, &session["capabilities"]), (201, &json!(["endpoints:read"])));
    for (body, status, code) in [
        (json!({ "capabilities": ["events:read"] }), 403, "missing_scope"),
        (json!({ "expires_in": 3_601 }), 400, "invalid_field"),
        (json!({ "livemode": false }), 403, "wrong_mode"),
        (json!({ "account": "acct_bob" }), 403, "wrong_account"),
        (json!({ "return_url": "nowhere" }), 400, "invalid_field"),
    ] {
        let (answered, problem) = ask(body.clone()).await;
        assert_eq!((answered, text(&problem, "code")), (status, code), "{body}");
    }
    let unknown = json!({ "account": "acct_bob", "livemode": true });
    let (status, problem) = machine.call_as_platform("create-session", "", "", None, Some(unknown)).await;
    assert_eq!((status, text(&problem, "code")), (404, "account_not_found"));
    let publishing = json!({ "account": ADA, "livemode": true, "capabilities": ["events:publish"] });
    let (status, problem) = machine.call_as_platform("create-session", "", "", None, Some(publishing)).await;
    assert_eq!((status, text(&problem, "param")), (400, "capabilities"));
}

#[tokio::test(flavor = "multi_thread")]
async fn only_a_session_of_a_test_mode_key_itself_can_publish() {
    use posthorn_domain::Mode;
    let machine = platform().await;
    for (key, mode) in [("sk_live", Mode::Live), ("sk_test", Mode::Test)] {
        let scopes = [Scope::EventsRead, Scope::EventsPublish];
        machine.stores.add_key_for(key, ADA, mode, &scopes).await;
        let headers = json!({ "authorization": format!("Bearer {key}"), "content-type": "application/json" });
        let asked = json!({ "headers": headers, "body": "{}" });
        let (status, session) = machine.request("create-session", &asked).await;
        let expected: &[&str] =
            if mode == Mode::Test { &["events:read", "events:publish"] } else { &["events:read"] };
        assert_eq!((status, &session["capabilities"]), (201, &json!(expected)));
    }
    let for_a_customer = json!({ "account": ADA, "livemode": false });
    let (_, session) = machine.call_as_platform("create-session", "", "", None, Some(for_a_customer)).await;
    assert!(!session["capabilities"].as_array().unwrap().contains(&json!("events:publish")), "{session}");
}
