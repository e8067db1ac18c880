//! An endpoint was registered with the metadata `{"note": "Ada \ud83d"}`, a text that some program had cut within an emoji.
//! From then on it could not be disabled, whatever it answered: the notice that says so was built by a parser that reads
//! no such text, and panicked. Registration now refuses what not every reader takes; what was stored before is survived.

use aws_sdk_dynamodb::types::AttributeValue;
use http::StatusCode;
use posthorn_domain::{Endpoint, EndpointStatus};
use posthorn_local::Receiver;
use posthorn_local_aws::clients;
use serde_json::{Value, json};

use crate::harness::{changing_receiver, local_tenant, next, text};
use crate::time_machine::TimeMachine;

/// Gives an endpoint metadata that an earlier release has taken.
async fn store_metadata(machine: &TimeMachine, endpoint: &Endpoint, metadata: &str) {
    let update =
        clients::dynamodb(&machine.stores.stores.dynamodb).update_item().table_name("EndpointsTable");
    let update = update.key("pk", AttributeValue::S(local_tenant().to_string()));
    let update = update.key("sk", AttributeValue::S(format!("endpoint#{}", endpoint.id)));
    let update = update.update_expression("SET metadata = :metadata");
    let metadata = AttributeValue::S(metadata.to_owned());
    update.expression_attribute_values(":metadata", metadata).send().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_endpoint_with_half_a_character_in_its_metadata_can_be_disabled() {
    let gone = Receiver::start(0, |_, _| StatusCode::GONE).await.unwrap();
    let (mut ear, _) = changing_receiver(200).await;
    let machine = TimeMachine::start(&[]).await;
    machine.register(&ear.url, &["webhook_endpoint.*"]).await;
    let deep = format!("{}{}", "[".repeat(240), "]".repeat(240));
    let metadata =
        format!(r#"{{"note":"Ada \ud83d","big":1e999,"deep":{deep},"shop":"7","n":123456789012345678}}"#);
    let endpoint = machine.register(&gone.url, &["order.*"]).await;
    store_metadata(&machine, &endpoint, &metadata).await;
    machine.publish("order.paid").await;
    machine.work().await;
    assert_eq!(machine.endpoint(&endpoint).await.status, EndpointStatus::Disabled);
    let notice: Value = serde_json::from_slice(&next(&mut ear).await.body).unwrap();
    let object = &notice["data"]["object"];
    assert_eq!(text(&notice, "type"), "webhook_endpoint.disabled");
    assert_eq!((text(object, "id"), text(object, "status")), (endpoint.id.to_string().as_str(), "disabled"));
    assert_eq!(text(object, "disabled_reason"), "gone");
    assert_eq!(object["metadata"], json!({ "shop": "7", "n": 123_456_789_012_345_678_u64 }));
    assert_eq!(
        machine.endpoint(&endpoint).await.metadata.as_json(),
        metadata,
        "its owner's notes are left alone"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_not_every_reader_takes_is_refused_at_registration_with_a_sentence() {
    let machine = TimeMachine::start(&[]).await;
    let register = async |field: &str, value: &str| {
        let others = match field {
            "enabled_events" => r#""url": "https://example.com/""#,
            _ => r#""url": "https://example.com/", "enabled_events": ["*"]"#,
        };
        let body = format!(r#"{{{others}, "{field}": {value}}}"#);
        let (status, answer) = machine.call_with("create-endpoint", &[], &body).await;
        (status, answer["error"].as_str().unwrap_or_default().to_owned())
    };
    let refused = async |field: &str, value: &str, reason: &str| {
        let (status, error) = register(field, value).await;
        assert_eq!(status, 400, "{field}: {value}");
        assert!(error.contains(&format!("`{field}` {reason}")), "{error}");
    };
    refused("metadata", r#"{"note": "Ada \ud83d"}"#, r"must be Unicode text: \ud83d is half of a").await;
    refused("metadata", r#"{"\ude00": 1}"#, r"must be Unicode text: \ude00").await;
    refused("description", r#""Ada \ud83d""#, r"must be Unicode text: \ud83d").await;
    refused("enabled_events", r#"["a\ud83d"]"#, r"must be Unicode text: \ud83d").await;
    refused("metadata", r#"{"n": -1e400}"#, "must have numbers that fit a double").await;
    let deep = |levels: usize| format!(r#"{{"d": {}{}}}"#, "[".repeat(levels), "]".repeat(levels));
    refused("metadata", &deep(32), "must not be nested deeper than 32 levels").await;
    for fine in [
        &deep(31),
        r#"{"n": 12345678901234567890, "t": "\ud83d\ude00\ufffe"}"#,
        "{\"t\": \"\u{fffe}\u{ffff}\"}",
    ] {
        assert_eq!(register("metadata", fine).await.0, 201, "{fine}");
    }

    // An event's metadata is no other; its data keeps what it holds.
    let event = |metadata: &str| {
        format!(r#"{{"type": "a", "data": {{"n": 1e400, "t": "\ud83d"}}, "metadata": {metadata}}}"#)
    };
    let (status, answer) = machine.call_with("publish-event", &[], &event(r#"{"note": "\ud83d"}"#)).await;
    assert_eq!((status, answer["param"].as_str()), (400, Some("metadata")), "{answer}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_earlier_release_took_can_be_sent_back_as_it_was_read() {
    let machine = TimeMachine::start(&[]).await;
    let endpoint = machine.register("https://example.com/", &["order.*"]).await;
    let (id, deep) = (endpoint.id.to_string(), format!("{}{}", "[".repeat(40), "]".repeat(40)));
    store_metadata(&machine, &endpoint, &format!(r#"{{"deep":{deep}}}"#)).await;
    let (status, mut read) = machine.call("get-endpoint", &[("id", &id)], None).await;
    assert_eq!(status, 200, "{read}");
    read["description"] = json!("Another");
    let (status, answer) = machine.call("update-endpoint", &[("id", &id)], Some(read.clone())).await;
    assert_eq!((status, &answer["metadata"]), (200, &read["metadata"]), "{answer}");
    read["metadata"]["more"] = json!(1);
    let (status, problem) = machine.call("update-endpoint", &[("id", &id)], Some(read)).await;
    assert_eq!((status, text(&problem, "param")), (400, "metadata"), "{problem}");
}
