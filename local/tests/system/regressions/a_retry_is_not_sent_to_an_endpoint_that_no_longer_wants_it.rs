//! An endpoint failed on an event of a type that its owner then took out of `enabled_events`, to be spared. It got the
//! retries all the same, for three days: a retry asked whether the endpoint was enabled, not what it wanted by now.

use std::sync::atomic::Ordering;
use std::time::Duration;

use posthorn_domain::{DeliveryStatus, Endpoint, EventId};
use serde_json::json;

use crate::harness::{arrived, changing_receiver, local_tenant, text};
use crate::time_machine::TimeMachine;

const MINUTE: Duration = Duration::from_mins(1);
/// Where fan-out's messages for deliver wait in the test of chunks, so that the owner comes before deliver.
const HELD_BACK: &str = "DeliveriesDeadLetterQueue";

/// The endpoint's owner wants these events from now on.
async fn want(machine: &TimeMachine, endpoint: &Endpoint, patterns: &[&str]) {
    let id = endpoint.id.to_string();
    let edit = json!({ "enabled_events": patterns });
    let (status, answer) = machine.call("update-endpoint", &[("id", &id)], Some(edit)).await;
    assert_eq!(status, 200, "{answer}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_retry_is_not_sent_to_an_endpoint_that_no_longer_wants_it() {
    let (mut receiver, answer) = changing_receiver(500).await;
    let machine = TimeMachine::start(&[("RETRY_SCHEDULE", "5m, 5m")]).await;
    let endpoint = machine.register(&receiver.url, &["order.*"]).await;
    let event = machine.publish("order.paid").await;
    machine.work().await;
    assert_eq!(arrived(&mut receiver).await, [event.to_string()]);
    want(&machine, &endpoint, &["invoice.*"]).await;
    answer.store(200, Ordering::SeqCst);
    machine.pass(10 * MINUTE).await;
    assert_eq!(arrived(&mut receiver).await, Vec::<String>::new());
    let delivery = machine.delivery(event).await;
    assert_eq!((delivery.status, delivery.next_attempt_at), (DeliveryStatus::Canceled, None));

    // Sent by hand, it arrives: somebody has asked for just this.
    let retry = json!({ "event_id": event, "webhook_endpoint_id": endpoint.id });
    assert_eq!(machine.call("retry-attempt", &[], Some(retry)).await.0, 202);
    machine.work().await;
    assert_eq!(machine.delivery(event).await.status, DeliveryStatus::Succeeded);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_retry_is_sent_to_an_endpoint_that_wants_its_type_in_other_words() {
    let (receiver, answer) = changing_receiver(500).await;
    let machine = TimeMachine::start(&[("RETRY_SCHEDULE", "5m")]).await;
    let endpoint = machine.register(&receiver.url, &["order.paid"]).await;
    let event = machine.publish("order.paid").await;
    machine.work().await;
    want(&machine, &endpoint, &["order.*", "invoice.*"]).await;
    answer.store(200, Ordering::SeqCst);
    machine.pass(10 * MINUTE).await;
    assert_eq!(machine.delivery(event).await.status, DeliveryStatus::Succeeded);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_test_event_is_tried_again_whatever_the_endpoint_wants_as_long_as_it_is_enabled() {
    let (receiver, answer) = changing_receiver(500).await;
    let machine = TimeMachine::start(&[("RETRY_SCHEDULE", "5m, 5m")]).await;
    let endpoint = machine.register(&receiver.url, &["order.*"]).await;
    let id = endpoint.id.to_string();
    let test = async || {
        let body = json!({ "type": "parcel.lost" });
        let (status, event) = machine.call("test-endpoint", &[("id", &id)], Some(body)).await;
        assert_eq!(status, 202, "{event}");
        machine.work().await;
        text(&event, "id").parse::<EventId>().unwrap()
    };
    let (first, second) = (test().await, test().await);
    answer.store(200, Ordering::SeqCst);
    machine.pass(10 * MINUTE).await;
    for event in [first, second] {
        assert_eq!(machine.delivery(event).await.status, DeliveryStatus::Succeeded);
    }
    answer.store(500, Ordering::SeqCst);
    let third = test().await;
    let edit = json!({ "status": "disabled" });
    machine.call("update-endpoint", &[("id", &id)], Some(edit)).await;
    machine.pass(10 * MINUTE).await;
    let third = machine.delivery(third).await;
    assert_eq!((third.status, third.attempts.len()), (DeliveryStatus::Canceled, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_first_attempt_of_many_is_not_made_at_an_endpoint_that_no_longer_wants_it() {
    let (mut receiver, _) = changing_receiver(200).await;
    let machine = TimeMachine::start_with(&[], |stores, function| {
        let url = posthorn_local_aws::template::queue_url(&stores.stores.sqs, HELD_BACK);
        if function == "fan-out" { vec![("FIRST_ATTEMPTS_QUEUE_URL".to_owned(), url)] } else { Vec::new() }
    })
    .await;
    let mut endpoints = Vec::new();
    for number in 0..51 {
        endpoints.push(machine.register(&format!("{}/{number}", receiver.url), &["order.*"]).await);
    }
    let event = machine.publish("order.paid").await;
    machine.work().await;
    want(&machine, &endpoints[7], &["invoice.*"]).await;
    machine.sleep(2 * Duration::from_secs(1));
    for message in machine.take(HELD_BACK).await {
        machine.send("FirstAttemptsQueue", message).await;
    }
    machine.work().await;
    assert_eq!(arrived(&mut receiver).await.len(), 50);
    let record = machine.log.get_whole(&local_tenant(), event).await.unwrap().unwrap();
    for delivery in record.deliveries {
        let expected = if delivery.endpoint_id == endpoints[7].id {
            DeliveryStatus::Canceled
        } else {
            DeliveryStatus::Succeeded
        };
        assert_eq!(delivery.status, expected);
    }
}
