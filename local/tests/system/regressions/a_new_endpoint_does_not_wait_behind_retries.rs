//! Endpoints had been registered a moment before a burst of events. Until each had answered once, their events stood in one
//! queue with retries at endpoints that took ten seconds, and a fifth of them had not arrived after a hundred.

use crate::harness::{arrived, changing_receiver};
use crate::time_machine::TimeMachine;

#[tokio::test(flavor = "multi_thread")]
async fn a_new_endpoint_does_not_wait_behind_retries() {
    let (mut receiver, _) = changing_receiver(200).await;
    let machine = TimeMachine::start(&[]).await;
    machine.register(&receiver.url, &["*"]).await;
    let event = machine.publish("order.paid").await;
    machine.work().await;
    assert_eq!(arrived(&mut receiver).await.len(), 1);
    assert_eq!(machine.delivery(event).await.attempts.len(), 1);
    assert_eq!(machine.told("deliver"), None, "fan-out has sent it itself");
}
