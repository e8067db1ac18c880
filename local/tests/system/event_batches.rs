//! Events that are published together: they share messages and calls, but each is delivered, recorded and repeated by itself.

use std::collections::BTreeSet;
use std::time::Duration;

use futures::future::join_all;
use posthorn_domain::{Delivery, EventDraft, EventId, EventMessage, Partition, Timestamp};
use posthorn_local::Receiver;
use posthorn_local_aws::clients;
use posthorn_storage::{EventLog, EventRecord, RecordKey, StorageError, Written};
use serde_json::json;

use crate::calls::Calls;
use crate::harness::{arrived, changing_receiver, local_tenant, text};
use crate::time_machine::TimeMachine;

const SECOND: Duration = Duration::from_secs(1);

/// Events as `publish-event` queues them.
fn messages(machine: &TimeMachine, events: usize) -> Vec<EventMessage> {
    let message = |_| {
        let draft = EventDraft::test(&"order.paid".parse().unwrap());
        let id = EventId::new(machine.now(), Partition::of(&draft.event_type), machine.random.bits());
        EventMessage { tenant: local_tenant(), endpoint_id: None, claimed: false, id: Some(id), draft }
    };
    (0..events).map(message).collect()
}

fn ids(messages: &[EventMessage]) -> BTreeSet<String> {
    messages.iter().map(|message| message.id.unwrap().to_string()).collect()
}

/// The events that have arrived, each once.
async fn arrived_once(receiver: &mut Receiver) -> BTreeSet<String> {
    let arrived = arrived(receiver).await;
    let ids: BTreeSet<_> = arrived.iter().cloned().collect();
    assert_eq!(ids.len(), arrived.len(), "an event arrived twice");
    ids
}

/// The body of one message with all these events.
fn packed(messages: &[EventMessage]) -> String {
    let [(body, _)] = <[_; 1]>::try_from(EventMessage::pack(messages)).unwrap();
    body
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_of_a_hundred_events_is_one_message_and_each_event_is_delivered_and_on_record() {
    let (mut receiver, _) = changing_receiver(200).await;
    let machine = TimeMachine::start(&[]).await;
    machine.register(&receiver.url, &["*"]).await;
    let event = json!({ "type": "order.paid", "data": { "object": { "id": "1" } } });
    let (_, answer) = machine.call("publish-event", &[], Some(json!({ "events": vec![event; 100] }))).await;
    assert_eq!(machine.stores.depth("EventsQueue").await, 1);
    machine.pass(10 * SECOND).await;
    let list = answer["list"].as_array().unwrap();
    let accepted: BTreeSet<_> = list.iter().map(|outcome| text(&outcome["event"], "id").to_owned()).collect();
    assert_eq!(arrived_once(&mut receiver).await, accepted);
    for id in accepted {
        assert_eq!(machine.delivery(id.parse().unwrap()).await.attempts.len(), 1);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_with_several_events_that_comes_again_sends_those_that_are_not_on_record() {
    let (mut receiver, _) = changing_receiver(200).await;
    let machine = TimeMachine::start(&[]).await;
    let endpoint = machine.register(&receiver.url, &["*"]).await;
    machine.prove(&[endpoint]).await;
    let messages = messages(&machine, 5);
    let (done, _) = messages.split_at(2);
    machine.send("EventsQueue", packed(done)).await;
    machine.work().await;
    assert_eq!(arrived(&mut receiver).await.len(), 2);
    machine.send_again("EventsQueue", packed(&messages)).await;
    machine.pass(10 * SECOND).await;
    assert_eq!(arrived_once(&mut receiver).await, ids(&messages[2..]));
}

#[tokio::test(flavor = "multi_thread")]
async fn one_event_of_a_message_that_can_never_be_sent_stops_none_of_the_others() {
    let (mut receiver, _) = changing_receiver(200).await;
    let machine = TimeMachine::start(&[]).await;
    machine.register(&receiver.url, &["*"]).await;
    let mut messages = messages(&machine, 5);
    // No id for an event of this type.
    let other = Partition::of(&"parcel.lost".parse().unwrap());
    messages[1].id = Some(EventId::new(machine.now(), other, 1));
    machine.send("EventsQueue", packed(&messages)).await;
    machine.pass(Duration::from_mins(1)).await;
    messages.remove(1);
    assert_eq!(arrived_once(&mut receiver).await, ids(&messages));
    assert_eq!(machine.stores.depth("EventsDeadLetterQueue").await, 1, "with all its events");
}

/// A record, and its key.
fn record(at: Timestamp, number: u64, body: &str) -> (RecordKey, EventRecord) {
    let event_id = EventId::new(at, Partition::of(&"order.paid".parse().unwrap()), number);
    let record = EventRecord {
        body: body.into(),
        chunks: Vec::new(),
        deliveries: Vec::new(),
        only: None,
        expires_at: None,
    };
    (RecordKey { tenant: local_tenant(), event_id, chunk: None }, record)
}

#[tokio::test(flavor = "multi_thread")]
async fn records_written_at_the_same_time_share_calls_and_each_writer_learns_whether_it_was_first() {
    let (calls, machine) = Calls::start("fan-out").await;
    let dynamodb = clients::dynamodb(&calls.variable().1);
    let log = EventLog::new(dynamodb, "EventsTable".to_owned(), Duration::from_hours(24));
    let (event_type, now) = ("order.paid".parse().unwrap(), machine.now());
    let large = "x".repeat(100_000);
    let records: Vec<_> = (0..60)
        .map(|number| record(now, number, if number == 7 { &large } else { r#"{"id":"1"}"# }))
        .collect();
    for (key, record) in records.iter().step_by(10) {
        assert_eq!(log.create(key, &event_type, record, now).await.unwrap(), Written::Now);
    }
    calls.take();
    let creates = records.iter().map(|(key, record)| log.create(key, &event_type, record, now));
    let written: Vec<_> = join_all(creates).await;
    for (number, written) in written.into_iter().enumerate() {
        let expected = if number % 10 == 0 { Written::Before } else { Written::Now };
        assert_eq!(written.unwrap(), expected, "{number}");
    }
    let made = calls.take();
    let (batches, singles) = (made["BatchExecuteStatement"], made.get("PutItem").copied().unwrap_or(0));
    assert!(batches + singles <= 20, "{made:?}");
    for (key, record) in &records {
        let read = log.get(&key.tenant, key.event_id).await.unwrap().unwrap();
        assert_eq!(read.body, record.body);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_that_dynamodb_refuses_costs_no_other_row_of_its_call() {
    let machine = TimeMachine::start(&[]).await;
    let endpoint = machine.register("https://example.com/", &["*"]).await;
    let (now, key) = (machine.now(), |number| record(machine.now(), number, "{}").0);
    let delivery = Delivery::due(endpoint.id, now);
    let too_large = Delivery { last_answer: "x".repeat(500_000), ..delivery.clone() };
    let chunk = |number: u64| {
        let deliveries = vec![if number == 3 { too_large.clone() } else { delivery.clone() }];
        let (key, log) = (RecordKey { chunk: Some(1), ..key(number) }, &machine.log);
        async move { log.create_chunk(&key, &deliveries, now).await }
    };
    let written = join_all((0..20).map(chunk)).await;
    for (number, written) in written.into_iter().enumerate() {
        match written {
            Ok(written) => assert!(number != 3 && written == Written::Now, "{number}"),
            Err(error) => assert!(number == 3 && matches!(error, StorageError::Refused { .. }), "{error:?}"),
        }
    }
}
