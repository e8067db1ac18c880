//! Why an endpoint got an event, or did not.

use std::collections::BTreeMap;
use std::time::Duration;

use aws_sdk_dynamodb::types::AttributeValue;
use posthorn_domain::{Endpoint, EventId};
use posthorn_local_aws::clients;
use serde_json::{Value, json};

use crate::harness::{changing_receiver, local_tenant, text};
use crate::time_machine::TimeMachine;

const SECOND: Duration = Duration::from_secs(1);

/// Asks for the explanation of an event, with this query.
async fn explain(machine: &TimeMachine, event: EventId, query: &str) -> (u16, Value) {
    let parts = json!({ "pathParameters": { "id": event.to_string() }, "rawQueryString": query });
    machine.request("explain-event", &parts).await
}

/// The reason for each endpoint.
fn reasons(page: &Value) -> BTreeMap<&str, &str> {
    let list = page["list"].as_array().unwrap().iter();
    list.map(|entry| (text(entry, "webhook_endpoint_id"), text(entry, "reason"))).collect()
}

async fn change(machine: &TimeMachine, endpoint: &Endpoint, function: &str, body: Option<Value>) {
    let (status, answer) = machine.call(function, &[("id", &endpoint.id.to_string())], body).await;
    assert_eq!(status, 200, "{answer}");
    machine.sleep(2 * SECOND);
}

#[tokio::test(flavor = "multi_thread")]
async fn each_endpoint_is_told_why_it_got_an_event_or_did_not() {
    let (receiver, _) = changing_receiver(200).await;
    let machine = TimeMachine::start(&[]).await;
    let register = async |patterns: &[&str]| machine.register(&receiver.url, patterns).await;
    let delivered = register(&["order.*"]).await;
    let other = register(&["invoice.*"]).await;
    let (disabled, paused, deleted) =
        (register(&["order.*"]).await, register(&["order.*"]).await, register(&["order.*"]).await);
    let refusing = machine.register("http://127.0.0.1:9/", &["order.*"]).await;
    change(&machine, &disabled, "update-endpoint", Some(json!({ "status": "disabled" }))).await;
    change(&machine, &paused, "pause-endpoint", None).await;
    let event = machine.publish("order.paid").await;
    machine.pass(SECOND).await;
    change(&machine, &deleted, "delete-endpoint", None).await;
    // None of these changes what was decided then.
    change(&machine, &disabled, "update-endpoint", Some(json!({ "status": "enabled" }))).await;
    change(&machine, &other, "update-endpoint", Some(json!({ "enabled_events": ["*"] }))).await;
    let late = register(&["*"]).await;

    let (status, page) = explain(&machine, event, "").await;
    assert_eq!(status, 200, "{page}");
    let expected = [
        (&delivered, "delivered"),
        (&other, "not_subscribed"),
        (&disabled, "disabled"),
        (&paused, "paused"),
        (&deleted, "delivered"),
        (&refusing, "pending"),
        (&late, "created_after"),
    ]
    .map(|(endpoint, reason)| (endpoint.id.to_string(), reason));
    let expected: BTreeMap<_, _> = expected.iter().map(|(id, reason)| (id.as_str(), *reason)).collect();
    assert_eq!(reasons(&page), expected, "{page:#}");
    let of = |endpoint: &Endpoint| {
        let id = endpoint.id.to_string();
        page["list"]
            .as_array()
            .unwrap()
            .iter()
            .find(|entry| text(entry, "webhook_endpoint_id") == id)
            .unwrap()
    };
    assert_eq!((&of(&other)["pattern"], &of(&other)["status"]), (&json!("order.paid"), &Value::Null));
    assert_eq!(of(&deleted)["url"], Value::Null);
    assert_eq!(of(&paused)["status"], "held");
    assert!(text(of(&refusing), "detail").starts_with("1 attempt failed. The next attempt is due at "));
}

#[tokio::test(flavor = "multi_thread")]
async fn explanations_come_page_by_page_or_for_one_endpoint() {
    let (receiver, _) = changing_receiver(200).await;
    let machine = TimeMachine::start(&[]).await;
    let mut ids = Vec::new();
    for _ in 0..30 {
        ids.push(machine.register(&receiver.url, &["order.*"]).await.id.to_string());
    }
    let event = machine.publish("invoice.paid").await;
    machine.pass(SECOND).await;
    let (mut found, mut query) = (Vec::new(), "limit=7".to_owned());
    loop {
        let (status, page) = explain(&machine, event, &query).await;
        assert_eq!(status, 200, "{page}");
        let list = page["list"].as_array().unwrap();
        found.extend(list.iter().map(|entry| text(entry, "webhook_endpoint_id").to_owned()));
        let Some(cursor) = page["next_cursor"].as_str() else { break };
        query = format!("limit=7&starting_after={cursor}");
    }
    ids.sort_unstable();
    ids.reverse();
    assert_eq!(found, ids);
    let (_, one) = explain(&machine, event, &format!("webhook_endpoint_id={}", ids[3])).await;
    assert_eq!(reasons(&one), BTreeMap::from([(ids[3].as_str(), "not_subscribed")]));
    let (status, problem) =
        explain(&machine, event, "webhook_endpoint_id=wh_01JDB5G8Z7M4X3W2V1T0S9R8Q7").await;
    assert_eq!((status, text(&problem, "code")), (404, "endpoint_not_found"));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_endpoint_that_posthorn_disabled_is_told_so_later() {
    let (receiver, answer) = changing_receiver(410).await;
    let machine = TimeMachine::start(&[]).await;
    let endpoint = machine.register(&receiver.url, &["order.*"]).await;
    machine.publish("order.paid").await;
    machine.pass(SECOND).await;
    machine.sleep(2 * SECOND);
    let missed = machine.publish("order.paid").await;
    machine.pass(SECOND).await;
    answer.store(200, std::sync::atomic::Ordering::Relaxed);
    change(&machine, &endpoint, "update-endpoint", Some(json!({ "status": "enabled" }))).await;
    let (_, page) = explain(&machine, missed, "").await;
    assert_eq!(text(&page["list"][0], "reason"), "disabled", "{page:#}");
    assert!(text(&page["list"][0], "detail").starts_with("The endpoint was disabled at "));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_endpoint_whose_row_cannot_be_read_hides_no_others() {
    let (receiver, _) = changing_receiver(200).await;
    let machine = TimeMachine::start(&[]).await;
    let mut endpoints = Vec::new();
    for _ in 0..3 {
        endpoints.push(machine.register(&receiver.url, &["invoice.*"]).await);
        machine.sleep(SECOND);
    }
    let event = machine.publish("order.paid").await;
    machine.pass(SECOND).await;
    let update =
        clients::dynamodb(&machine.stores.stores.dynamodb).update_item().table_name("EndpointsTable");
    let key = |text: String| AttributeValue::S(text);
    let update = update
        .key("pk", key(local_tenant().to_string()))
        .key("sk", key(format!("endpoint#{}", endpoints[1].id)))
        .update_expression("SET health = :odd")
        .expression_attribute_values(":odd", AttributeValue::S("odd".to_owned()));
    update.send().await.unwrap();
    let (_, first) = explain(&machine, event, "limit=2").await;
    let cursor = text(&first, "next_cursor");
    let (_, second) = explain(&machine, event, &format!("limit=2&starting_after={cursor}")).await;
    let ids = [&first, &second]
        .map(|page| reasons(page).into_keys().map(str::to_owned).collect::<Vec<_>>())
        .concat();
    assert_eq!(ids, [endpoints[2].id.to_string(), endpoints[0].id.to_string()]);
}
