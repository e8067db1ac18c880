//! After an outage an owner had mended their disabled endpoint and wanted to try it before it got events again. They were
//! told to enable it first, and with that it got all that came: the test event was refused.

use std::sync::atomic::Ordering;
use std::time::Duration;

use posthorn_domain::{DeliveryStatus, EndpointStatus, EventId};
use serde_json::json;

use crate::harness::{changing_receiver, next, text};
use crate::time_machine::TimeMachine;

#[tokio::test(flavor = "multi_thread")]
async fn a_disabled_endpoint_can_be_tried_before_it_is_enabled() {
    let (mut receiver, answer) = changing_receiver(410).await;
    let machine = TimeMachine::start(&[("RETRY_SCHEDULE", "5s, 5s")]).await;
    let endpoint = machine.register(&receiver.url, &["order.*"]).await;
    machine.publish("order.paid").await;
    machine.work().await;
    assert_eq!(machine.endpoint(&endpoint).await.status, EndpointStatus::Disabled);
    let id = endpoint.id.to_string();
    let test = async || {
        let (status, event) = machine.call("test-endpoint", &[("id", &id)], None).await;
        assert_eq!(status, 202, "{event}");
        machine.work().await;
        text(&event, "id").parse::<EventId>().unwrap()
    };
    next(&mut receiver).await;
    let notices = async || {
        let (_, page) = machine.list("list-events", &[("type", "webhook_endpoint.*")]).await;
        page["list"].as_array().unwrap().len()
    };
    assert_eq!(notices().await, 1);

    // Not mended yet: it gets one attempt, and nothing is said of it that is not known.
    let failed = test().await;
    assert_eq!(next(&mut receiver).await.event_id(), failed.to_string());
    machine.pass(Duration::from_mins(1)).await;
    assert!(receiver.is_idle(), "one attempt, no more");
    let delivery = machine.delivery(failed).await;
    assert_eq!((delivery.status, delivery.attempts.len()), (DeliveryStatus::Canceled, 1));
    assert_eq!(notices().await, 1, "nobody is told again that it is disabled");

    answer.store(200, Ordering::SeqCst);
    let passed = test().await;
    assert_eq!(next(&mut receiver).await.event_id(), passed.to_string());
    assert_eq!(machine.delivery(passed).await.status, DeliveryStatus::Succeeded);
    let nobody = machine.publish("order.paid").await;
    machine.work().await;
    assert!(receiver.is_idle() && machine.record(nobody).await.deliveries.is_empty());
    let enable = json!({ "status": "enabled" });
    let (_, enabled) = machine.call("update-endpoint", &[("id", &id)], Some(enable)).await;
    assert_eq!(enabled["health"]["status"], "unproven");
}
