//! What arrives at endpoints.

use std::collections::{BTreeMap, BTreeSet};

use http::StatusCode;
use posthorn_local::Receiver;
use serde_json::{Value, json};

use crate::harness::{TestStores, TestSystem, next, text};

const QUICK_RETRIES: (&str, &str) = ("RETRY_SCHEDULE", "1s, 1s, 1s");

#[tokio::test(flavor = "multi_thread")]
async fn ten_thousand_deliveries_arrive_signed_and_nobody_else_gets_any() {
    let mut receiver = Receiver::start(0, |_, _| StatusCode::OK).await.unwrap();
    let system = TestSystem::start().await;
    let endpoint = |path: &str, status: &str| json!({ "url": format!("{}/{path}", receiver.url), "enabled_events": ["*"], "status": status });
    let mut secrets = BTreeMap::new();
    for number in 0..10 {
        let created = system.register(&endpoint(&number.to_string(), "enabled")).await;
        secrets.insert(format!("/{number}"), text(&created, "secret").to_owned());
    }
    system.register(&endpoint("disabled", "disabled")).await;
    let other_mode = endpoint("other-mode", "enabled");
    let (status, _) =
        system.request("POST", "/api/webhook-endpoints?livemode=false", Some(&other_mode)).await;
    assert_eq!(status, 201);
    system.stores.add_key("sk_other", "other").await;
    let other = endpoint("other-account", "enabled");
    let (status, _) =
        system.request_as(Some("sk_other"), "POST", "/api/webhook-endpoints", Some(&other)).await;
    assert_eq!(status, 201);

    let mut published = BTreeSet::new();
    for batch in 0..10 {
        let event =
            |n| json!({ "type": "order.paid", "data": { "object": { "id": format!("{batch}-{n}") } } });
        let events: Vec<Value> = (0..100).map(event).collect();
        let (status, answer) =
            system.request("POST", "/api/events/batch", Some(&json!({ "events": events }))).await;
        assert_eq!(status, 202, "{answer}");
        let accepted = answer["list"].as_array().unwrap();
        published.extend(accepted.iter().map(|outcome| text(&outcome["event"], "id").to_owned()));
    }
    assert_eq!(published.len(), 1_000);

    let (mut arrived, mut again) = (BTreeSet::new(), Vec::new());
    while arrived.len() < 10_000 || !receiver.is_idle() {
        let arrival = next(&mut receiver).await;
        let secret = secrets.get(&arrival.path).unwrap_or_else(|| panic!("{} got an event", arrival.path));
        arrival.verify(secret).unwrap();
        assert!(published.contains(arrival.event_id()), "{} was not published", arrival.event_id());
        if !arrived.insert((arrival.path.clone(), arrival.event_id().to_owned())) {
            again.push(arrival.event_id().to_owned());
        }
        if arrived.len() == 10_000 {
            system.stores.until_idle().await;
        }
    }
    // On a slow day an answer takes more than fan-out's second: such an attempt is made again.
    for event in again {
        let (_, event) = system.request("GET", &format!("/api/events/{event}"), None).await;
        let deliveries = event["deliveries"].as_array().unwrap();
        let is_slow = |delivery: &Value| delivery["attempts"][0]["error"] == "slow";
        assert!(deliveries.iter().any(is_slow), "more arrived than was sent: {event}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn odd_data_reaches_every_attempt_byte_for_byte() {
    let mut receiver = Receiver::start(0, |_, _| StatusCode::INTERNAL_SERVER_ERROR).await.unwrap();
    let system = TestSystem::with(TestStores::start().await, &[QUICK_RETRIES]).await;
    let endpoint = json!({ "url": receiver.url, "enabled_events": ["odd.data"] });
    let secret = text(&system.register(&endpoint).await, "secret").to_owned();

    let data = r#"{ "z" : 1.10, "a":123456789012345678901234567890,"object":{"id":"1"},"\u0041\/":"\ud83d\ude00é\t",  "e":-1E+2, "z2":[ ] }"#;
    let body = format!(r#"{{"type":"odd.data","data":{data}}}"#);
    let response = reqwest::Client::new().post(format!("{}/api/events", system.http));
    let response = response.header("content-type", "application/json").body(body).send().await.unwrap();
    assert_eq!(response.status(), StatusCode::ACCEPTED);

    let first = next(&mut receiver).await;
    first.verify(&secret).unwrap();
    let sent = std::str::from_utf8(&first.body).unwrap();
    assert!(sent.contains(data), "{sent}");
    for _ in 0..3 {
        let again = next(&mut receiver).await;
        again.verify(&secret).unwrap();
        assert_eq!((again.event_id(), &again.body), (first.event_id(), &first.body));
    }
    system.stores.until_idle().await;
}
