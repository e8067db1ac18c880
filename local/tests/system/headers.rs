//! The headers that an endpoint's owner wants on each delivery.

use http::StatusCode;
use posthorn_local::{Arrival, Receiver};
use serde_json::{Value, json};

use crate::harness::{TestSystem, next, text};

/// Publishes an event. Returns the webhook that arrives.
async fn webhook(system: &TestSystem, receiver: &mut Receiver) -> Arrival {
    let event = json!({ "type": "order.paid", "data": {} });
    assert_eq!(system.request("POST", "/api/events", Some(&event)).await.0, 202);
    next(receiver).await
}

#[tokio::test(flavor = "multi_thread")]
async fn headers_are_sent_with_each_delivery_until_their_owner_takes_them_away() {
    let mut receiver = Receiver::start(0, |_, _| StatusCode::OK).await.unwrap();
    let system = TestSystem::start().await;
    let headers = json!({ "X-Tenant": "ten ant", "Authorization": "Bearer sesame" });
    let endpoint = json!({ "url": receiver.url, "enabled_events": ["*"], "headers": headers });
    let created = system.register(&endpoint).await;
    assert_eq!(created["headers"], headers);
    let path = format!("/api/webhook-endpoints/{}", text(&created, "id"));

    let arrival = webhook(&system, &mut receiver).await;
    assert_eq!(arrival.headers["x-tenant"], "ten ant");
    assert_eq!(arrival.headers["authorization"], "Bearer sesame");
    arrival.verify(text(&created, "secret")).unwrap();

    // An edit of something else leaves them, and another set takes their place.
    let update = async |edit: Value| system.request("PUT", &path, Some(&edit)).await.1["headers"].clone();
    assert_eq!(update(json!({ "description": "Orders" })).await, headers);
    assert_eq!(update(json!({ "headers": { "X-Tenant": "other" } })).await, json!({ "X-Tenant": "other" }));
    let arrival = webhook(&system, &mut receiver).await;
    assert_eq!(arrival.headers["x-tenant"], "other");
    assert!(!arrival.headers.contains_key("authorization"));
    assert_eq!(update(json!({ "headers": null })).await, json!({}));
    assert!(!webhook(&system, &mut receiver).await.headers.contains_key("x-tenant"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_names_headers_and_keeps_their_values_to_itself() {
    let system = TestSystem::start().await;
    let headers = json!({ "Authorization": "Bearer sesame", "X-Tenant": "1" });
    let endpoint = json!({ "url": "https://example.com/", "enabled_events": ["*"], "headers": headers });
    let created = system.register(&endpoint).await;
    let (_, page) = system.request("GET", "/api/webhook-endpoints", None).await;
    assert_eq!(page["list"][0]["header_names"], json!(["Authorization", "X-Tenant"]));
    assert!(!page.to_string().contains("sesame"), "{page}");

    // Sent back as it stands in the list, the endpoint keeps its headers.
    let path = format!("/api/webhook-endpoints/{}", text(&created, "id"));
    assert_eq!(system.request("PUT", &path, Some(&page["list"][0])).await.1["headers"], headers);
}
