//! After an outage an owner narrowed their endpoint's `enabled_events`, then recovered what had failed. The recovery sent
//! what they had just unsubscribed from: it looked at what became of each delivery, not at what the endpoint wants.

use std::sync::atomic::Ordering;
use std::time::Duration;

use posthorn_domain::{DeliveryStatus, Endpoint};
use serde_json::{Value, json};

use crate::harness::{arrived, changing_receiver, text};
use crate::time_machine::TimeMachine;

const MINUTE: Duration = Duration::from_mins(1);

async fn recover(machine: &TimeMachine, endpoint: &Endpoint, body: Value) -> Value {
    let id = endpoint.id.to_string();
    let (status, answer) = machine.call("recover-endpoint", &[("id", &id)], Some(body)).await;
    assert!(status == 202 || status == 200, "{answer}");
    answer
}

#[tokio::test(flavor = "multi_thread")]
async fn a_recovery_sends_no_event_of_a_type_that_is_no_longer_wanted() {
    let (mut receiver, answer) = changing_receiver(500).await;
    let machine = TimeMachine::start(&[("RETRY_SCHEDULE", "5s")]).await;
    let endpoint = machine.register(&receiver.url, &["order.*", "invoice.*"]).await;
    let since = machine.now();
    let order = machine.publish("order.paid").await;
    let invoice = machine.publish("invoice.paid").await;
    machine.pass(MINUTE).await;
    assert_eq!(machine.delivery(order).await.status, DeliveryStatus::Failed);
    let id = endpoint.id.to_string();
    let edit = json!({ "enabled_events": ["invoice.*"] });
    machine.call("update-endpoint", &[("id", &id)], Some(edit)).await;
    answer.store(200, Ordering::SeqCst);
    arrived(&mut receiver).await;

    let counted = recover(&machine, &endpoint, json!({ "since": since, "dry_run": true })).await;
    assert_eq!(counted["count"], 1, "{counted}");
    let recovery = recover(&machine, &endpoint, json!({ "since": since })).await;
    machine.pass(MINUTE).await;
    assert_eq!(arrived(&mut receiver).await, [invoice.to_string()]);
    assert_eq!(machine.delivery(order).await.status, DeliveryStatus::Canceled);
    let path = [("id", id.as_str()), ("task_id", text(&recovery, "id"))];
    let (_, done) = machine.call("get-recovery", &path, None).await;
    assert_eq!((text(&done, "status"), &done["deliveries_recovered"]), ("completed", &json!(1)), "{done}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_recovery_of_all_sends_and_retries_whatever_the_endpoint_wants_by_now() {
    let (mut receiver, answer) = changing_receiver(500).await;
    let machine = TimeMachine::start(&[("RETRY_SCHEDULE", "5s")]).await;
    let endpoint = machine.register(&receiver.url, &["order.*"]).await;
    let since = machine.now();
    let order = machine.publish("order.paid").await;
    machine.pass(MINUTE).await;
    let id = endpoint.id.to_string();
    let edit = json!({ "enabled_events": ["invoice.*"] });
    machine.call("update-endpoint", &[("id", &id)], Some(edit)).await;
    arrived(&mut receiver).await;
    recover(&machine, &endpoint, json!({ "since": since, "scope": "all" })).await;
    machine.work().await;
    assert_eq!(machine.delivery(order).await.status, DeliveryStatus::Pending, "it has failed once more");
    answer.store(200, Ordering::SeqCst);
    machine.pass(MINUTE).await;
    assert_eq!(machine.delivery(order).await.status, DeliveryStatus::Succeeded);
    assert_eq!(arrived(&mut receiver).await, [order.to_string(), order.to_string()]);
}
