//! A retry with a field in its body was refused with "is not a field that can be given here; there are: " and no word after it.
//! A URL with a user name and password was refused with the advice to verify signatures, though the endpoint's gateway asked for
//! credentials: `headers` carries them.

use serde_json::json;

use crate::harness::{TestSystem, text};

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_says_what_can_be_given() {
    let system = TestSystem::start().await;
    let path = "/api/webhook-attempts/att_01JDB5G8Z7M4X3W2V1T0S9R8Q701JDB5G8Z7M4X3W2V1T0S9R8Q71/retry";
    let (status, problem) = system.request("POST", path, Some(&json!({ "event_id": "evt_1" }))).await;
    assert_eq!((status, text(&problem, "code")), (400, "unknown_field"));
    assert!(text(&problem, "detail").ends_with("Allowed fields: livemode"), "{problem}");

    let endpoint = json!({ "url": "https://user:pass@example.com/", "enabled_events": ["*"] });
    let (status, problem) = system.request("POST", "/api/webhook-endpoints", Some(&endpoint)).await;
    assert_eq!((status, text(&problem, "param")), (400, "url"));
    assert!(
        text(&problem, "detail").ends_with("Set the header `Authorization` in `headers` instead."),
        "{problem}"
    );
}
