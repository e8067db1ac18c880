//! A producer on the queue gave its events a `created_at` of its own. They showed that time, but lists, filters and
//! recoveries went by the time in the id: a list of yesterday's events had some that said they were of last year. And an
//! event sent twice under one id had two bodies, each with the time of its own message.

use std::time::Duration;

use posthorn_domain::{EventId, Partition};
use serde_json::{Value, json};

use crate::harness::{changing_receiver, local_tenant, next, text};
use crate::time_machine::TimeMachine;

#[tokio::test(flavor = "multi_thread")]
async fn an_event_is_found_by_the_time_that_it_shows() {
    let (mut receiver, _) = changing_receiver(200).await;
    let machine = TimeMachine::start(&[]).await;
    machine.register(&receiver.url, &["*"]).await;
    let accepted_at = machine.now();
    let id = EventId::new(accepted_at, Partition::of(&"order.paid".parse().unwrap()), 7);
    machine.sleep(Duration::from_secs(10));
    let send = async |event: Value| {
        let message = json!({ "account": local_tenant().account, "livemode": true, "event": event });
        machine.send("EventsQueue", message.to_string()).await;
        machine.work().await;
    };
    let own_time = "2025-01-01T00:00:00Z";
    send(json!({ "id": id, "type": "order.paid", "data": {}, "created_at": own_time })).await;
    send(json!({ "type": "order.paid", "data": {}, "created_at": own_time })).await;
    for expected in [accepted_at, machine.now()] {
        let arrival = next(&mut receiver).await;
        let body: Value = serde_json::from_slice(&arrival.body).unwrap();
        let times = (text(&body, "created_at"), text(&body, "updated_at"));
        assert_eq!(times, (expected.to_string().as_str(), expected.to_string().as_str()));
        assert_eq!(arrival.event_id().parse::<EventId>().unwrap().at(), expected);
        let (_, shown) = machine.call("get-event", &[("id", arrival.event_id())], None).await;
        assert_eq!(text(&shown, "created_at"), expected.to_string());
        let (from, to) = (expected.to_string(), expected.plus(Duration::from_millis(1)).to_string());
        let filter = [("created_at_from", from.as_str()), ("created_at_to", to.as_str())];
        let (_, page) = machine.list("list-events", &filter).await;
        assert_eq!(page["list"][0]["id"], arrival.event_id(), "{page}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_that_is_sent_twice_under_its_id_has_one_body() {
    let (mut receiver, _) = changing_receiver(500).await;
    let machine = TimeMachine::start(&[("RETRY_SCHEDULE", "5s")]).await;
    let endpoint = machine.register(&receiver.url, &["*"]).await;
    machine.prove(&[endpoint]).await;
    let id = EventId::new(machine.now(), Partition::of(&"order.paid".parse().unwrap()), 7);
    let event = json!({ "id": id, "type": "order.paid", "data": {} });
    let message = json!({ "account": local_tenant().account, "livemode": true, "event": event });
    for _ in 0..2 {
        machine.send("EventsQueue", message.to_string()).await;
        machine.sleep(Duration::from_secs(1));
    }
    machine.pass(Duration::from_mins(1)).await;
    let first = next(&mut receiver).await;
    while !receiver.is_idle() {
        assert_eq!(receiver.next().await.body, first.body);
    }
}
