//! A later release had put a word on an endpoint's row that the one before, to which its operators had gone back, did not
//! know. From then on none of the account's endpoints got any event, as they are read together.

use std::sync::atomic::Ordering;
use std::time::Duration;

use aws_sdk_dynamodb::types::AttributeValue;
use http::StatusCode;
use posthorn_domain::{DeliveryStatus, Endpoint};
use posthorn_local::Receiver;
use posthorn_local_aws::clients;
use serde_json::json;

use crate::harness::{arrived, changing_receiver, local_tenant};
use crate::time_machine::TimeMachine;

/// Puts a word on an endpoint's row that nobody knows.
async fn damage(machine: &TimeMachine, endpoint: &Endpoint, attribute: &str) {
    write(machine, endpoint, attribute, "unheard of").await;
}

async fn write(machine: &TimeMachine, endpoint: &Endpoint, attribute: &str, word: &str) {
    let dynamodb = clients::dynamodb(&machine.stores.stores.dynamodb);
    let write = dynamodb
        .update_item()
        .table_name(machine.stores.environment("fan-out")["ENDPOINTS_TABLE"].clone())
        .key("pk", AttributeValue::S(local_tenant().to_string()))
        .key("sk", AttributeValue::S(format!("endpoint#{}", endpoint.id)))
        .update_expression(format!("SET #{attribute} = :word"))
        .expression_attribute_names(format!("#{attribute}"), attribute)
        .expression_attribute_values(":word", AttributeValue::S(word.to_owned()));
    write.send().await.unwrap();
}

/// Where it could not be read, its pending deliveries were canceled, as those of an endpoint that is gone.
#[tokio::test(flavor = "multi_thread")]
async fn a_delivery_to_an_endpoint_that_cannot_be_read_is_not_canceled() {
    let (mut receiver, answer) = changing_receiver(500).await;
    let machine = TimeMachine::start(&[]).await;
    let endpoint = machine.register(&receiver.url, &["*"]).await;
    let event = machine.publish("order.paid").await;
    machine.work().await;
    damage(&machine, &endpoint, "health").await;
    // A change of another endpoint, so that all of them are read again.
    machine.register("https://a.example", &["other"]).await;
    machine.work().await;
    machine.sleep(Duration::from_secs(7));
    machine.work().await;
    assert_eq!(machine.delivery(event).await.status, DeliveryStatus::Pending);
    write(&machine, &endpoint, "health", "healthy").await;
    answer.store(200, Ordering::SeqCst);
    arrived(&mut receiver).await;
    machine.pass(Duration::from_mins(10)).await;
    assert_eq!(machine.delivery(event).await.status, DeliveryStatus::Succeeded);
    assert_eq!(arrived(&mut receiver).await.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_endpoint_that_cannot_be_read_silences_no_other() {
    let mut receiver = Receiver::start(0, |_, _| StatusCode::OK).await.unwrap();
    let machine = TimeMachine::start(&[]).await;
    let mut endpoints = Vec::new();
    for _ in 0..3 {
        endpoints.push(machine.register(&receiver.url, &["*"]).await);
    }
    damage(&machine, &endpoints[0], "health").await;
    damage(&machine, &endpoints[1], "url").await;
    machine.publish("order.paid").await;
    machine.work().await;
    assert_eq!(arrived(&mut receiver).await.len(), 1);
    let (status, page) = machine.list("list-endpoints", &[]).await;
    assert_eq!((status, page["list"].as_array().unwrap().len()), (200, 1), "{page}");
    assert_eq!(page["list"][0]["id"], json!(endpoints[2].id.to_string()));

    // It is one change among others once somebody has looked after it.
    let mend = json!({ "description": "changed" });
    let (status, _) =
        machine.call("update-endpoint", &[("id", &endpoints[2].id.to_string())], Some(mend)).await;
    assert_eq!(status, 200);
    machine.publish("order.paid").await;
    machine.work().await;
    assert_eq!(arrived(&mut receiver).await.len(), 1);
}
