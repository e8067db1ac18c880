//! Who registered an endpoint and published an event at once got nothing, every other time. Who disabled an endpoint, moved
//! it or ended its secret, and then published, saw the event go to where it had been, signed as it had been.
//!
//! Each function kept the endpoints in memory for a second before it looked whether they had changed. Now it looks after it
//! has got an event's message, so that whatever was changed before the event was accepted counts for it.

use std::time::Duration;

use http::StatusCode;
use posthorn_domain::{Endpoint, EventId};
use posthorn_local::Receiver;
use serde_json::{Value, json};

use crate::harness::{next, text};
use crate::time_machine::TimeMachine;

/// A system in which no time passes, and an endpoint at `/old`. All functions have just looked at it.
struct Known {
    machine: TimeMachine,
    receiver: Receiver,
    endpoint: Endpoint,
}

impl Known {
    async fn start() -> Self {
        let receiver = Receiver::start(0, |_, _| StatusCode::OK).await.unwrap();
        let machine = TimeMachine::start(&[]).await;
        let endpoint = machine.register(&format!("{}/old", receiver.url), &["*"]).await;
        let mut known = Self { machine, receiver, endpoint };
        assert_eq!(known.publish().await, ["/old"], "deliver looks at it");
        assert_eq!(known.publish().await, ["/old"], "fan-out does");
        known
    }

    /// Publishes an event, and has it delivered. Returns the paths that it arrives at.
    async fn publish(&mut self) -> Vec<String> {
        self.machine.publish("order.paid").await;
        self.arrived().await
    }

    async fn arrived(&mut self) -> Vec<String> {
        self.machine.work().await;
        let mut paths = Vec::new();
        while !self.receiver.is_idle() {
            paths.push(next(&mut self.receiver).await.path);
        }
        paths.sort_unstable();
        paths
    }

    /// Calls a function of the endpoint's.
    async fn call(&self, function: &str, body: Value) -> Value {
        let id = self.endpoint.id.to_string();
        let (status, answer) = self.machine.call(function, &[("id", &id)], Some(body)).await;
        assert!((200..300).contains(&status), "{answer}");
        answer
    }

    async fn update(&self, edit: Value) {
        self.call("update-endpoint", edit).await;
    }

    async fn send_again(&self, event_id: EventId) {
        let again = json!({ "event_id": event_id, "webhook_endpoint_id": self.endpoint.id });
        let (status, answer) = self.machine.call("retry-attempt", &[], Some(again)).await;
        assert_eq!(status, 202, "{answer}");
    }

    async fn move_to(&self, path: &str) {
        self.update(json!({ "url": format!("{}{path}", self.receiver.url) })).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_endpoint_that_is_registered_gets_the_next_event() {
    let mut known = Known::start().await;
    known.machine.register(&format!("{}/new", known.receiver.url), &["order.*"]).await;
    assert_eq!(known.publish().await, ["/new", "/old"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_endpoint_that_is_disabled_or_deleted_does_not() {
    let mut known = Known::start().await;
    known.update(json!({ "status": "disabled" })).await;
    assert!(known.publish().await.is_empty());
    known.update(json!({ "status": "enabled" })).await;
    assert_eq!(known.publish().await, ["/old"]);
    let id = known.endpoint.id.to_string();
    assert_eq!(known.machine.call("delete-endpoint", &[("id", &id)], None).await.0, 200);
    assert!(known.publish().await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_endpoint_that_is_moved_gets_the_next_event_at_its_new_url_from_fan_out_and_deliver_alike() {
    let mut known = Known::start().await;
    known.move_to("/new").await;
    assert_eq!(known.publish().await, ["/new"], "deliver sends it: a new URL has to prove itself");
    assert_eq!(known.publish().await, ["/new"], "fan-out does");
    known.update(json!({ "enabled_events": ["invoice.*"] })).await;
    assert!(known.publish().await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_that_is_ended_does_not_sign_the_next_event() {
    let mut known = Known::start().await;
    let rotated = known.call("rotate-secret", json!({ "expire_now": true })).await;
    known.machine.publish("order.paid").await;
    known.machine.work().await;
    let arrival = next(&mut known.receiver).await;
    let at = arrival.headers["webhook-timestamp"].clone();
    let signed = arrival.headers["webhook-signature"].to_str().unwrap().to_owned();
    let event_id = arrival.event_id().parse().unwrap();
    let secret = text(&rotated, "secret").parse().unwrap();
    assert_eq!(at.to_str().unwrap(), known.machine.now().as_seconds().to_string());
    assert_eq!(signed, posthorn_delivery::sign([&secret], event_id, known.machine.now(), &arrival.body));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_test_event_goes_to_where_the_endpoint_now_is() {
    let mut known = Known::start().await;
    known.move_to("/new").await;
    known.call("test-endpoint", json!({})).await;
    assert_eq!(known.arrived().await, ["/new"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_sent_again_by_hand_goes_to_where_the_endpoint_now_is_or_nowhere_if_it_is_disabled() {
    let mut known = Known::start().await;
    let event_id = known.machine.publish("order.paid").await;
    assert_eq!(known.arrived().await, ["/old"]);
    known.send_again(event_id).await;
    known.move_to("/new").await;
    assert_eq!(known.arrived().await, ["/new"]);
    known.send_again(event_id).await;
    known.update(json!({ "status": "disabled" })).await;
    assert!(known.arrived().await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_recovered_goes_to_where_the_endpoint_now_is() {
    let mut known = Known::start().await;
    let since = known.machine.now();
    known.endpoint = known.machine.register(&format!("{}/late", known.receiver.url), &["*"]).await;
    assert_eq!(known.publish().await, ["/late", "/old"], "the two events before, it has missed");
    known.machine.sleep(Duration::from_millis(10));
    known.call("recover-endpoint", json!({ "since": since, "scope": "missing" })).await;
    known.move_to("/new").await;
    known.machine.pass(Duration::from_secs(5)).await;
    assert_eq!(known.arrived().await, ["/new", "/new"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_endpoints_those_count_that_there_are_when_the_event_is_accepted() {
    let mut known = Known::start().await;
    for number in 10..70 {
        known.machine.register(&format!("{}/{number}", known.receiver.url), &["order.*"]).await;
    }
    known.machine.stores.prove_endpoints().await;
    assert_eq!(known.publish().await.len(), 61, "deliver looks at all of them");
    known.update(json!({ "status": "disabled" })).await;
    known.machine.register(&format!("{}/new", known.receiver.url), &["order.*"]).await;
    let mut expected: Vec<String> = (10..70).map(|number| format!("/{number}")).collect();
    expected.push("/new".to_owned());
    assert_eq!(known.publish().await, expected);
}
