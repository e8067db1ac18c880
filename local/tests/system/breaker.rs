//! An endpoint that is down is held, probed, and gets what it missed when it is back.

use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::Duration;

use http::StatusCode;
use posthorn_domain::{DeliveryStatus, Endpoint, EventId, Hold, HoldState, Partition, ProbeMessage};
use posthorn_local::Receiver;
use serde_json::{Value, json};

use crate::harness::{changing_receiver, local_tenant, text};
use crate::time_machine::TimeMachine;

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_mins(1);

/// Publishes this many events, one every four seconds.
async fn publish(machine: &TimeMachine, event_type: &str, events: usize) -> Vec<EventId> {
    let mut published = Vec::new();
    for _ in 0..events {
        published.push(machine.publish(event_type).await);
        machine.pass(4 * SECOND).await;
    }
    published
}

/// The number of requests since the last call.
async fn requests(receiver: &mut Receiver) -> usize {
    let mut requests = 0;
    while !receiver.is_idle() {
        receiver.next().await;
        requests += 1;
    }
    requests
}

async fn state(machine: &TimeMachine, endpoint: &Endpoint) -> Option<HoldState> {
    machine.endpoint(endpoint).await.hold.map(Hold::state)
}

/// Returns an endpoint that is held, its receiver with what that answers, and the events that have failed.
async fn down(machine: &TimeMachine) -> (Endpoint, Receiver, Arc<AtomicU16>, Vec<EventId>) {
    let (mut receiver, answer) = changing_receiver(503).await;
    let endpoint = machine.register(&receiver.url, &["order.*"]).await;
    let failed = publish(machine, "order.paid", 25).await;
    assert!(machine.endpoint(&endpoint).await.held_since().is_some());
    requests(&mut receiver).await;
    (endpoint, receiver, answer, failed)
}

/// Whether an event has the type `order.poison`.
fn is_poison(event: &str) -> bool {
    let event: EventId = event.parse().unwrap();
    event.partition() == Partition::of(&"order.poison".parse().unwrap())
}

async fn statuses(machine: &TimeMachine, events: &[EventId]) -> Vec<DeliveryStatus> {
    let mut statuses = Vec::new();
    for event in events {
        statuses.push(machine.delivery(*event).await.status);
    }
    statuses
}

/// What needs attention: its state, and the endpoint.
async fn attention(machine: &TimeMachine, query: &[(&str, &str)]) -> Vec<(String, String)> {
    let (status, page) = machine.list("list-attention", query).await;
    assert_eq!(status, 200, "{page}");
    let told =
        |entry: &Value| (text(entry, "state").to_owned(), text(&entry["webhook_endpoint"], "id").to_owned());
    page["list"].as_array().unwrap().iter().map(told).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_endpoint_that_is_down_gets_only_probes_and_everything_when_it_is_back() {
    let machine = TimeMachine::start(&[]).await;
    let (endpoint, mut receiver, answer, failed) = down(&machine).await;
    machine.pass(10 * MINUTE).await;
    let probes = requests(&mut receiver).await;
    assert!((2..=5).contains(&probes), "{probes} in ten minutes");
    assert_eq!(state(&machine, &endpoint).await, Some(HoldState::Probing));
    let held = publish(&machine, "order.paid", 30).await;
    assert!(requests(&mut receiver).await <= 1);
    assert_eq!(statuses(&machine, &held).await, [DeliveryStatus::Held; 30]);
    assert_eq!(statuses(&machine, &failed).await, [DeliveryStatus::Held; 25], "their retries came due");

    answer.store(200, Ordering::SeqCst);
    machine.pass(5 * MINUTE).await;
    assert_ne!(state(&machine, &endpoint).await, Some(HoldState::Probing));
    machine.pass(5 * MINUTE).await;
    let all = [failed, held].concat();
    assert_eq!(statuses(&machine, &all).await, [DeliveryStatus::Succeeded; 55]);
    assert_eq!(requests(&mut receiver).await, 55, "each once");
    assert_eq!(state(&machine, &endpoint).await, None);
    machine.pass(Duration::from_hours(24)).await;
    assert_eq!(requests(&mut receiver).await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hold_and_its_end_are_told_to_the_account_and_to_the_operator() {
    let machine = TimeMachine::start(&[]).await;
    let (mut told, _) = changing_receiver(200).await;
    machine.register(&told.url, &["webhook_endpoint.*"]).await;
    let (endpoint, _receiver, answer, _) = down(&machine).await;
    let id = endpoint.id.to_string();
    assert_eq!(attention(&machine, &[]).await, [("held".to_owned(), id.clone())]);
    assert_eq!(attention(&machine, &[("state", "failing")]).await, []);
    let (_, shown) = machine.call("get-endpoint", &[("id", &id)], None).await;
    let hold = &shown["hold"];
    assert_eq!((&hold["status"], &hold["probes"]["last_response_status"]), (&json!("held"), &json!(503)));
    let count = json!({ "since": "2026-01-01T00:00:00Z", "scope": "held", "dry_run": true });
    machine.pass(10 * MINUTE).await;
    let (_, counted) = machine.call("recover-endpoint", &[("id", &id)], Some(count)).await;
    assert_eq!((&counted["count"], &counted["complete"]), (&json!(25), &json!(true)), "{counted}");

    answer.store(200, Ordering::SeqCst);
    machine.pass(10 * MINUTE).await;
    let path = [("id", id.as_str())];
    for function in ["pause-endpoint", "resume-endpoint"] {
        machine.call(function, &path, None).await;
        machine.pass(2 * MINUTE).await;
    }
    for status in ["paused", "enabled"] {
        machine.call("update-endpoint", &path, Some(json!({ "status": status }))).await;
        machine.pass(2 * MINUTE).await;
    }
    let mut notices = Vec::new();
    while !told.is_idle() {
        let notice: Value = serde_json::from_slice(&told.next().await.body).unwrap();
        let object = &notice["data"]["object"];
        assert_eq!(text(object, "id"), id);
        let hold = object["hold"]["status"].as_str().unwrap_or("none").to_owned();
        notices.push((text(&notice, "type").to_owned(), hold));
    }
    notices.sort();
    let expected = [
        ("webhook_endpoint.held", "held"),
        ("webhook_endpoint.paused", "paused"),
        ("webhook_endpoint.paused", "paused"),
        ("webhook_endpoint.released", "draining"),
        ("webhook_endpoint.resumed", "draining"),
        ("webhook_endpoint.resumed", "draining"),
    ];
    assert_eq!(notices, expected.map(|(event_type, hold)| (event_type.to_owned(), hold.to_owned())));
    assert_eq!(attention(&machine, &[]).await, []);
    let metrics = machine.told("deliver").unwrap();
    for counted in [r#""EndpointsHeld":1"#, r#""EndpointsReleased":1"#, r#""DeliveriesHeld":"#] {
        assert!(metrics.contains(counted), "{counted}: {metrics}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_endpoint_that_refuses_one_kind_of_event_is_never_held() {
    let refuses =
        |_: &str, event: &str| if is_poison(event) { StatusCode::BAD_REQUEST } else { StatusCode::OK };
    let receiver = Receiver::start(0, refuses).await.unwrap();
    let machine = TimeMachine::start(&[]).await;
    let endpoint = machine.register(&receiver.url, &["order.*"]).await;
    for _ in 0..30 {
        publish(&machine, "order.poison", 5).await;
        publish(&machine, "order.paid", 1).await;
        assert_eq!(state(&machine, &endpoint).await, None);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_poisonous_event_does_not_keep_an_endpoint_held_that_is_back() {
    let is_back = Arc::new(AtomicU16::new(503));
    let answers = Arc::clone(&is_back);
    let answer = move |_: &str, event: &str| match answers.load(Ordering::SeqCst) {
        200 if is_poison(event) => StatusCode::BAD_REQUEST,
        code => StatusCode::from_u16(code).unwrap(),
    };
    let receiver = Receiver::start(0, answer).await.unwrap();
    let machine = TimeMachine::start(&[]).await;
    let endpoint = machine.register(&receiver.url, &["order.*"]).await;
    publish(&machine, "order.poison", 25).await;
    assert_eq!(state(&machine, &endpoint).await, Some(HoldState::Held));
    machine.pass(10 * MINUTE).await;
    let held = publish(&machine, "order.paid", 1).await;
    is_back.store(200, Ordering::SeqCst);
    machine.pass(10 * MINUTE).await;
    assert_eq!(statuses(&machine, &held).await, [DeliveryStatus::Succeeded]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_owner_may_resume_a_held_endpoint_or_let_its_deliveries_go() {
    let ways: [(&str, Option<Value>, DeliveryStatus); 4] = [
        ("resume-endpoint", None, DeliveryStatus::Succeeded),
        ("resume-endpoint", Some(json!({ "skip": true })), DeliveryStatus::Canceled),
        ("update-endpoint", Some(json!({ "status": "disabled" })), DeliveryStatus::Canceled),
        ("delete-endpoint", None, DeliveryStatus::Canceled),
    ];
    for (function, body, ends_as) in ways {
        let machine = TimeMachine::start(&[]).await;
        let (endpoint, mut receiver, answer, _) = down(&machine).await;
        let held = publish(&machine, "order.paid", 3).await;
        answer.store(200, Ordering::SeqCst);
        requests(&mut receiver).await;
        machine.call(function, &[("id", &endpoint.id.to_string())], body.clone()).await;
        machine.pass(10 * MINUTE).await;
        assert_eq!(statuses(&machine, &held).await, [ends_as; 3], "{function} {body:?}");
        let listed = attention(&machine, &[]).await;
        let is_disabled = function == "update-endpoint";
        assert_eq!(
            listed.iter().any(|(state, _)| state == "disabled"),
            is_disabled,
            "{function}: {listed:?}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_held_endpoint_that_is_gone_is_disabled_and_what_it_held_is_canceled() {
    let machine = TimeMachine::start(&[]).await;
    let (endpoint, _receiver, answer, failed) = down(&machine).await;
    let held = publish(&machine, "order.paid", 3).await;
    answer.store(410, Ordering::SeqCst);
    machine.pass(15 * MINUTE).await;
    assert_eq!(attention(&machine, &[]).await, [("disabled".to_owned(), endpoint.id.to_string())]);
    assert_eq!(statuses(&machine, &held).await, [DeliveryStatus::Canceled; 3]);
    assert_eq!(statuses(&machine, &failed).await, [DeliveryStatus::Canceled; 25]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_probe_that_comes_twice_is_made_once_and_one_that_is_interrupted_leads_to_the_next() {
    let machine = TimeMachine::start(&[]).await;
    let (endpoint, mut receiver, _, _) = down(&machine).await;
    machine.pass(2 * MINUTE).await;
    requests(&mut receiver).await;
    let probes = machine.endpoint(&endpoint).await.hold.unwrap().probes().unwrap();
    let again = ProbeMessage { tenant: local_tenant(), endpoint_id: endpoint.id, probe: probes.made - 1 };
    for _ in 0..3 {
        machine.send("DeliveriesQueue", again.to_json()).await;
    }
    machine.work().await;
    assert_eq!(requests(&mut receiver).await, 0);

    // The message of the next probe was lost with its function, and the message of the last one comes again.
    machine.sleep(5 * MINUTE);
    let waiting = machine.take("DeliveriesQueue").await;
    assert!(waiting.iter().any(|body| body.contains("probe")), "{waiting:?}");
    machine.send_again("DeliveriesQueue", again.to_json()).await;
    machine.pass(10 * MINUTE).await;
    assert!(requests(&mut receiver).await >= 2);
    assert!(machine.endpoint(&endpoint).await.hold.unwrap().probes().unwrap().made > probes.made);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hold_with_nothing_to_send_ends_by_itself() {
    let machine = TimeMachine::start(&[("RETRY_SCHEDULE", "1s")]).await;
    let (endpoint, mut receiver, _, _) = down(&machine).await;
    // What is held by then is let go, so nothing is.
    let id = endpoint.id.to_string();
    machine.call("update-endpoint", &[("id", &id)], Some(json!({ "enabled_events": ["parcel.*"] }))).await;
    machine.pass(30 * MINUTE).await;
    assert_eq!(requests(&mut receiver).await, 0);
    assert_eq!(state(&machine, &endpoint).await, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_of_many_endpoints_that_is_down_is_held_alone() {
    let machine = TimeMachine::start(&[]).await;
    let (endpoint, mut receiver, _, _) = down(&machine).await;
    let (mut others, _) = changing_receiver(200).await;
    for number in 0..60 {
        machine.register(&format!("{}/{number}", others.url), &["order.*"]).await;
    }
    requests(&mut receiver).await;
    let event = machine.publish("order.paid").await;
    machine.pass(MINUTE).await;
    assert_eq!(requests(&mut others).await, 60);
    let record = machine.record(event).await;
    assert!(record.deliveries.is_empty(), "they are in chunks");
    assert_eq!(state(&machine, &endpoint).await, Some(HoldState::Probing));
    let (_, shown) = machine.call("get-event", &[("id", &event.to_string())], None).await;
    let of_it = |delivery: &&Value| text(delivery, "webhook_endpoint_id") == endpoint.id.to_string();
    let delivery = shown["deliveries"].as_array().unwrap().iter().find(of_it).unwrap();
    assert_eq!(delivery["status"], "held", "{delivery}");
}

#[tokio::test(flavor = "multi_thread")]
async fn endpoints_that_need_attention_are_listed_page_by_page_for_their_own_account() {
    let machine = TimeMachine::start(&[]).await;
    let mut paused = Vec::new();
    for number in 0..7 {
        let endpoint = machine.register(&format!("https://a.example/{number}"), &["order.*"]).await;
        machine.sleep(SECOND);
        if number != 3 {
            machine.call("pause-endpoint", &[("id", &endpoint.id.to_string())], None).await;
            paused.insert(0, endpoint.id.to_string());
        }
    }
    machine.stores.add_key("sk_of_others", "acct_others").await;
    let (_, others) = machine.list_as("sk_of_others", "list-attention", &[]).await;
    assert_eq!(others, json!({ "list": [], "has_more": false, "next_cursor": null }));
    let (mut listed, mut cursor) = (Vec::new(), String::new());
    loop {
        let mut query = vec![("limit", "4"), ("state", "paused")];
        if !cursor.is_empty() {
            query.push(("starting_after", cursor.as_str()));
        }
        let (_, page) = machine.list("list-attention", &query).await;
        let ids = page["list"].as_array().unwrap().iter();
        listed.extend(ids.map(|entry| text(&entry["webhook_endpoint"], "id").to_owned()));
        match page["next_cursor"].as_str() {
            Some(next) => cursor = next.to_owned(),
            None => break,
        }
    }
    assert_eq!(listed, paused);
    let (status, problem) = machine.list("list-attention", &[("state", "ill")]).await;
    assert_eq!((status, text(&problem, "param")), (400, "state"), "{problem}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_platform_sees_the_endpoints_of_all_accounts_that_need_attention() {
    let machine = TimeMachine::start(&[]).await;
    let create = async |account: &str, livemode: bool, status: &str| {
        let body = json!({ "url": "https://a.example/", "enabled_events": ["*"], "status": status });
        let query = format!("livemode={livemode}");
        let created =
            machine.call_as_platform("create-endpoint", "", &query, Some(account), Some(body)).await;
        assert_eq!(created.0, 201, "{}", created.1);
        text(&created.1, "id").to_owned()
    };
    let mut expected = Vec::new();
    for account in ["cust_a", "cust_b", "cust_c"] {
        create(account, true, "enabled").await;
        for (livemode, status) in [(true, "disabled"), (true, "paused"), (false, "disabled")] {
            expected.push((account, livemode, create(account, livemode, status).await));
        }
    }
    // The last account comes first, and of each account and mode the latest endpoint.
    expected.sort_by(|a, b| (b.0, !b.1, &b.2).cmp(&(a.0, !a.1, &a.2)));
    let all = async |query: &str| {
        let (mut listed, mut cursor) = (Vec::new(), String::new());
        loop {
            let query = format!("limit=2{query}{cursor}");
            let (status, page) = machine.call_as_platform("list-attention", "", &query, None, None).await;
            assert_eq!(status, 200, "{page}");
            for entry in page["list"].as_array().unwrap() {
                let endpoint = &entry["webhook_endpoint"];
                let id = text(endpoint, "id").to_owned();
                listed.push((text(entry, "account").to_owned(), endpoint["livemode"] == true, id));
            }
            match page["next_cursor"].as_str() {
                Some(next) => cursor = format!("&starting_after={next}"),
                None => return listed,
            }
        }
    };
    let wanted = |keep: &dyn Fn(bool) -> bool| {
        let kept = expected.iter().filter(|(_, livemode, _)| keep(*livemode));
        kept.map(|(account, livemode, id)| ((*account).to_owned(), *livemode, id.clone())).collect::<Vec<_>>()
    };
    assert_eq!(all("").await, wanted(&|_| true));
    assert_eq!(all("&livemode=false").await, wanted(&|livemode| !livemode));
    assert_eq!(all("&state=paused").await.len(), 3);
    let (status, problem) =
        machine.call_as_platform("list-attention", "", "starting_after=wh_1", None, None).await;
    assert_eq!((status, text(&problem, "param")), (400, "starting_after"), "{problem}");
}

/// Deliver sees only the retries of events that fail, and fan-out everything that succeeds.
#[tokio::test(flavor = "multi_thread")]
async fn an_endpoint_is_not_held_because_of_the_retries_of_a_few_events_while_it_takes_all_others() {
    let fails = |_: &str, event: &str| {
        if is_poison(event) { StatusCode::INTERNAL_SERVER_ERROR } else { StatusCode::OK }
    };
    let receiver = Receiver::start(0, fails).await.unwrap();
    let machine = TimeMachine::start(&[]).await;
    let endpoint = machine.register(&receiver.url, &["order.*"]).await;
    publish(&machine, "order.paid", 3).await;
    for _ in 0..15 {
        for event_type in ["order.poison", "order.paid"] {
            machine.publish(event_type).await;
            machine.work().await;
        }
    }
    for _ in 0..12 {
        publish(&machine, "order.paid", 8).await;
        assert_eq!(state(&machine, &endpoint).await, None);
    }
    let metrics = machine.told("deliver").unwrap();
    assert!(metrics.contains(r#""RetriesPutOff":15"#), "each has failed three times: {metrics}");
}
