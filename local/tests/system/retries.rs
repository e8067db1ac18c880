//! Retries over days, which pass in moments.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures::future::join_all;
use http::StatusCode;
use posthorn_domain::{
    DeliveryMessage, DeliveryStatus, DeliveryWork, DisabledReason, EndpointEdit, EndpointId, EndpointStatus,
    EventId, Fields, HealthState, Partition, WorkMessage,
};
use posthorn_local::Receiver;
use posthorn_storage::StorageError;

use crate::harness::changing_receiver;
use crate::metrics::values;
use crate::time_machine::TimeMachine;

const HOUR: Duration = Duration::from_hours(1);
const DAY: Duration = Duration::from_hours(24);
/// The waits of the schedule, in seconds.
const SCHEDULE: [u64; 9] = [5, 300, 1_800, 7_200, 18_000, 36_000, 50_400, 72_000, 86_400];

#[tokio::test(flavor = "multi_thread")]
async fn an_endpoint_that_stays_down_is_tried_at_the_schedules_times_for_three_days_and_then_given_up() {
    let (receiver, _) = changing_receiver(500).await;
    let machine = TimeMachine::start(&[]).await;
    machine.register(&receiver.url, &["*"]).await;
    let event = machine.publish("order.paid").await;
    machine.work().await;
    for wait in SCHEDULE {
        let pending = machine.delivery(event).await;
        assert_eq!(pending.status, DeliveryStatus::Pending);
        let last = pending.attempts.last().unwrap();
        let due = pending.next_attempt_at.unwrap().since(last.at.plus(last.duration));
        let wait = Duration::from_secs(wait);
        assert!(due >= wait.mul_f64(0.8) && due <= wait.mul_f64(1.2), "{due:?} instead of {wait:?}");
        machine.pass(wait.mul_f64(1.2) + Duration::from_secs(2)).await;
        let next = machine.delivery(event).await;
        assert_eq!(next.attempts.len(), pending.attempts.len() + 1, "one attempt after {wait:?}");
        // SQS counts whole seconds, and an attempt may come a second early.
        let late =
            next.attempts.last().unwrap().at.as_millis() - pending.next_attempt_at.unwrap().as_millis();
        assert!((-1_000..=1_000).contains(&late), "{late} ms late");
    }
    let failed = machine.delivery(event).await;
    assert_eq!((failed.status, failed.attempts.len()), (DeliveryStatus::Failed, 10));
    assert_eq!(failed.next_attempt_at, None);
    machine.pass(3 * DAY).await;
    assert_eq!(machine.delivery(event).await, failed);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_endpoint_that_comes_back_gets_every_event_that_was_waiting() {
    let (mut receiver, answer) = changing_receiver(503).await;
    let machine = TimeMachine::start(&[]).await;
    let endpoint = machine.register(&receiver.url, &["*"]).await;
    let mut events = Vec::new();
    for _ in 0..30 {
        events.push(machine.publish("order.paid").await);
        machine.pass(Duration::from_mins(20)).await;
    }
    assert_eq!(machine.endpoint(&endpoint).await.health.state, HealthState::Failing);
    answer.store(200, Ordering::SeqCst);
    machine.pass(DAY).await;
    let mut acknowledged: HashMap<String, u32> = HashMap::new();
    while !receiver.is_idle() {
        let arrival = receiver.next().await;
        if arrival.answered == StatusCode::OK {
            *acknowledged.entry(arrival.event_id().to_owned()).or_default() += 1;
        }
    }
    for event in events {
        assert_eq!(machine.delivery(event).await.status, DeliveryStatus::Succeeded);
        assert_eq!(acknowledged.remove(&event.to_string()), Some(1), "{event} is acknowledged once");
    }
    assert_eq!(machine.endpoint(&endpoint).await.health.state, HealthState::Healthy);
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_thousand_retries_that_an_outage_of_the_sweeper_held_up_are_all_sent_once_and_not_in_a_rush() {
    let machine = TimeMachine::start(&[]).await;
    let began = machine.now();
    let partition = Partition::of(&"order.paid".parse().unwrap());
    let retries: Vec<_> = (0..10_000_u64)
        .map(|n| {
            let work = DeliveryWork::Attempt {
                endpoint_id: EndpointId::new(began, machine.random.as_ref()),
                attempt: 4,
            };
            let event_id = EventId::new(began, partition, machine.random.bits());
            let message = DeliveryMessage { tenant: TimeMachine::tenant(), event_id, chunk: None, work };
            // Over two hours, from twenty minutes ahead on.
            (message, began.plus(Duration::from_mins(20)).plus(Duration::from_millis(n * 720)))
        })
        .collect();
    machine.sweep().await;
    for some in retries.chunks(500) {
        machine.due.put(some).await.unwrap();
    }
    machine.sleep(Duration::from_mins(20) + 2 * HOUR);
    machine.sweep().await;

    let mut sent: HashMap<DeliveryMessage, u32> = HashMap::new();
    let mut per_second: BTreeMap<i64, u32> = BTreeMap::new();
    for _ in 0..=15 * 60 {
        for message in machine.take("DeliveriesQueue").await {
            let WorkMessage::Delivery(message) = WorkMessage::parse(&message).unwrap() else {
                panic!("{message} is not about a delivery")
            };
            *sent.entry(message).or_default() += 1;
            *per_second.entry(machine.now().as_seconds()).or_default() += 1;
        }
        machine.sleep(Duration::from_secs(1));
    }
    assert_eq!(sent.len(), 10_000, "all are sent");
    assert!(sent.values().all(|times| *times == 1), "none is sent twice");
    let busiest = *per_second.values().max().unwrap();
    // What was due in two hours comes in a quarter of an hour: eleven a second on average.
    assert!(busiest <= 60, "{busiest} retries in one second");
    assert_eq!(machine.first_due().await, None, "nothing is left behind");
}

#[tokio::test(flavor = "multi_thread")]
async fn five_days_of_nothing_but_failures_disable_an_endpoint_and_its_owner_hears_of_it_before_and_then() {
    let (broken, answer) = changing_receiver(500).await;
    let (mut ear, _) = changing_receiver(200).await;
    let machine = TimeMachine::start(&[]).await;
    let endpoint = machine.register(&broken.url, &["order.*"]).await;
    machine.register(&ear.url, &["webhook_endpoint.*"]).await;
    let mut heard = Vec::new();
    for hour in 0..=122 {
        machine.publish("order.paid").await;
        machine.pass(HOUR).await;
        while !ear.is_idle() {
            let body: serde_json::Value = serde_json::from_slice(&ear.next().await.body).unwrap();
            assert_eq!(body["data"]["object"]["id"], endpoint.id.to_string());
            heard.push((body["type"].as_str().unwrap().to_owned(), hour));
        }
    }
    let disabled = machine.endpoint(&endpoint).await;
    assert_eq!(disabled.status, EndpointStatus::Disabled);
    assert_eq!(disabled.disabled_reason, Some(DisabledReason::Failing));
    let heard: Vec<_> = heard.iter().map(|(kind, hour)| (kind.as_str(), *hour)).collect();
    let [
        ("webhook_endpoint.held", _),
        ("webhook_endpoint.failing", 24..=25),
        ("webhook_endpoint.disabled", 120..=121),
    ] = heard[..]
    else {
        panic!("{heard:?}");
    };

    // What comes due while it is disabled is canceled; enabled again, it starts with a clean slate.
    answer.store(200, Ordering::SeqCst);
    machine.pass(DAY).await;
    let enable = EndpointEdit::read(&mut Fields::parse(r#"{"status": "enabled"}"#).unwrap()).unwrap();
    let tenant = TimeMachine::tenant();
    let enabled = |endpoint| Ok::<_, StorageError>(enable.apply(endpoint, None, machine.now()));
    let enabled = machine.endpoints.update(&tenant, endpoint.id, enabled).await.unwrap().unwrap();
    assert_eq!((enabled.health.state, enabled.disabled_reason), (HealthState::Unproven, None));
    machine.pass(Duration::from_secs(2)).await;
    let event = machine.publish("order.paid").await;
    machine.work().await;
    assert_eq!(machine.delivery(event).await.status, DeliveryStatus::Succeeded);
    assert_eq!(machine.endpoint(&endpoint).await.health.state, HealthState::Healthy);
}

#[tokio::test(flavor = "multi_thread")]
async fn endpoints_that_hear_of_their_own_end_cause_no_further_notices() {
    let gone = |path: &str, _: &str| {
        if path == "/gone" { StatusCode::GONE } else { StatusCode::INTERNAL_SERVER_ERROR }
    };
    let receiver = Receiver::start(0, gone).await.unwrap();
    let machine = TimeMachine::start(&[]).await;
    // Each wants everything, also what is said of itself and of the others.
    for path in ["gone", "gone", "gone", "broken", "broken"] {
        machine.register(&format!("{}/{path}", receiver.url), &["*"]).await;
    }
    for _ in 0..=12 {
        machine.publish("order.paid").await;
        machine.pass(12 * HOUR).await;
    }
    let count = async |event_type| {
        let (_, page) = machine.list("list-events", &[("type", event_type), ("pageSize", "100")]).await;
        page["list"].as_array().unwrap().len()
    };
    assert_eq!(count("webhook_endpoint.failing").await, 2);
    assert_eq!(count("webhook_endpoint.disabled").await, 5);
    machine.stores.until_idle().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_comes_early_goes_back_once() {
    let (receiver, _) = changing_receiver(500).await;
    let machine = TimeMachine::start(&[("RETRY_SCHEDULE", "10m")]).await;
    let endpoint = machine.register(&receiver.url, &["*"]).await;
    let event = machine.publish("order.paid").await;
    machine.work().await;
    let work = DeliveryWork::Attempt { endpoint_id: endpoint.id, attempt: 2 };
    let early = DeliveryMessage { tenant: TimeMachine::tenant(), event_id: event, chunk: None, work };
    machine.send("DeliveriesQueue", early.to_json()).await;
    machine.work().await;
    assert_eq!(machine.stores.depth("DeliveriesQueue").await, 2, "both wait for when it is due");
    machine.pass(Duration::from_mins(7)).await;
    assert_eq!(machine.delivery(event).await.attempts.len(), 1);
    machine.pass(Duration::from_mins(6)).await;
    assert_eq!(machine.delivery(event).await.attempts.len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_success_in_between_keeps_an_endpoint_enabled() {
    let (receiver, answer) = changing_receiver(500).await;
    let machine = TimeMachine::start(&[("RETRY_SCHEDULE", "5s, 5m, 30m")]).await;
    let endpoint = machine.register(&receiver.url, &["*"]).await;
    for day in 0..12 {
        machine.publish("order.paid").await;
        machine.pass(HOUR).await;
        // On every fourth day it answers once.
        if day % 4 == 3 {
            answer.store(200, Ordering::SeqCst);
            machine.publish("order.paid").await;
            machine.work().await;
            answer.store(500, Ordering::SeqCst);
        }
        machine.pass(23 * HOUR).await;
    }
    assert_eq!(machine.endpoint(&endpoint).await.status, EndpointStatus::Enabled);
}

#[tokio::test(flavor = "multi_thread")]
async fn gone_disables_at_once_and_what_was_waiting_is_canceled_or_goes_on_after_enabling() {
    let (receiver, answer) = changing_receiver(500).await;
    let machine = TimeMachine::start(&[]).await;
    let endpoint = machine.register(&receiver.url, &["*"]).await;
    let early = machine.publish("order.paid").await;
    machine.work().await;
    answer.store(410, Ordering::SeqCst);
    let gone = machine.publish("order.paid").await;
    machine.work().await;
    let disabled = machine.endpoint(&endpoint).await;
    assert_eq!(disabled.status, EndpointStatus::Disabled);
    assert_eq!(disabled.disabled_reason, Some(DisabledReason::Gone));
    machine.pass(Duration::from_secs(10)).await;
    assert_eq!(machine.delivery(early).await.status, DeliveryStatus::Canceled);
    assert_eq!(machine.delivery(gone).await.status, DeliveryStatus::Canceled);
    let nobody = machine.publish("order.paid").await;
    machine.work().await;
    assert_eq!(machine.record(nobody).await.deliveries, []);
}

#[tokio::test(flavor = "multi_thread")]
async fn retry_after_postpones_an_attempt_and_spares_the_endpoint_others() {
    let machine = TimeMachine::start(&[]).await;
    let url = limiting_server("120", usize::MAX).await;
    machine.register(&url, &["*"]).await;
    let first = machine.publish("order.paid").await;
    machine.work().await;
    let delivery = machine.delivery(first).await;
    let last = delivery.attempts.last().unwrap();
    let wait = delivery.next_attempt_at.unwrap().since(last.at.plus(last.duration));
    assert_eq!((last.code, wait), (Some(429), Duration::from_mins(2)));
    let second = machine.publish("order.paid").await;
    machine.pass(Duration::from_secs(100)).await;
    assert_eq!(machine.delivery(second).await.attempts, [], "it waits as long as the endpoint asked");
    machine.pass(Duration::from_secs(200)).await;
    assert_eq!(machine.delivery(second).await.attempts.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_endpoint_that_keeps_asking_to_wait_is_tried_all_the_same_after_three_hours() {
    const EVENTS: usize = 100;
    let machine = TimeMachine::start(&[]).await;
    // It takes one event in ten, so it is not held.
    machine.register(&limiting_server("900", 10).await, &["*"]).await;
    let mut events = Vec::new();
    for _ in 0..EVENTS {
        events.push(machine.publish("order.paid").await);
    }
    let untried = async || {
        let deliveries = join_all(events.iter().map(|event| machine.delivery(*event))).await;
        deliveries.iter().filter(|delivery| delivery.attempts.is_empty()).count()
    };
    machine.pass(2 * HOUR).await;
    assert!(untried().await > EVENTS / 2, "it is spared meanwhile");
    let told = values(&machine.told("deliver").unwrap());
    assert_eq!(told.get("ChainsStopped"), None, "{told:?}");

    machine.pass(2 * HOUR).await;
    assert_eq!(untried().await, 0, "what it answered is on record, and the retry schedule goes on");
    let told = values(&machine.told("deliver").unwrap());
    assert!(told["ChainsStopped"].as_u64().unwrap() > EVENTS as u64 / 3, "{told:?}");
}

/// A server that is asked too often, and asks to be left alone for so many seconds, each time but for one in `takes`.
pub(crate) async fn limiting_server(seconds: &'static str, takes: usize) -> String {
    let asked = Arc::new(AtomicUsize::new(0));
    let answer = move || {
        let is_taken = asked.fetch_add(1, Ordering::SeqCst) % takes == takes - 1;
        let status = if is_taken { StatusCode::OK } else { StatusCode::TOO_MANY_REQUESTS };
        async move { (status, [("retry-after", seconds)]) }
    };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, axum::Router::new().fallback(answer)).await });
    url
}
