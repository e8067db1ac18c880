//! How endpoints are doing is known to each process from what it has read and seen. One that had not heard of an endpoint's
//! recovery told its owner that it had failed for five days, and one that took it for healthy did not note that it was again.

use std::sync::atomic::Ordering;
use std::time::Duration;

use posthorn_domain::{Endpoint, EndpointStatus, FailedOn, Health, HealthState};
use posthorn_storage::Written;
use serde_json::json;

use crate::harness::{changing_receiver, local_tenant};
use crate::time_machine::TimeMachine;

const DAY: Duration = Duration::from_hours(24);

/// What another process puts on record.
async fn note(machine: &TimeMachine, endpoint: &Endpoint, health: Health) {
    let before = machine.endpoint(endpoint).await;
    let written = machine.endpoints.set_health(&local_tenant(), &before, health).await.unwrap();
    assert_eq!(written, Written::Now);
}

async fn has_notices(machine: &TimeMachine) -> bool {
    let (status, page) = machine.list("list-events", &[("type", "webhook_endpoint.*")]).await;
    assert_eq!(status, 200, "{page}");
    page["list"] != json!([])
}

#[tokio::test(flavor = "multi_thread")]
async fn an_endpoint_that_others_saw_recover_is_neither_warned_of_nor_disabled() {
    let (receiver, _) = changing_receiver(500).await;
    for (days, warned) in [(1, false), (5, true)] {
        let machine = TimeMachine::start(&[("RETRY_SCHEDULE", "24h, 24h")]).await;
        let endpoint = machine.register(&receiver.url, &["*"]).await;
        let since = machine.now();
        let failing = Health::new(HealthState::Failing, since);
        let failed_on = FailedOn { days: 3, last: failing.failed_on.last };
        machine.set_health(std::slice::from_ref(&endpoint), HealthState::Failing).await;
        note(&machine, &endpoint, Health { warned, failed_on, ..failing }).await;
        machine.publish("order.paid").await;
        machine.work().await;
        machine.sleep(days * DAY);
        note(&machine, &endpoint, Health::new(HealthState::Healthy, machine.now())).await;
        machine.publish("order.paid").await;
        machine.work().await;
        let read = machine.endpoint(&endpoint).await;
        assert_eq!(
            (read.status, read.health.state),
            (EndpointStatus::Enabled, HealthState::Healthy),
            "{days}"
        );
        assert!(!has_notices(&machine).await, "after {days} days");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_success_ends_what_others_have_put_on_record_meanwhile() {
    let (receiver, answer) = changing_receiver(200).await;
    let machine = TimeMachine::start(&[]).await;
    let endpoint = machine.register(&receiver.url, &["*"]).await;
    machine.publish("order.paid").await;
    machine.work().await;
    assert_eq!(machine.endpoint(&endpoint).await.health.state, HealthState::Healthy);
    answer.store(500, Ordering::SeqCst);
    machine.publish("order.paid").await;
    machine.work().await;
    note(&machine, &endpoint, Health::new(HealthState::Failing, machine.now())).await;
    answer.store(200, Ordering::SeqCst);
    machine.pass(Duration::from_mins(1)).await;
    let read = machine.endpoint(&endpoint).await;
    assert_eq!(read.health.state, HealthState::Failing, "a success after five seconds is too soon to tell");
    // Fan-out has not heard of any of this, and sends it directly.
    machine.sleep(Duration::from_hours(1));
    machine.publish("order.paid").await;
    machine.work().await;
    assert_eq!(machine.endpoint(&endpoint).await.health.state, HealthState::Healthy);
}
