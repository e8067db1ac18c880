//! How often fan-out and `deliver` read the version of an account's endpoints: what it costs that a change counts for the
//! next event.

use std::time::Duration;

use http::StatusCode;
use posthorn_domain::HealthState;
use posthorn_local::Receiver;
use serde_json::json;

use crate::calls::{Calls, VERSION};

const SECOND: Duration = Duration::from_secs(1);

/// How many reads of a version there were since this was asked last.
fn reads(calls: &Calls) -> usize {
    calls.take().get(VERSION).copied().unwrap_or_default()
}

#[tokio::test(flavor = "multi_thread")]
async fn fan_out_reads_once_for_a_batch_whether_it_has_one_message_or_ten() {
    let receiver = Receiver::start(0, |_, _| StatusCode::OK).await.unwrap();
    let (calls, machine) = Calls::start("fan-out").await;
    machine.register(&receiver.url, &["*"]).await;
    for events in [1, 10] {
        for _ in 0..events {
            machine.publish("order.paid").await;
        }
        machine.work().await;
        assert_eq!(reads(&calls), 1, "{events} events");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn fan_out_reads_once_for_each_account_in_a_batch() {
    let (calls, machine) = Calls::start("fan-out").await;
    for number in 0..10 {
        let event = json!({ "type": "order.paid", "data": {} });
        let account = format!("acct_{}", number % 3);
        let message = json!({ "account": account, "livemode": true, "event": event });
        machine.send("EventsQueue", message.to_string()).await;
    }
    machine.work().await;
    assert_eq!(reads(&calls), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backlog_is_worked_off_with_a_read_each_second() {
    let receiver = Receiver::start(0, |_, _| StatusCode::OK).await.unwrap();
    let (calls, machine) = Calls::start("fan-out").await;
    machine.register(&receiver.url, &["*"]).await;
    for _ in 0..45 {
        machine.publish("order.paid").await;
    }
    machine.sleep(2 * SECOND);
    machine.work().await;
    assert_eq!(reads(&calls), 1, "five batches");
    machine.publish("order.paid").await;
    machine.work().await;
    assert_eq!(reads(&calls), 1, "one that has not waited");
    machine.publish("order.paid").await;
    machine.sleep(2 * SECOND);
    machine.work().await;
    assert_eq!(reads(&calls), 1, "one that has waited, when the last read is two seconds old");
}

#[tokio::test(flavor = "multi_thread")]
async fn deliver_reads_once_for_a_batch() {
    let receiver = Receiver::start(0, |_, _| StatusCode::OK).await.unwrap();
    let (calls, machine) = Calls::start("deliver").await;
    for number in 0..10 {
        let endpoint = machine.register(&format!("{}/{number}", receiver.url), &["*"]).await;
        machine.set_health(&[endpoint], HealthState::Slow).await;
    }
    machine.publish("order.paid").await;
    machine.work().await;
    assert_eq!(reads(&calls), 1);
}
