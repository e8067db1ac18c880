//! A support engineer looked for a customer's events by `object_id` and found none. The publisher's ids are numbers, and
//! `data.object` was read as a whole: as its `id` was no text, its type was lost, too.

use serde_json::json;

use crate::harness::text;
use crate::time_machine::TimeMachine;

#[tokio::test(flavor = "multi_thread")]
async fn an_event_about_an_object_with_a_number_for_an_id_is_found() {
    let machine = TimeMachine::start(&[]).await;
    let publish = async |object: &str| {
        let body = format!(r#"{{"type": "customer.updated", "data": {{"object": {object}}}}}"#);
        let (status, event) = machine.call_with("publish-event", &[], &body).await;
        assert_eq!(status, 202, "{event}");
        machine.work().await;
        event
    };
    let event = publish(r#"{"object": "customer", "id": 12345678901234567890}"#).await;
    assert_eq!(
        (text(&event, "object_type"), text(&event, "object_id")),
        ("customer", "12345678901234567890")
    );
    for query in [("object_id", "12345678901234567890"), ("object_type", "customer")] {
        let (status, page) = machine.list("list-events", &[("type", "customer.*"), query]).await;
        assert_eq!((status, &page["list"][0]["id"]), (200, &event["id"]), "{page}");
    }
    let event = publish(r#"{"object": "customer", "id": {"shop": 1}}"#).await;
    assert_eq!((text(&event, "object_type"), &event["object_id"]), ("customer", &json!(null)));
    let event = publish(r#"{"object": ["customer"], "id": "cus_1"}"#).await;
    assert_eq!((&event["object_type"], text(&event, "object_id")), (&json!(null), "cus_1"));
}
