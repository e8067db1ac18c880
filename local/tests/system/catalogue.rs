//! The catalogue of event types.

use serde_json::json;

use crate::harness::TestSystem;

#[tokio::test(flavor = "multi_thread")]
async fn the_catalogue_says_of_each_type_what_happened_and_shows_a_sample() {
    let system = TestSystem::start().await;
    let (status, page) = system.request("GET", "/api/event-types", None).await;
    assert_eq!((status, &page["count"]), (200, &json!(215)));
    let list = page["list"].as_array().unwrap();
    let entry = list.iter().find(|entry| entry["type"] == "account.updated").expect("it is a known type");
    assert_eq!(entry["group"], "Connected accounts");
    assert_eq!(entry["description"], "An account's details, status or requirements change.");
    assert_eq!(entry["sample"]["object"], "account");
    assert!(list.iter().all(|entry| entry["sample"].is_object()), "each type has a sample");
    assert_eq!(list.len(), 215);
}
