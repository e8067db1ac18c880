//! Lists of events.

use std::collections::BTreeMap;
use std::time::Duration;

use http::StatusCode;
use posthorn_domain::{EventId, EventType, Mode, Partition, Scope};
use posthorn_local::{DEVELOPMENT_ACCOUNT, Receiver};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use proptest::test_runner::{Config, TestRunner};
use serde_json::json;
use tokio::runtime::Handle;
use tokio::task::block_in_place;

use crate::harness::text;
use crate::time_machine::TimeMachine;

/// Types of which some lie in the same part of a filter's prefix.
const TYPES: [&str; 5] = ["order.paid", "order.sent", "order.item.added", "parcel.lost", "ping"];

/// Puts an event on record. Returns its id.
async fn record(machine: &TimeMachine, event_type: &str, millis: i64, object: u8) -> EventId {
    let event_type: EventType = event_type.parse().unwrap();
    let at = machine.now().plus(Duration::from_millis(u64::try_from(millis).unwrap()));
    let id = EventId::new(at, Partition::of(&event_type), machine.random.bits());
    let json = format!(
        r#"{{"type": "{event_type}", "data": {{"object": {{"object": "thing", "id": "{object}"}}}}}}"#
    );
    machine.put_on_record(id, &json, at).await;
    id
}

/// A page of the list. Returns its entries' ids and the next cursor.
async fn page(machine: &TimeMachine, query: &[(&str, &str)]) -> (Vec<String>, Option<String>) {
    let (status, page) = machine.list("list-events", query).await;
    assert_eq!(status, 200, "{page}");
    assert_eq!(page["has_more"].as_bool(), Some(page["next_cursor"].is_string()));
    let ids = page["list"].as_array().unwrap().iter().map(|event| text(event, "id").to_owned());
    (ids.collect(), page["next_cursor"].as_str().map(str::to_owned))
}

/// An event of the model: type, milliseconds, object.
type Made = (&'static str, i64, u8);

fn made() -> impl Strategy<Value = Made> {
    (select(&TYPES[..]), 0_i64..20, 0_u8..3)
}

fn filter() -> impl Strategy<Value = Vec<(&'static str, &'static str)>> {
    select(vec![
        vec![],
        vec![("type", "order.paid")],
        vec![("type", "order.*")],
        vec![("type", "parcel.*")],
        vec![("object_id", "1")],
        vec![("type", "order.*"), ("object_type", "thing"), ("object_id", "2")],
        vec![("object_type", "nothing")],
    ])
}

fn matches(filter: &[(&str, &str)], (event_type, _, object): Made) -> bool {
    filter.iter().all(|(name, value)| match *name {
        "type" => {
            value.strip_suffix('*').map_or(event_type == *value, |prefix| event_type.starts_with(prefix))
        }
        "object_id" => object.to_string() == *value,
        _ => *value == "thing",
    })
}

/// Goes through the whole list, while on each page more events come on record, wherever their times place them.
async fn every_event_is_listed_once(
    before: Vec<Made>,
    meanwhile: Vec<Vec<Made>>,
    filter: Vec<(&'static str, &'static str)>,
    limit: usize,
    upwards: bool,
) {
    let machine = TimeMachine::start(&[]).await;
    let mut model = BTreeMap::new();
    for made @ (event_type, millis, object) in before {
        model.insert(record(&machine, event_type, millis, object).await.to_string(), made);
    }
    let mut expected: Vec<String> =
        model.iter().filter(|(_, made)| matches(&filter, **made)).map(|(id, _)| id.clone()).collect();
    expected.reverse();

    let (limit, first) = (limit.to_string(), EventId::MIN.to_string());
    let direction = if upwards { "ending_before" } else { "starting_after" };
    let mut cursor = upwards.then_some(first);
    let mut meanwhile = meanwhile.into_iter();
    let mut seen: Vec<String> = Vec::new();
    loop {
        let mut query = [&filter[..], &[("limit", limit.as_str())]].concat();
        query.extend(cursor.as_deref().map(|cursor| (direction, cursor)));
        let (ids, next) = page(&machine, &query).await;
        assert!(ids.is_sorted_by(|a, b| a > b), "the newest first: {ids:?}");
        if upwards {
            seen.splice(0..0, ids);
        } else {
            seen.extend(ids);
        }
        let Some(next) = next else { break };
        cursor = Some(next);
        for (event_type, millis, object) in meanwhile.next().unwrap_or_default() {
            record(&machine, event_type, millis, object).await;
        }
    }
    assert!(seen.is_sorted_by(|a, b| a > b), "none twice: {seen:?}");
    seen.retain(|id| model.contains_key(id));
    assert_eq!(seen, expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn no_event_is_skipped_or_shown_twice_while_others_arrive() {
    let input = (vec(made(), 0..40), vec(vec(made(), 0..6), 0..10), filter(), 1_usize..8, any::<bool>());
    let runtime = Handle::current();
    let case = |(before, meanwhile, filter, limit, upwards)| {
        runtime.block_on(every_event_is_listed_once(before, meanwhile, filter, limit, upwards));
        Ok(())
    };
    let config = Config { cases: 24, failure_persistence: None, ..Config::default() };
    block_in_place(|| TestRunner::new(config).run(&input, case)).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn events_are_listed_with_what_is_still_pending_of_them() {
    let receiver = Receiver::start(0, |_, _| StatusCode::INTERNAL_SERVER_ERROR).await.unwrap();
    let machine = TimeMachine::start(&[]).await;
    for number in 0..60 {
        let url = format!("{}/{number}", receiver.url);
        machine.register(&url, if number < 2 { &["*"] } else { &["order.*"] }).await;
    }
    machine.publish("order.paid").await;
    machine.pass(Duration::from_secs(1)).await;
    machine.publish("ping").await;
    machine.pass(Duration::from_secs(30)).await;
    let (_, page) = machine.list("list-events", &[]).await;
    let shown: Vec<_> = page["list"]
        .as_array()
        .unwrap()
        .iter()
        .map(|event| (text(event, "type"), event["pending_webhooks"].as_u64()))
        .collect();
    assert_eq!(shown, [("ping", Some(2)), ("order.paid", Some(60))], "those in chunks too");
    assert!(page["list"][0].get("deliveries").is_none(), "they are shown with the event itself");
}

#[tokio::test(flavor = "multi_thread")]
async fn events_are_listed_by_page_and_by_the_time_they_were_accepted() {
    let machine = TimeMachine::start(&[]).await;
    let mut ids = Vec::new();
    for n in 0..10 {
        ids.push(record(&machine, TYPES[usize::try_from(n).unwrap() % 5], n * 1_000, 0).await.to_string());
    }
    ids.reverse();
    for (number, part) in (1..).zip(ids.chunks(4)) {
        let (shown, next) = page(&machine, &[("page", &number.to_string()), ("pageSize", "4")]).await;
        assert_eq!((&shown[..], next.is_some()), (part, number < 3));
    }
    let at = |seconds: u64| machine.now().plus(Duration::from_secs(seconds)).to_string();
    let (from, to) = (at(3), at(6));
    let (shown, _) = page(&machine, &[("created_at_from", &from), ("created_at_to", &to)]).await;
    assert_eq!(shown, &ids[4..7], "the beginning is included, the end is not");
    let (none, _) = page(&machine, &[("created_at_from", &to), ("created_at_to", &from)]).await;
    assert_eq!(none, Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_of_events_says_what_it_cannot_do() {
    let machine = TimeMachine::start(&[]).await;
    let refused = async |query: &[(&str, &str)]| {
        let (status, problem) = machine.list("list-events", query).await;
        assert_eq!(status, 400, "{problem}");
        (text(&problem, "param").to_owned(), text(&problem, "error").to_owned())
    };
    let (param, error) = refused(&[("page", "11"), ("pageSize", "100")]).await;
    assert!(param == "page" && error.contains("`starting_after`"), "{error}");
    assert_eq!(refused(&[("page", "2"), ("limit", "2")]).await.0, "page");
    assert_eq!(refused(&[("type", "order..*")]).await.0, "type");
    assert_eq!(refused(&[("created_at_from", "monday")]).await.0, "created_at_from");
    assert_eq!(refused(&[("starting_after", "wh_1")]).await.0, "starting_after");
    assert_eq!(refused(&[("object", "thing")]).await.0, "object");
    let both =
        [("starting_after", &*EventId::MAX.to_string()), ("ending_before", &*EventId::MIN.to_string())];
    assert_eq!(refused(&both).await.0, "ending_before");
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_elses_events_are_listed() {
    let machine = TimeMachine::start(&[]).await;
    record(&machine, "ping", 0, 0).await;
    assert_eq!(page(&machine, &[]).await.0.len(), 1);
    machine.stores.add_key("sk_other", "other").await;
    machine.stores.add_key_for("sk_test", DEVELOPMENT_ACCOUNT, Mode::Test, Scope::ALL).await;
    for key in ["sk_other", "sk_test"] {
        let (status, theirs) = machine.list_as(key, "list-events", &[]).await;
        assert_eq!((status, &theirs["list"]), (200, &json!([])));
    }
}
