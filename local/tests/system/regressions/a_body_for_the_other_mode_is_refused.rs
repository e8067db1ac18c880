//! A shop's staging system sent `"livemode": false` in its bodies, with a live key that somebody had pasted into it. The field
//! was ignored, and test orders went to live endpoints.

use serde_json::{Value, json};

use crate::harness::{TestStores, TestSystem, text};

#[tokio::test(flavor = "multi_thread")]
async fn no_route_takes_a_body_for_another_mode_than_its_keys() {
    let system = TestSystem::with(TestStores::start().await, &[("RETRY_SCHEDULE", "1h")]).await;
    let endpoint = json!({ "url": "http://127.0.0.1:9/", "enabled_events": ["*"] });
    let event = json!({ "type": "order.paid", "data": {} });
    let created = system.register(&endpoint).await;
    let id = text(&created, "id");
    let (_, published) = system.request("POST", "/api/events", Some(&event)).await;
    system.stores.until_idle().await;
    let at = |path: &str| format!("/api/webhook-endpoints/{id}{path}");
    let delivery = json!({ "event_id": published["id"], "webhook_endpoint_id": id });
    let attempt = format!("att_{}{}1", &text(&published, "id")[4..], &id[3..]);
    let since = json!({ "since": "2026-01-01T00:00:00Z" });
    let bodies = [
        ("POST", "/api/webhook-endpoints".to_owned(), endpoint),
        ("PUT", at(""), json!({})),
        ("POST", at("/secret/rotate"), json!({})),
        ("POST", at("/test"), json!({})),
        ("POST", at("/recover"), since),
        ("POST", "/api/events".to_owned(), event.clone()),
        ("POST", "/api/events/batch".to_owned(), json!({ "events": [event] })),
        ("POST", "/api/webhook-attempts/retry".to_owned(), delivery),
        ("POST", format!("/api/webhook-attempts/{attempt}/retry"), json!({})),
    ];
    for (method, path, mut body) in bodies {
        body["livemode"] = json!(false);
        let (status, problem) = system.request(method, &path, Some(&body)).await;
        assert_eq!((status, text(&problem, "code")), (403, "wrong_mode"), "{method} {path}");
        body["livemode"] = json!("no");
        let (status, problem) = system.request(method, &path, Some(&body)).await;
        assert_eq!((status, text(&problem, "param")), (400, "livemode"), "{method} {path}");
        for agreeing in [json!(true), Value::Null] {
            body["livemode"] = agreeing;
            let (status, answer) = system.request(method, &path, Some(&body)).await;
            assert!((200..300).contains(&status), "{method} {path}: {answer}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_of_a_batch_that_is_for_the_other_mode_is_refused_alone() {
    let system = TestSystem::start().await;
    let event = |livemode: bool| json!({ "type": "order.paid", "data": {}, "livemode": livemode });
    let batch = json!({ "events": [event(false), event(true)] });
    let (_, answer) = system.request("POST", "/api/events/batch", Some(&batch)).await;
    assert_eq!(
        (&answer["list"][0]["code"], &answer["list"][1]["status"]),
        (&json!("wrong_mode"), &json!(202))
    );
}
