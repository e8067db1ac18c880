//! Replacing an endpoint's secret while webhooks keep arriving.

use http::StatusCode;
use posthorn_local::{Arrival, Receiver};
use serde_json::{Value, json};

use crate::harness::{TestSystem, next, text};

/// Publishes an event. Returns the webhook that arrives.
async fn webhook(system: &TestSystem, receiver: &mut Receiver) -> Arrival {
    let event = json!({ "type": "order.paid", "data": { "object": { "id": "1" } } });
    let (status, event) = system.request("POST", "/api/events", Some(&event)).await;
    assert_eq!(status, 202);
    let arrival = next(receiver).await;
    assert_eq!(arrival.event_id(), text(&event, "id"));
    arrival
}

/// Asks for a route of an endpoint's secret. Returns its status and JSON.
async fn secret(system: &TestSystem, method: &str, endpoint: &Value, body: Option<Value>) -> (u16, Value) {
    let path = format!("/api/webhook-endpoints/{}/secret", text(endpoint, "id"));
    let path = if method == "POST" { format!("{path}/rotate") } else { path };
    system.request(method, &path, body.as_ref()).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_is_replaced_and_its_receiver_never_sees_a_bad_signature() {
    let mut receiver = Receiver::start(0, |_, _| StatusCode::OK).await.unwrap();
    let system = TestSystem::start().await;
    let endpoint = system.register(&json!({ "url": receiver.url, "enabled_events": ["*"] })).await;
    let old = text(&endpoint, "secret");
    webhook(&system, &mut receiver).await.verify(old).unwrap();

    // The owner asks for a new secret, and gets it; so does who asks for it later.
    let (status, rotated) = secret(&system, "POST", &endpoint, None).await;
    assert_eq!(status, 200, "{rotated}");
    assert!(rotated["previous_secret_expires_at"].is_string(), "{rotated}");
    let new = text(&rotated, "secret");
    assert_ne!(new, old);
    assert_eq!(secret(&system, "GET", &endpoint, None).await, (200, json!({ "secret": new })));

    // The receiver still has the old one, and all is well; it is given the new one, and all is well.
    let signed_twice = webhook(&system, &mut receiver).await;
    signed_twice.verify(old).unwrap();
    signed_twice.verify(new).unwrap();

    // A secret leaks. The owner has all but the newest end at once.
    let (status, rotated) = secret(&system, "POST", &endpoint, Some(json!({ "expire_now": true }))).await;
    assert_eq!((status, &rotated["previous_secret_expires_at"]), (200, &Value::Null));
    let signed_once = webhook(&system, &mut receiver).await;
    signed_once.verify(text(&rotated, "secret")).unwrap();
    assert!(signed_once.verify(new).is_err(), "the leaked secret signs no more");
    assert!(signed_once.verify(old).is_err(), "nor does the one before it");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_owner_may_bring_a_secret_of_their_own() {
    let mut receiver = Receiver::start(0, |_, _| StatusCode::OK).await.unwrap();
    let system = TestSystem::start().await;
    let endpoint = system.register(&json!({ "url": receiver.url, "enabled_events": ["*"] })).await;
    let own = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
    let (status, rotated) = secret(&system, "POST", &endpoint, Some(json!({ "secret": own }))).await;
    assert_eq!((status, text(&rotated, "secret")), (200, own));
    webhook(&system, &mut receiver).await.verify(own).unwrap();

    let refused = async |body: Value| {
        let (status, problem) = secret(&system, "POST", &endpoint, Some(body)).await;
        (status, problem["param"].as_str().unwrap_or_default().to_owned())
    };
    assert_eq!(refused(json!({ "secret": own })).await, (400, "secret".to_owned()), "it has it already");
    assert_eq!(refused(json!({ "secret": "short" })).await, (400, "secret".to_owned()));
    assert_eq!(refused(json!({ "expire_now": "yes" })).await, (400, "expire_now".to_owned()));
    assert_eq!(refused(json!({ "expires": 1 })).await, (400, "expires".to_owned()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sixth_secret_within_a_day_has_to_end_the_others() {
    let system = TestSystem::start().await;
    let endpoint = system.register(&json!({ "url": "https://example.com/", "enabled_events": ["*"] })).await;
    for _ in 0..5 {
        assert_eq!(secret(&system, "POST", &endpoint, Some(json!({}))).await.0, 200);
    }
    let (status, problem) = secret(&system, "POST", &endpoint, None).await;
    assert_eq!(status, 409);
    assert!(text(&problem, "error").contains("`expire_now`"), "{problem}");
    assert_eq!(secret(&system, "POST", &endpoint, Some(json!({ "expire_now": true }))).await.0, 200);
    assert_eq!(secret(&system, "POST", &endpoint, None).await.0, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_elses_secret_is_shown_or_replaced() {
    let system = TestSystem::start().await;
    system.stores.add_key("sk_other", "other").await;
    let endpoint = system.register(&json!({ "url": "https://example.com/", "enabled_events": ["*"] })).await;
    let path = format!("/api/webhook-endpoints/{}/secret", text(&endpoint, "id"));
    for (method, path) in [("GET", path.clone()), ("POST", format!("{path}/rotate"))] {
        assert_eq!(system.request_as(Some("sk_other"), method, &path, None).await.0, 404);
        assert_eq!(system.request(method, &format!("{path}?livemode=false"), None).await.0, 404);
        assert_eq!(system.request_as(Some("sk_wrong"), method, &path, None).await.0, 401);
    }
    let unchanged = secret(&system, "GET", &endpoint, None).await;
    assert_eq!(unchanged, (200, json!({ "secret": text(&endpoint, "secret") })));
}
