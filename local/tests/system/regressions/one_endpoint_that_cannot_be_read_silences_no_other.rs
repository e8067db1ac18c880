//! A later release had put a word on an endpoint's row that the one before, to which its operators had gone back, did not
//! know. From then on none of the account's endpoints got any event, as they are read together.

use aws_sdk_dynamodb::types::AttributeValue;
use http::StatusCode;
use posthorn_local::Receiver;
use posthorn_local_aws::clients;
use serde_json::json;

use crate::harness::{arrived, local_tenant};
use crate::time_machine::TimeMachine;

#[tokio::test(flavor = "multi_thread")]
async fn one_endpoint_that_cannot_be_read_silences_no_other() {
    let mut receiver = Receiver::start(0, |_, _| StatusCode::OK).await.unwrap();
    let machine = TimeMachine::start(&[]).await;
    let mut endpoints = Vec::new();
    for _ in 0..3 {
        endpoints.push(machine.register(&receiver.url, &["*"]).await);
    }
    let dynamodb = clients::dynamodb(&machine.stores.stores.dynamodb);
    let table = machine.stores.environment("fan-out")["ENDPOINTS_TABLE"].clone();
    for (number, attribute) in [(0, "health"), (1, "url")] {
        let write = dynamodb
            .update_item()
            .table_name(&table)
            .key("pk", AttributeValue::S(local_tenant().to_string()))
            .key("sk", AttributeValue::S(format!("endpoint#{}", endpoints[number].id)))
            .update_expression(format!("SET #{attribute} = :unheard_of"))
            .expression_attribute_names(format!("#{attribute}"), attribute)
            .expression_attribute_values(":unheard_of", AttributeValue::S("unheard of".to_owned()));
        write.send().await.unwrap();
    }
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
