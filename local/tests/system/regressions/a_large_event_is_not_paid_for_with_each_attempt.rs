//! DynamoDB charges a change for the whole row, and an event's deliveries were in the row that has its body. So each attempt
//! at each failing endpoint was charged for 200 KB, and fifty of them at once were throttled for ten seconds.

use std::time::Duration;

use posthorn_domain::DeliveryStatus;
use serde_json::json;

use crate::harness::{changing_receiver, local_tenant};
use crate::time_machine::TimeMachine;

async fn publish(machine: &TimeMachine, bytes: usize) -> posthorn_domain::EventId {
    let event = json!({ "type": "order.paid", "data": { "text": "x".repeat(bytes) } });
    let (status, answer) = machine.call("publish-event", &[], Some(event)).await;
    assert_eq!(status, 202, "{answer}");
    machine.work().await;
    answer["id"].as_str().unwrap().parse().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_large_event_is_not_paid_for_with_each_attempt() {
    let (receiver, answer) = changing_receiver(500).await;
    let machine = TimeMachine::start(&[("RETRY_SCHEDULE", "5m, 10m")]).await;
    for number in 0..3 {
        machine.register(&format!("{}/{number}", receiver.url), &["*"]).await;
    }
    let (small, large) = (publish(&machine, 1_000).await, publish(&machine, 100_000).await);
    for (event, rows, deliveries) in [(small, 0, 3), (large, 1, 0)] {
        let record = machine.record(event).await;
        assert_eq!((record.chunks.len(), record.deliveries.len()), (rows, deliveries));
    }
    let failed = machine.attempts(&[("event_id", &large.to_string()), ("status", "failed")]).await;
    assert_eq!(failed.len(), 3, "they are found all the same");
    answer.store(200, std::sync::atomic::Ordering::SeqCst);
    machine.pass(Duration::from_mins(8)).await;
    let record = machine.log.get_whole(&local_tenant(), large).await.unwrap().unwrap();
    let status = record.deliveries.iter().map(|delivery| (delivery.status, delivery.attempts.len()));
    assert_eq!(status.collect::<Vec<_>>(), [(DeliveryStatus::Succeeded, 2); 3]);
}
