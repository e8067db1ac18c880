//! A producer on the events queue was told by a timeout that its message had not been sent, and sent it again, under the
//! same `request.idempotency_key`. Its customers got two events: the key was read from requests over HTTP, and in messages
//! on the queue it was carried along and meant nothing.

use std::time::Duration;

use posthorn_domain::{DeliveryStatus, EventId, EventMessage, EventShards, Partition};
use posthorn_storage::{Claim, Claimed};
use serde_json::{Value, json};

use crate::harness::{arrived, changing_receiver, local_tenant, next, text};
use crate::time_machine::TimeMachine;

const MINUTE: Duration = Duration::from_mins(1);

fn event(key: &str, amount: u32) -> Value {
    json!({ "type": "order.paid", "data": { "amount": amount }, "request": { "idempotency_key": key } })
}

fn message(event: &Value) -> String {
    json!({ "account": local_tenant().account, "livemode": true, "event": event }).to_string()
}

/// The id that an event gets from the message on which it stands alone.
async fn send(machine: &TimeMachine, body: String) -> EventId {
    let message_id = machine.send("EventsQueue", body.clone()).await;
    EventMessage::parse(&body).unwrap().into_event(&message_id, machine.now(), EventShards::ONE).unwrap().1.id
}

/// Lets a key stand for an event, as somebody else has done before.
async fn claim(machine: &TimeMachine, key: &str, event_id: EventId, event: &Value, sent: bool) {
    let keys = machine.stores.runtime("publish-event").idempotency_keys().unwrap();
    let draft = EventMessage::parse(&message(event)).unwrap().draft;
    let claim = Claim { event_id, request_id: None, body_hash: draft.fingerprint(), sent };
    assert_eq!(keys.claim(&local_tenant(), key, &claim, machine.now()).await.unwrap(), Claimed::Now);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_producer_that_repeats_its_message_under_a_key_publishes_one_event() {
    let (mut receiver, _) = changing_receiver(200).await;
    let machine = TimeMachine::start(&[]).await;
    machine.register(&receiver.url, &["*"]).await;
    let first = send(&machine, message(&event("order-1", 5))).await;
    machine.work().await;
    for wait in [Duration::from_secs(1), 20 * MINUTE] {
        machine.sleep(wait);
        send(&machine, message(&event("order-1", 5))).await;
        machine.work().await;
    }
    assert_eq!(arrived(&mut receiver).await, [first.to_string()]);
    let other = send(&machine, message(&event("order-2", 5))).await;
    machine.work().await;
    assert_eq!(arrived(&mut receiver).await, [other.to_string()]);
    machine.stores.until_idle().await;

    // Over HTTP the key stands for the same event, too.
    let (status, published) = machine.call("publish-event", &[], Some(event("order-1", 5))).await;
    assert_eq!((status, text(&published, "id")), (202, first.to_string().as_str()), "{published}");
    assert_eq!(machine.call("publish-event", &[], Some(event("order-1", 6))).await.0, 409);
    machine.work().await;
    assert_eq!(arrived(&mut receiver).await, Vec::<String>::new());

    // After a day the key is free.
    machine.sleep(Duration::from_hours(25));
    let free = send(&machine, message(&event("order-1", 7))).await;
    machine.work().await;
    assert_eq!(arrived(&mut receiver).await, [free.to_string()]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_published_over_http_is_not_published_again_by_a_message_under_its_key() {
    let (mut receiver, _) = changing_receiver(200).await;
    let machine = TimeMachine::start(&[]).await;
    machine.register(&receiver.url, &["*"]).await;
    let (status, published) = machine.call("publish-event", &[], Some(event("order-1", 5))).await;
    assert_eq!(status, 202, "{published}");
    let [sent] = <[String; 1]>::try_from(machine.take("EventsQueue").await).unwrap();
    let sent_by_route = EventMessage::parse(&sent).unwrap();
    assert!(
        sent_by_route.claimed,
        "it says that its key stands for it, so that fan-out need not ask: {sent}"
    );
    send(&machine, message(&event("order-1", 5))).await;
    machine.send("EventsQueue", sent).await;
    machine.work().await;
    assert_eq!(arrived(&mut receiver).await, [text(&published, "id")]);
}

#[tokio::test(flavor = "multi_thread")]
async fn another_event_under_the_same_key_and_an_empty_key_are_dead_letters() {
    let (mut receiver, _) = changing_receiver(200).await;
    let machine = TimeMachine::start(&[]).await;
    machine.register(&receiver.url, &["*"]).await;
    let first = send(&machine, message(&event("order-1", 5))).await;
    machine.work().await;
    send(&machine, message(&event("order-1", 6))).await;
    machine.send("EventsQueue", message(&event("", 7))).await;
    machine.pass(2 * Duration::from_hours(1)).await;
    assert_eq!(machine.stores.depth("EventsDeadLetterQueue").await, 2);
    assert_eq!(arrived(&mut receiver).await, [first.to_string()]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_whose_first_receipt_ended_after_it_claimed_its_key_is_delivered() {
    let (mut receiver, _) = changing_receiver(200).await;
    let machine = TimeMachine::start(&[]).await;
    machine.register(&receiver.url, &["*"]).await;
    let id = send(&machine, message(&event("order-1", 5))).await;
    claim(&machine, "order-1", id, &event("order-1", 5), true).await;
    machine.work().await;
    assert_eq!(next(&mut receiver).await.event_id(), id.to_string());
    assert_eq!(machine.delivery(id).await.status, DeliveryStatus::Succeeded);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_whose_publisher_claimed_its_key_and_died_is_delivered_by_the_message_under_its_id() {
    let (mut receiver, _) = changing_receiver(200).await;
    let machine = TimeMachine::start(&[]).await;
    machine.register(&receiver.url, &["*"]).await;
    let theirs = EventId::new(machine.now(), Partition::of(&"order.paid".parse().unwrap()), 7);
    claim(&machine, "order-1", theirs, &event("order-1", 5), false).await;
    send(&machine, message(&event("order-1", 5))).await;
    machine.work().await;
    assert!(receiver.is_idle(), "the publisher may be about to send it");
    machine.pass(4 * MINUTE).await;
    assert_eq!(arrived(&mut receiver).await, [theirs.to_string()]);
    // The publisher's own repetition finds it on record.
    let (status, published) = machine.call("publish-event", &[], Some(event("order-1", 5))).await;
    assert_eq!((status, text(&published, "id")), (202, theirs.to_string().as_str()), "{published}");
    machine.work().await;
    assert!(receiver.is_idle());
    machine.stores.until_idle().await;
}

/// Its message became a dead letter before the event was on record, and was moved back by a tool that gave it another id.
#[tokio::test(flavor = "multi_thread")]
async fn an_event_that_was_lost_on_its_way_is_delivered_by_the_next_message_under_its_key() {
    let (mut receiver, _) = changing_receiver(200).await;
    let machine = TimeMachine::start(&[]).await;
    machine.register(&receiver.url, &["*"]).await;
    let lost = EventId::new(machine.now(), Partition::of(&"order.paid".parse().unwrap()), 7);
    claim(&machine, "order-1", lost, &event("order-1", 5), true).await;
    machine.sleep(80 * MINUTE);
    send(&machine, message(&event("order-1", 5))).await;
    machine.work().await;
    assert_eq!(arrived(&mut receiver).await, [lost.to_string()]);
    machine.stores.until_idle().await;
}
