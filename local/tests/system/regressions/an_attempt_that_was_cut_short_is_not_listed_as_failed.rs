//! A developer whose endpoint takes two seconds saw a `failed` attempt beside each delivery that it had acknowledged.
//! Nothing had failed: Posthorn ends a first attempt after a second, and makes it again with all the time there is.

use std::time::Duration;

use axum::Router;
use serde_json::Value;
use tokio::net::TcpListener;

use crate::harness::text;
use crate::time_machine::TimeMachine;

/// A receiver that takes more than a second.
async fn slow_receiver() -> String {
    let answer = || async { tokio::time::sleep(Duration::from_millis(1_300)).await };
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, Router::new().fallback(answer)).await });
    url
}

#[tokio::test(flavor = "multi_thread")]
async fn an_attempt_that_was_cut_short_is_not_listed_as_failed() {
    let machine = TimeMachine::start(&[]).await;
    let endpoint = machine.register(&slow_receiver().await, &["*"]).await;
    machine.prove(std::slice::from_ref(&endpoint)).await;
    let event = machine.publish("order.paid").await.to_string();
    machine.pass(Duration::from_secs(5)).await;
    let statuses = |attempts: &[Value]| -> Vec<String> {
        attempts.iter().map(|attempt| text(attempt, "status").to_owned()).collect()
    };
    let id = endpoint.id.to_string();
    for of in [("webhook_endpoint_id", id.as_str()), ("event_id", event.as_str())] {
        let attempts = machine.attempts(&[of]).await;
        assert_eq!(statuses(&attempts), ["succeeded", "cut_short"], "{of:?}");
        assert_eq!((text(&attempts[1], "error"), &attempts[1]["response_status"]), ("slow", &Value::Null));
        for (status, count) in [("failed", 0), ("cut_short", 1), ("succeeded", 1)] {
            let listed = machine.attempts(&[of, ("status", status)]).await;
            assert_eq!(statuses(&listed), vec![status.to_owned(); count], "{of:?}");
        }
    }
    let (_, shown) = machine.call("get-event", &[("id", &event)], None).await;
    assert_eq!(statuses(shown["deliveries"][0]["attempts"].as_array().unwrap()), ["cut_short", "succeeded"]);
    let (_, read) = machine.call("get-endpoint", &[("id", &id)], None).await;
    assert_eq!(statuses(read["attempts"].as_array().unwrap()), ["succeeded", "cut_short"]);
}
