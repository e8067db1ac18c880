//! A function was ended after it had queued a retry, so its message came again and the retry was queued once more, for the
//! same second. Both copies were handled in one batch, neither found the other's attempt on record, and the endpoint got the
//! event twice. That was the rule after each redelivery, not an accident.

use std::time::Duration;

use posthorn_domain::{EventDraft, EventId, EventMessage, Partition};

use crate::harness::{arrived, changing_receiver, local_tenant};
use crate::time_machine::TimeMachine;

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_of_a_message_makes_no_second_request() {
    let (mut receiver, _) = changing_receiver(500).await;
    let machine = TimeMachine::start(&[("RETRY_SCHEDULE", "5m, 10m")]).await;
    machine.register(&receiver.url, &["*"]).await;
    let draft = EventDraft::test(&"order.paid".parse().unwrap());
    let id = EventId::new(machine.now(), Partition::of(&draft.event_type), machine.random.bits());
    let message =
        EventMessage { tenant: local_tenant(), endpoint_id: None, claimed: false, id: Some(id), draft };
    machine.send("EventsQueue", message.to_json()).await;
    machine.work().await;
    // What has waited for long is looked up first, as what is received again.
    machine.sleep(Duration::from_mins(1));
    machine.send("EventsQueue", message.to_json()).await;
    machine.pass(Duration::from_mins(8)).await;
    assert_eq!(arrived(&mut receiver).await.len(), 2, "the first attempt, and the first retry");
}
