//! A platform moved here with its customers' secrets. It sent each `whsec_…` when it registered the endpoint, got 201, and
//! every receiver refused every delivery: `secret` was among the fields that are ignored when an endpoint is sent back, so
//! the endpoint had another one. A `secret` in an update was ignored likewise.

use http::StatusCode;
use posthorn_local::Receiver;
use serde_json::json;

use crate::harness::{TestSystem, next, text};

const THEIRS: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_that_is_brought_along_signs_what_is_delivered() {
    let mut receiver = Receiver::start(0, |_, _| StatusCode::OK).await.unwrap();
    let system = TestSystem::start().await;
    let endpoint = json!({ "url": receiver.url, "enabled_events": ["*"], "secret": THEIRS });
    assert_eq!(text(&system.register(&endpoint).await, "secret"), THEIRS);
    let event = json!({ "type": "order.paid", "data": {} });
    assert_eq!(system.request("POST", "/api/events", Some(&event)).await.0, 202);
    let arrival = next(&mut receiver).await;
    arrival.verify(THEIRS).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_that_is_none_or_would_be_changed_by_an_update_is_refused() {
    let system = TestSystem::start().await;
    let endpoint = json!({ "url": "https://example.com/", "enabled_events": ["*"], "secret": THEIRS });
    let created = system.register(&endpoint).await;
    let path = format!("/api/webhook-endpoints/{}", text(&created, "id"));

    let mut malformed = endpoint.clone();
    malformed["secret"] = json!("whsec_dG9vIHNob3J0");
    let (status, problem) = system.request("POST", "/api/webhook-endpoints", Some(&malformed)).await;
    assert_eq!((status, text(&problem, "code"), text(&problem, "param")), (400, "invalid_field", "secret"));
    assert!(!problem.to_string().contains("dG9vIHNob3J0"), "a secret is not repeated: {problem}");

    let other = json!({ "description": "new", "secret": "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD" });
    for refused in [other, json!({ "secret": "" })] {
        let (status, problem) = system.request("PUT", &path, Some(&refused)).await;
        assert_eq!((status, text(&problem, "code")), (400, "secret_not_editable"));
        assert_eq!(
            text(&problem, "detail"),
            "`secret` can't be changed by an update. Use POST …/secret/rotate."
        );
    }
    let (status, same) = system.request("PUT", &path, Some(&created)).await;
    assert_eq!((status, text(&same, "description")), (200, ""), "what was created can be sent back");
}
