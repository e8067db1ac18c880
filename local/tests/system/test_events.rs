//! Trying an endpoint.

use http::StatusCode;
use posthorn_domain::{DeliveryStatus, EventDraft, EventId, EventMessage, Mode, Partition, Scope};
use posthorn_local::Receiver;
use serde_json::{Value, json};

use crate::harness::{TestSystem, local_tenant, next, text};
use crate::time_machine::TimeMachine;

/// Asks for a test event to an endpoint.
async fn test(system: &TestSystem, endpoint: &Value, body: Option<Value>) -> (u16, Value) {
    let path = format!("/api/webhook-endpoints/{}/test", text(endpoint, "id"));
    system.request("POST", &path, body.as_ref()).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_test_event_reaches_its_endpoint_alone_whatever_it_subscribed_to() {
    let mut receiver = Receiver::start(0, |_, _| StatusCode::OK).await.unwrap();
    let system = TestSystem::start().await;
    let endpoint = |path: &str, wanted: &str| json!({ "url": format!("{}/{path}", receiver.url), "enabled_events": [wanted] });
    let tried = system.register(&endpoint("tried", "refund.created")).await;
    system.register(&endpoint("other", "*")).await;

    let (status, event) = test(&system, &tried, None).await;
    assert_eq!((status, text(&event, "type")), (202, "refund.created"), "{event}");
    assert_eq!(event["metadata"], json!({ "test": "true" }));
    let arrival = next(&mut receiver).await;
    assert_eq!((arrival.path.as_str(), arrival.event_id()), ("/tried", text(&event, "id")));
    arrival.verify(text(&tried, "secret")).unwrap();
    let body: Value = serde_json::from_slice(&arrival.body).unwrap();
    assert_eq!(body, event);
    assert_eq!(body["data"]["object"]["object"], "refund");

    let (status, event) = test(&system, &tried, Some(json!({ "type": "parcel.lost" }))).await;
    assert_eq!((status, text(&event, "type")), (202, "parcel.lost"));
    let arrival = next(&mut receiver).await;
    assert_eq!((arrival.path.as_str(), arrival.event_id()), ("/tried", text(&event, "id")));
    system.stores.until_idle().await;
    assert!(receiver.is_idle(), "nobody else gets them");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_endpoint_registered_just_now_gets_its_test_event() {
    let mut receiver = Receiver::start(0, |_, _| StatusCode::OK).await.unwrap();
    let machine = TimeMachine::start(&[]).await;
    let url = receiver.url.clone();
    machine.register(&url, &["order.paid"]).await;
    machine.publish("order.paid").await;
    machine.work().await;
    next(&mut receiver).await;

    // All functions know the endpoints as they were a moment ago, without this one.
    let new = machine.register(&format!("{url}/new"), &["refund.created"]).await;
    let draft = EventDraft::test(&"refund.created".parse().unwrap());
    let id = EventId::new(machine.now(), Partition::of(&draft.event_type), 1);
    let message = EventMessage {
        tenant: local_tenant(),
        endpoint_id: Some(new.id),
        claimed: false,
        id: Some(id),
        draft,
    };
    machine.send("EventsQueue", message.to_json()).await;
    machine.work().await;
    assert_eq!(next(&mut receiver).await.path, "/new");
    assert_eq!(machine.delivery(id).await.status, DeliveryStatus::Succeeded);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_test_event_has_the_data_that_it_is_given_by_whoever_may_publish() {
    let mut receiver = Receiver::start(0, |_, _| StatusCode::OK).await.unwrap();
    let system = TestSystem::start().await;
    let tried = system.register(&json!({ "url": receiver.url, "enabled_events": ["*"] })).await;
    let wanted = json!({ "type": "parcel.lost", "data": { "object": { "object": "parcel", "id": "p_1" } } });
    let (status, event) = test(&system, &tried, Some(wanted.clone())).await;
    assert_eq!((status, &event["data"], &event["object_id"]), (202, &wanted["data"], &json!("p_1")));
    let arrival = next(&mut receiver).await;
    assert_eq!(serde_json::from_slice::<Value>(&arrival.body).unwrap(), event);

    let path = format!("/api/webhook-endpoints/{}/test", text(&tried, "id"));
    system.stores.add_key_for("sk_resends", "local", Mode::Live, &[Scope::EventsResend]).await;
    let (status, problem) = system.request_as(Some("sk_resends"), "POST", &path, Some(&wanted)).await;
    assert_eq!((status, text(&problem, "code")), (403, "missing_scope"), "{problem}");
    let sample = json!({ "type": "parcel.lost" });
    assert_eq!(system.request_as(Some("sk_resends"), "POST", &path, Some(&sample)).await.0, 202);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_test_that_makes_no_sense_is_refused() {
    let system = TestSystem::start().await;
    system.stores.add_key("sk_other", "other").await;
    let endpoint = json!({ "url": "https://example.com/", "enabled_events": ["*"] });
    let enabled = system.register(&endpoint).await;
    let refused = async |body: Value| {
        let (status, problem) = test(&system, &enabled, Some(body)).await;
        (status, problem["param"].as_str().unwrap_or_default().to_owned())
    };
    assert_eq!(refused(json!({ "type": "customer.*" })).await, (400, "type".to_owned()));
    assert_eq!(refused(json!({ "data": [] })).await, (400, "data".to_owned()));
    assert_eq!(refused(json!({ "metadata": {} })).await, (400, "metadata".to_owned()));
    let path = format!("/api/webhook-endpoints/{}/test", text(&enabled, "id"));
    assert_eq!(system.request_as(Some("sk_other"), "POST", &path, None).await.0, 404);
    assert_eq!(system.request("POST", &format!("{path}?livemode=false"), None).await.0, 404);
    assert_eq!(system.stores.depth("EventsQueue").await, 0);
}
