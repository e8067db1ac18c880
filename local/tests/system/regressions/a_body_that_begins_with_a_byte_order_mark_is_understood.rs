//! A client on .NET wrote its requests with an encoder that puts a byte order mark first, and was told that its JSON was not
//! valid at column 1, where it could see nothing wrong. So it went with a producer's messages, which became dead letters.

use serde_json::json;

use crate::harness::{changing_receiver, local_tenant, next, text};
use crate::time_machine::TimeMachine;

const MARK: char = '\u{feff}';

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_begins_with_a_byte_order_mark_is_understood() {
    let (mut receiver, _) = changing_receiver(200).await;
    let machine = TimeMachine::start(&[]).await;
    let call = async |function: &str, path: &[(&str, &str)], body: &str| {
        let (status, answer) = machine.call_with(function, path, &format!("{MARK}{body}")).await;
        assert!((200..300).contains(&status), "{function}: {answer}");
        answer
    };
    let new = json!({ "url": receiver.url, "enabled_events": ["order.*"] }).to_string();
    let endpoint = call("create-endpoint", &[], &new).await;
    let id = [("id", text(&endpoint, "id"))];
    call("update-endpoint", &id, r#"{"description": "Orders"}"#).await;
    let event = call("publish-event", &[], r#"{"type": "order.paid", "data": {}}"#).await;
    machine.work().await;
    assert_eq!(next(&mut receiver).await.event_id(), text(&event, "id"));
    call("test-endpoint", &id, r#"{"type": "order.paid"}"#).await;
    call("test-endpoint", &id, "").await;
    call("rotate-secret", &id, "{}").await;
    call("recover-endpoint", &id, r#"{"since": "2026-01-01T00:00:00Z", "dry_run": true}"#).await;
    let again = json!({ "event_id": event["id"], "webhook_endpoint_id": endpoint["id"] }).to_string();
    call("retry-attempt", &[], &again).await;
    let (status, problem) = machine.call_with("publish-event", &[], &format!("{MARK}{MARK}{{}}")).await;
    assert_eq!(status, 400, "one mark, no more: {problem}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_begins_with_a_byte_order_mark_is_understood() {
    let (mut receiver, _) = changing_receiver(200).await;
    let machine = TimeMachine::start(&[]).await;
    let endpoint = machine.register(&receiver.url, &["order.*"]).await;
    let account = local_tenant().account;
    let event =
        json!({ "account": account, "livemode": true, "event": { "type": "order.paid", "data": {} } });
    machine.send("EventsQueue", format!("{MARK}{event}")).await;
    machine.work().await;
    let arrival = next(&mut receiver).await;
    let again = json!({
        "account": account, "livemode": true, "event_id": arrival.event_id(), "endpoint_id": endpoint.id, "resend": 7,
    });
    machine.send("DeliveriesQueue", format!("{MARK}{again}")).await;
    machine.work().await;
    assert_eq!(next(&mut receiver).await.event_id(), arrival.event_id());
}
