//! The feed of events, for readers that pull them.

use std::time::Duration;

use aws_sdk_dynamodb::types::AttributeValue;
use futures::StreamExt as _;
use futures::stream::FuturesUnordered;
use http::StatusCode;
use posthorn_domain::EventId;
use posthorn_local::Receiver;
use posthorn_local_aws::clients;
use serde_json::{Value, json};

use crate::harness::{TestSystem, local_tenant, next, text};
use crate::time_machine::TimeMachine;

const MINUTE: Duration = Duration::from_mins(1);
const HOUR: Duration = Duration::from_hours(1);

/// A reader of the feed.
struct Reader<'m> {
    machine: &'m TimeMachine,
    /// What each request says, besides the cursor.
    query: Vec<(&'static str, String)>,
    cursor: Option<String>,
    got: Vec<String>,
}

impl<'m> Reader<'m> {
    fn new(machine: &'m TimeMachine, query: &[(&'static str, &str)]) -> Self {
        let query = query.iter().map(|(name, value)| (*name, (*value).to_owned())).collect();
        Self { machine, query, cursor: None, got: Vec::new() }
    }

    /// Reads a page. Returns the ids of its events, and whether there are more.
    async fn page(&mut self) -> (Vec<String>, bool) {
        let mut query: Vec<_> = self.query.iter().map(|(name, value)| (*name, value.as_str())).collect();
        if let Some(cursor) = &self.cursor {
            query.retain(|(name, _)| *name != "since");
            query.push(("cursor", cursor));
        }
        let (status, page) = self.machine.list("read-feed", &query).await;
        assert_eq!(status, 200, "{page}");
        self.cursor = Some(text(&page, "next_cursor").to_owned());
        let ids: Vec<_> =
            page["list"].as_array().unwrap().iter().map(|event| text(event, "id").to_owned()).collect();
        (ids, page["has_more"].as_bool().unwrap())
    }

    /// Reads all that there is.
    async fn read(&mut self) {
        while let (ids, has_more) = self.page().await
            && (has_more || !ids.is_empty())
        {
            self.got.extend(ids);
        }
    }
}

/// Publishes events, and lets them be put on record. Returns their ids.
async fn publish(machine: &TimeMachine, types: &[&str]) -> Vec<String> {
    let mut ids = Vec::new();
    for event_type in types {
        ids.push(machine.publish(event_type).await.to_string());
        machine.pass(Duration::from_millis(20)).await;
    }
    ids
}

/// The number of rows in the feeds.
async fn rows(machine: &TimeMachine) -> usize {
    let scan = clients::dynamodb(&machine.stores.stores.dynamodb).scan().table_name("EventsTable");
    let scan = scan.filter_expression("contains(pk, :feed)");
    let scan = scan.expression_attribute_values(":feed", AttributeValue::S("#feed#".to_owned()));
    scan.into_paginator().items().send().try_collect().await.unwrap().len()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_gets_everything_in_order_and_once_while_it_is_there_and_what_it_missed_while_it_was_away() {
    let machine = TimeMachine::start(&[]).await;
    let mut reader = Reader::new(&machine, &[("limit", "2")]);
    let mut published = publish(&machine, &["before.anybody", "listened"]).await;
    machine.pass(10 * MINUTE).await;
    published.clear();
    reader.read().await;
    for round in 0..5 {
        published.extend(publish(&machine, &["order.paid", "parcel.lost", "order.sent"]).await);
        reader.read().await;
        if round == 2 {
            // Its feed ends after an hour.
            for _ in 0..3 {
                machine.pass(2 * HOUR).await;
                published.extend(publish(&machine, &["order.paid", "customer.created"]).await);
            }
        }
        machine.pass(2 * MINUTE).await;
    }
    machine.pass(4 * MINUTE).await;
    reader.read().await;
    assert_eq!(reader.got, published);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_may_begin_in_the_past_and_choose_types() {
    let machine = TimeMachine::start(&[]).await;
    publish(&machine, &["order.paid"]).await;
    machine.pass(MINUTE).await;
    let since = machine.now().to_string();
    let published = publish(&machine, &["order.paid", "parcel.lost", "customer.created", "order.sent"]).await;
    machine.pass(HOUR).await;
    let mut all = Reader::new(&machine, &[("since", &since)]);
    let mut chosen =
        Reader::new(&machine, &[("since", &since), ("types", "order.*,customer.created"), ("limit", "1")]);
    all.read().await;
    chosen.read().await;
    assert_eq!(all.got, published);
    assert_eq!(chosen.got, [0, 2, 3].map(|n: usize| published[n].clone()));
    let more = publish(&machine, &["parcel.lost", "order.paid"]).await;
    machine.pass(10 * MINUTE).await;
    all.read().await;
    chosen.read().await;
    assert_eq!(all.got[4..], more);
    assert_eq!(chosen.got[3..], more[1..]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_that_waited_for_hours_is_in_the_feed_at_the_time_when_it_was_put_on_record() {
    let machine = TimeMachine::start(&[]).await;
    publish(&machine, &["order.paid", "order.sent"]).await;
    assert_eq!(rows(&machine).await, 0, "nobody listens");
    let late = machine.publish("order.paid").await.to_string();
    machine.sleep(2 * HOUR);
    machine.pass(MINUTE).await;
    assert_eq!(rows(&machine).await, 1, "nobody would look for it where it is");
    machine.pass(HOUR).await;
    let since = machine.now().minus(2 * HOUR).to_string();
    let mut reader = Reader::new(&machine, &[("since", &since)]);
    reader.read().await;
    assert_eq!(reader.got, [late]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_that_is_on_record_gets_its_row_when_its_message_comes_again() {
    let machine = TimeMachine::start(&[]).await;
    let mut reader = Reader::new(&machine, &[]);
    reader.read().await;
    machine.pass(10 * MINUTE).await;
    let id = machine.publish("order.paid").await;
    let [message] = <[String; 1]>::try_from(machine.take("EventsQueue").await).unwrap();
    machine.put_on_record(id, r#"{"type": "order.paid", "data": {}}"#, machine.now()).await;
    reader.read().await;
    assert_eq!(reader.got, [""; 0], "its invocation has ended before it wrote the row");
    machine.send_again("EventsQueue", named(&message, id)).await;
    machine.pass(Duration::from_secs(10)).await;
    reader.read().await;
    assert_eq!(reader.got, [id.to_string()]);
}

/// A message of the events queue that names its event's id, as the API's messages do.
fn named(message: &str, id: EventId) -> String {
    let mut message: Value = serde_json::from_str(message).unwrap();
    message["event"]["id"] = json!(id);
    message.to_string()
}

#[tokio::test(flavor = "multi_thread")]
async fn posthorn_keeps_a_consumers_cursor_and_moves_it_only_to_what_the_consumer_passes() {
    let machine = TimeMachine::start(&[]).await;
    let consumer = || Reader::new(&machine, &[("consumer", "billing")]);
    assert_eq!(consumer().page().await.0, [""; 0]);
    let published = publish(&machine, &["order.paid", "order.sent"]).await;
    assert_eq!(consumer().page().await.0, published);
    let mut reader = consumer();
    assert_eq!(reader.page().await.0, published, "nobody said that they were handled");
    assert_eq!(reader.page().await.0, [""; 0]);
    let more = publish(&machine, &["parcel.lost"]).await;
    let (again, _) = consumer().page().await;
    assert_eq!(again, more, "it goes on at the last cursor that was passed");
    let other =
        Reader::new(&machine, &[("consumer", "other"), ("since", "2026-01-01T00:00:00Z")]).page().await.0;
    assert_eq!(other, [published, more].concat());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_that_begins_before_all_events_pages_through_what_is_left() {
    let machine = TimeMachine::start(&[]).await;
    let published = publish(&machine, &["order.paid"; 5]).await;
    machine.pass(29 * 24 * HOUR).await;
    let mut reader = Reader::new(&machine, &[("since", "2020-01-01T00:00:00Z"), ("limit", "1")]);
    reader.read().await;
    assert_eq!(reader.got, published);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_consumer_that_was_away_for_too_long_is_told_so_and_may_begin_again() {
    let machine = TimeMachine::start(&[]).await;
    Reader::new(&machine, &[("consumer", "billing")]).page().await;
    machine.sleep(40 * 24 * HOUR);
    let (status, problem) = machine.list("read-feed", &[("consumer", "billing")]).await;
    assert_eq!((status, text(&problem, "code")), (410, "cursor_expired"));
    let since = machine.now().to_string();
    let published = publish(&machine, &["order.paid"]).await;
    let mut reader = Reader::new(&machine, &[("consumer", "billing"), ("since", &since)]);
    reader.read().await;
    assert_eq!(reader.got, published);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_cannot_be_read_stops_no_reader() {
    let machine = TimeMachine::start(&[]).await;
    let since = machine.now().to_string();
    let mut published = publish(&machine, &["order.paid", "order.sent", "order.paid"]).await;
    let damaged: EventId = published.remove(1).parse().unwrap();
    clients::dynamodb(&machine.stores.stores.dynamodb)
        .update_item()
        .table_name("EventsTable")
        .key("pk", AttributeValue::S(format!("{}#{}", local_tenant(), damaged.partition())))
        .key("sk", AttributeValue::S(damaged.to_string()))
        .update_expression("SET b = :damage")
        .expression_attribute_values(":damage", AttributeValue::S("{".to_owned()))
        .send()
        .await
        .unwrap();
    let mut reader = Reader::new(&machine, &[("since", &since)]);
    reader.read().await;
    assert_eq!(reader.got, published);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_feed_refuses_what_it_does_not_understand() {
    let machine = TimeMachine::start(&[]).await;
    let mut reader = Reader::new(&machine, &[]);
    reader.page().await;
    let cursor = reader.cursor.unwrap();
    for (query, param) in [
        (vec![("cursor", "AQAB")], "cursor"),
        (vec![("cursor", cursor.as_str()), ("since", "2026-01-01T00:00:00Z")], "since"),
        (vec![("since", "yesterday")], "since"),
        (vec![("types", "order.*,,")], "types"),
        (vec![("limit", "101")], "limit"),
        (vec![("wait", "21")], "wait"),
        (vec![("wait", "-1")], "wait"),
        (vec![("consumer", "a/b")], "consumer"),
    ] {
        let (status, problem) = machine.list("read-feed", &query).await;
        assert_eq!((status, text(&problem, "param")), (400, param), "{problem}");
    }
    machine.sleep(40 * 24 * HOUR);
    let (status, problem) = machine.list("read-feed", &[("cursor", &cursor)]).await;
    assert_eq!((status, text(&problem, "code")), (410, "cursor_expired"));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_feed_has_the_bodies_that_are_delivered_byte_for_byte() {
    let system = TestSystem::start().await;
    let mut receiver = Receiver::start(0, |_, _| StatusCode::NO_CONTENT).await.unwrap();
    system.register(&json!({ "url": receiver.url, "enabled_events": ["*"] })).await;
    let (_, begun) = system.request("GET", "/api/feed", None).await;
    let event = r#"{"type": "order.paid", "data": {"total": 1.50e2, "big": 12345678901234567890123, "name": "\u00e9 \ud83d\ude00"}}"#;
    system.send("POST", "/api/events", &[("content-type", "application/json")], event).await;
    let delivered = next(&mut receiver).await;
    let feed = format!("{}/api/feed?wait=20&cursor={}", system.http, text(&begun, "next_cursor"));
    let page = reqwest::get(feed).await.unwrap().text().await.unwrap();
    let body = std::str::from_utf8(&delivered.body).unwrap();
    assert!(page.starts_with(&format!(r#"{{"list":[{body}],"#)), "{page}\n{body}");
}

#[tokio::test(flavor = "multi_thread")]
async fn readers_wait_for_events_and_at_most_two_of_an_account_at_a_time() {
    let system = TestSystem::start().await;
    let (_, begun) = system.request("GET", "/api/feed", None).await;
    let path = format!("/api/feed?wait=20&cursor={}", text(&begun, "next_cursor"));
    let mut waiting: FuturesUnordered<_> = (0..3).map(|_| system.request("GET", &path, None)).collect();
    let (status, page) = waiting.next().await.unwrap();
    assert_eq!((status, &page["list"]), (200, &json!([])), "there are two places");
    let event = json!({ "type": "order.paid", "data": {} });
    let publishing = async {
        let (_, event) = system.request("POST", "/api/events", Some(&event)).await;
        text(&event, "id").to_owned()
    };
    let (id, pages) = tokio::join!(publishing, waiting.collect::<Vec<(u16, Value)>>());
    assert_eq!(pages.len(), 2);
    for (_, page) in pages {
        assert_eq!(page["list"][0]["id"], id.as_str(), "{page}");
    }
}
