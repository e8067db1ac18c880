//! The catalogue of event types.

use serde_json::json;

use crate::harness::TestSystem;

#[tokio::test(flavor = "multi_thread")]
async fn the_catalogue_says_of_each_type_what_happened() {
    let system = TestSystem::start().await;
    let (status, page) = system.request("GET", "/api/event-types", None).await;
    assert_eq!((status, &page["count"]), (200, &json!(215)));
    let list = page["list"].as_array().unwrap();
    let expected = json!({
        "type": "account.updated",
        "group": "Connected accounts",
        "description": "An account's details, status or requirements change.",
    });
    assert!(list.contains(&expected), "{page}");
    assert_eq!(list.len(), 215);
}
