//! An event type whose events lie in several partitions.

use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::atomic::Ordering;
use std::time::Duration;

use aws_sdk_dynamodb::types::AttributeValue;
use posthorn_domain::{Endpoint, EventId, Timestamp};
use posthorn_local_aws::clients;
use serde_json::{Value, json};

use crate::harness::{arrived, changing_receiver, local_tenant, text};
use crate::time_machine::TimeMachine;

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_mins(1);

fn shards(number: &str) -> [(&str, &str); 3] {
    [("EVENT_SHARDS", number), ("RETRY_SCHEDULE", "24h"), ("RECOVERIES_PER_SECOND", "1")]
}

fn event(event_type: &str, number: usize) -> Value {
    json!({ "type": event_type, "data": { "object": { "id": number.to_string() } } })
}

async fn send(machine: &TimeMachine, event: Value) {
    let message = json!({ "account": local_tenant().account, "livemode": true, "event": event });
    machine.send("EventsQueue", message.to_string()).await;
}

/// Publishes events with these numbers, a second after another: by turns by the API and by the queue. Every fifth is of
/// another type.
async fn publish(machine: &TimeMachine, numbers: Range<usize>) {
    for number in numbers {
        let event = event(type_of(number), number);
        if number.is_multiple_of(2) {
            let (status, answer) = machine.call("publish-event", &[], Some(event)).await;
            assert_eq!(status, 202, "{answer}");
        } else {
            send(machine, event).await;
        }
        machine.sleep(SECOND);
    }
    machine.pass(SECOND).await;
}

fn type_of(number: usize) -> &'static str {
    if number % 5 == 4 { "order.sent" } else { "order.paid" }
}

/// A whole list, page by page in one direction: the numbers of its events, the newest first, and their ids.
async fn list(machine: &TimeMachine, filter: &[(&str, &str)], upwards: bool) -> Vec<(usize, EventId)> {
    let first = EventId::MIN.to_string();
    let direction = if upwards { "ending_before" } else { "starting_after" };
    let mut cursor = upwards.then_some(first);
    let mut list = Vec::new();
    loop {
        let mut query = [filter, &[("limit", "7")]].concat();
        query.extend(cursor.as_deref().map(|cursor| (direction, cursor)));
        let (status, page) = machine.list("list-events", &query).await;
        assert_eq!(status, 200, "{page}");
        let events = page["list"].as_array().unwrap().iter();
        let events = events
            .map(|event| (text(event, "object_id").parse().unwrap(), text(event, "id").parse().unwrap()));
        let place = if upwards { 0 } else { list.len() };
        list.splice(place..place, events);
        let Some(next) = page["next_cursor"].as_str() else { return list };
        cursor = Some(next.to_owned());
    }
}

/// Asserts that every list has its events among those with numbers below `end`, each once and in order.
async fn assert_listed(machine: &TimeMachine, end: usize) {
    for upwards in [false, true] {
        for (filter, matches) in [
            (&[][..], ["order.paid", "order.sent"]),
            (&[("type", "order.*")], ["order.paid", "order.sent"]),
            (&[("type", "order.paid")], ["order.paid", "order.paid"]),
            (&[("type", "order.sent")], ["order.sent", "order.sent"]),
        ] {
            let listed = list(machine, filter, upwards).await;
            let listed: Vec<_> = listed.into_iter().map(|(number, _)| number).collect();
            let expected = (0..end).rev().filter(|number| matches.contains(&type_of(*number)));
            assert_eq!(listed, expected.collect::<Vec<_>>(), "{filter:?}, upwards: {upwards}");
        }
    }
}

/// The shards that events of a type lie in: the last digit of their partition.
async fn used(machine: &TimeMachine, event_type: &str) -> BTreeSet<char> {
    let listed = list(machine, &[("type", event_type)], false).await;
    listed.into_iter().filter_map(|(_, id)| id.partition().to_string().chars().last()).collect()
}

/// Has everything recovered that the endpoint has not acknowledged. Returns how many deliveries that should be.
async fn recover(machine: &TimeMachine, endpoint: &Endpoint, since: Timestamp, scope: &str) -> Value {
    let id = endpoint.id.to_string();
    let ask = |dry_run: bool| json!({ "since": since, "scope": scope, "dry_run": dry_run });
    let (status, dry) = machine.call("recover-endpoint", &[("id", &id)], Some(ask(true))).await;
    assert_eq!(status, 200, "{dry}");
    let (status, begun) = machine.call("recover-endpoint", &[("id", &id)], Some(ask(false))).await;
    assert_eq!(status, 202, "{begun}");
    machine.pass(MINUTE).await;
    dry["count"].clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn events_in_four_shards_are_listed_in_order_and_recovered() {
    let (mut receiver, status) = changing_receiver(500).await;
    let machine = TimeMachine::start(&shards("4")).await;
    let endpoint = machine.register(&receiver.url, &["order.*"]).await;
    let began = machine.now();
    publish(&machine, 0..40).await;
    let in_use = used(&machine, "order.paid").await;
    assert!(in_use.len() > 1 && in_use.iter().all(|shard| ('0'..='3').contains(shard)), "{in_use:?}");
    assert_listed(&machine, 40).await;

    let id = endpoint.id.to_string();
    for filter in [&[][..], &[("status", "failed")]] {
        let query = [&[("webhook_endpoint_id", id.as_str()), ("limit", "100")], filter].concat();
        let attempts = machine.attempts(&query).await;
        let events: Vec<_> = attempts.iter().map(|attempt| text(attempt, "event_id")).collect();
        assert!(events.len() == 40 && events.is_sorted_by(|a, b| a > b), "{events:?}");
    }
    status.store(200, Ordering::SeqCst);
    let listed = list(&machine, &[], false).await.into_iter();
    let everything: Vec<_> = listed.rev().map(|(_, id)| id.to_string()).collect();
    let late = machine.register(&receiver.url, &["order.*"]).await;
    for (endpoint, scope) in [(&endpoint, "failed"), (&late, "missing")] {
        arrived(&mut receiver).await;
        assert_eq!(recover(&machine, endpoint, began, scope).await, 40, "{scope}");
        assert_eq!(arrived(&mut receiver).await, everything, "{scope}");
    }
    machine.stores.until_idle().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn events_of_every_shard_are_found_once_there_are_fewer_and_more_again() {
    let machine = TimeMachine::start(&shards("1")).await;
    publish(&machine, 0..10).await;
    assert_eq!(used(&machine, "order.paid").await, BTreeSet::from(['0']));
    let machine = machine.deployed_anew(&shards("8")).await;
    publish(&machine, 10..40).await;
    assert!(used(&machine, "order.paid").await.len() > 2);
    let machine = machine.deployed_anew(&shards("1")).await;
    assert_listed(&machine, 40).await;
    publish(&machine, 40..60).await;
    assert_listed(&machine, 60).await;
    let newest = list(&machine, &[], false).await.into_iter().take(20);
    assert!(newest.into_iter().all(|(_, id)| id.partition().to_string().ends_with('0')));
    let machine = machine.deployed_anew(&shards("2")).await;
    publish(&machine, 60..80).await;
    assert_listed(&machine, 80).await;
}

/// 0.1.0 knows no shards, and writes the row of a type as a whole.
#[tokio::test(flavor = "multi_thread")]
async fn an_earlier_release_beside_this_one_hides_no_events() {
    let machine = TimeMachine::start(&shards("1")).await;
    publish(&machine, 0..10).await;
    note_as_0_1_0_does(&machine).await;
    assert_listed(&machine, 10).await;
    let machine = machine.deployed_anew(&shards("16")).await;
    publish(&machine, 10..40).await;
    assert!(used(&machine, "order.paid").await.len() > 2);
    note_as_0_1_0_does(&machine).await;
    assert_listed(&machine, 40).await;
}

async fn note_as_0_1_0_does(machine: &TimeMachine) {
    for event_type in ["order.paid", "order.sent"] {
        let expires_at = machine.now().plus(Duration::from_hours(31 * 24)).as_seconds();
        let put = clients::dynamodb(&machine.stores.stores.dynamodb).put_item().table_name("EventsTable");
        let put = put.item("pk", AttributeValue::S(format!("{}#types", local_tenant())));
        let put = put.item("sk", AttributeValue::S(event_type.to_owned()));
        put.item("expires_at", AttributeValue::N(expires_at.to_string())).send().await.unwrap();
    }
}

/// Where fan-out could not queue what follows an event, its message is received again.
#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_is_received_again_is_the_same_event_though_there_are_other_shards() {
    let (mut receiver, _) = changing_receiver(500).await;
    let deployed = |number| [("EVENT_SHARDS", number), ("RETRY_SCHEDULE", "5s, 24h")];
    let broken = |number| {
        let nowhere = [("DELIVERIES_QUEUE_URL", "http://127.0.0.1/000000000000/NoQueue")];
        [&deployed(number)[..], &nowhere].concat()
    };
    let mut machine = TimeMachine::start(&broken("4")).await;
    let endpoint = machine.register(&receiver.url, &["*"]).await;
    machine.prove(&[endpoint]).await;
    for number in 0..8 {
        send(&machine, event("order.paid", number)).await;
    }
    machine.work().await;
    let first: BTreeSet<_> = arrived(&mut receiver).await.into_iter().collect();
    assert_eq!(first.len(), 8);
    for (settings, time) in [(broken("1"), 10 * SECOND), (deployed("16").to_vec(), MINUTE)] {
        machine = machine.deployed_anew(&settings).await;
        machine.pass(time).await;
        assert_eq!(list(&machine, &[], false).await.len(), 8, "{settings:?}");
    }
    machine.stores.until_idle().await;
    let listed = list(&machine, &[], false).await.into_iter().map(|(_, id)| id.to_string());
    assert_eq!(listed.collect::<BTreeSet<_>>(), first);
    let again: BTreeSet<_> = arrived(&mut receiver).await.into_iter().collect();
    assert_eq!(again, first, "each was retried");
}
