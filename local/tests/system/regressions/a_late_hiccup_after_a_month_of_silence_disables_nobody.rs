//! The owner of an endpoint that gets an event a month was told that it had been disabled for five days of failures. It had
//! failed twice: for a minute, a month before, and for some minutes around midnight now. Only the time since the first
//! failure counted, not on how many days anybody had tried the endpoint.

use std::sync::atomic::Ordering;
use std::time::Duration;

use http::StatusCode;
use posthorn_domain::{EndpointStatus, HealthState};
use posthorn_local::Receiver;
use serde_json::Value;

use crate::harness::changing_receiver;
use crate::time_machine::TimeMachine;

const HOUR: Duration = Duration::from_hours(1);
const DAY: Duration = Duration::from_hours(24);

/// The notices that have been published.
async fn notices(machine: &TimeMachine) -> Vec<String> {
    let (status, page) = machine.list("list-events", &[("type", "webhook_endpoint.*")]).await;
    assert_eq!(status, 200, "{page}");
    let list = page["list"].as_array().unwrap().iter().rev();
    list.map(|event: &Value| event["type"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_late_hiccup_after_a_month_of_silence_disables_nobody() {
    let receiver = Receiver::start(0, |_, _| StatusCode::INTERNAL_SERVER_ERROR).await.unwrap();
    let machine = TimeMachine::start(&[("RETRY_SCHEDULE", "5s, 5m")]).await;
    let endpoint = machine.register(&receiver.url, &["order.*"]).await;
    for _ in 0..5 {
        machine.publish("order.paid").await;
    }
    machine.pass(HOUR).await;
    assert_eq!(machine.endpoint(&endpoint).await.health.state, HealthState::Failing);

    // It is 11:00. A month later, two minutes before midnight, there is an event again; its second retry is tomorrow's.
    machine.pass(30 * DAY + 12 * HOUR + Duration::from_mins(58)).await;
    let hiccup = machine.now();
    machine.publish("order.paid").await;
    machine.pass(HOUR).await;
    let read = machine.endpoint(&endpoint).await;
    assert_eq!(read.status, EndpointStatus::Enabled);
    assert_eq!((read.health.state, read.health.failed_on.days), (HealthState::Failing, 2));
    assert!(read.health.since >= hiccup, "it is failing since now: {}", read.health.since);
    assert_eq!(notices(&machine).await, Vec::<String>::new());

    // If it goes on like this, its owner is warned after a day, and it is disabled after five.
    for _ in 0..5 {
        machine.pass(23 * HOUR).await;
        assert_eq!(machine.endpoint(&endpoint).await.status, EndpointStatus::Enabled);
        machine.publish("order.paid").await;
        machine.pass(HOUR).await;
    }
    assert_eq!(machine.endpoint(&endpoint).await.status, EndpointStatus::Disabled);
    let told = ["webhook_endpoint.failing", "webhook_endpoint.held", "webhook_endpoint.disabled"];
    assert_eq!(notices(&machine).await, told);
}

#[tokio::test(flavor = "multi_thread")]
async fn failures_on_two_days_do_not_disable_however_far_apart_and_a_third_day_does() {
    let receiver = Receiver::start(0, |_, _| StatusCode::INTERNAL_SERVER_ERROR).await.unwrap();
    let machine = TimeMachine::start(&[("RETRY_SCHEDULE", "5s, 5m")]).await;
    let endpoint = machine.register(&receiver.url, &["order.*"]).await;
    machine.publish("order.paid").await;
    machine.pass(5 * DAY + HOUR).await;
    machine.publish("order.paid").await;
    machine.pass(HOUR).await;
    assert_eq!(machine.endpoint(&endpoint).await.status, EndpointStatus::Enabled);
    machine.pass(DAY).await;
    machine.publish("order.paid").await;
    machine.work().await;
    assert_eq!(machine.endpoint(&endpoint).await.status, EndpointStatus::Disabled);
}

/// The retries of one event take three days, so an outage that was over long ago has its days of failures.
#[tokio::test(flavor = "multi_thread")]
async fn a_hiccup_a_month_after_an_outage_disables_nobody_either() {
    let (receiver, answer) = changing_receiver(500).await;
    let machine = TimeMachine::start(&[]).await;
    let endpoint = machine.register(&receiver.url, &["order.*"]).await;
    machine.publish("order.paid").await;
    machine.pass(30 * DAY).await;
    assert!(machine.endpoint(&endpoint).await.health.has_failed_on_telling_days());
    machine.publish("order.paid").await;
    machine.work().await;
    assert_eq!(machine.endpoint(&endpoint).await.status, EndpointStatus::Enabled);
    answer.store(200, Ordering::SeqCst);
    machine.pass(Duration::from_mins(1)).await;
    assert_eq!(machine.endpoint(&endpoint).await.health.state, HealthState::Healthy);
}
