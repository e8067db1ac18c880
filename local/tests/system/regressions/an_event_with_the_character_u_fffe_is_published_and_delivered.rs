//! A publisher's event was refused because a text in its `data` held U+FFFE, with the advice to write an escape that its
//! JSON library does not write. SQS takes no such character in a message, but the escape means the same: that is for
//! Posthorn to write, not for its publishers.

use posthorn_domain::DeliveryStatus;
use serde_json::{Value, json};

use crate::harness::{changing_receiver, next, text};
use crate::time_machine::TimeMachine;

#[tokio::test(flavor = "multi_thread")]
async fn an_event_with_the_character_u_fffe_is_published_and_delivered() {
    let (mut receiver, _) = changing_receiver(200).await;
    let machine = TimeMachine::start(&[]).await;
    machine.register(&receiver.url, &["*"]).await;
    let odd = "a\u{fffe}b\u{ffff}";
    let event = json!({
        "type": "order.paid",
        "data": { "object": { "object": odd, "id": odd, odd: odd } },
        "metadata": { odd: odd },
        "request": { "requested_by": odd, "idempotency_key": odd },
    });
    let (status, published) = machine.call("publish-event", &[], Some(event.clone())).await;
    assert_eq!(status, 202, "{published}");
    machine.work().await;
    let body: Value = serde_json::from_slice(&next(&mut receiver).await.body).unwrap();
    assert_eq!(body, published);
    assert_eq!((&body["data"], &body["metadata"]), (&event["data"], &event["metadata"]));
    assert_eq!((text(&body, "object_type"), text(&body, "object_id")), (odd, odd));
    let id = text(&published, "id").parse().unwrap();
    assert_eq!(machine.delivery(id).await.status, DeliveryStatus::Succeeded);
}
