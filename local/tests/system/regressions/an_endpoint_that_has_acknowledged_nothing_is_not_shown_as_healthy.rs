//! An owner mistyped their endpoint's URL and saw `"health": {"status": "healthy"}` until the fifth failure: an endpoint of
//! which nothing was known counted as healthy where it was shown.

use serde_json::json;

use crate::harness::{changing_receiver, text};
use crate::time_machine::TimeMachine;

#[tokio::test(flavor = "multi_thread")]
async fn an_endpoint_that_has_acknowledged_nothing_is_not_shown_as_healthy() {
    let (receiver, _) = changing_receiver(200).await;
    let machine = TimeMachine::start(&[]).await;
    let new = json!({ "url": receiver.url, "enabled_events": ["*"] });
    let (_, endpoint) = machine.call("create-endpoint", &[], Some(new)).await;
    let id = [("id", text(&endpoint, "id"))];
    let shown = async || {
        let (_, read) = machine.call("get-endpoint", &id, None).await;
        let (_, page) = machine.list("list-endpoints", &[]).await;
        assert_eq!(page["list"][0]["health"], read["health"]);
        text(&read["health"], "status").to_owned()
    };
    assert_eq!(endpoint["health"]["status"], "unproven");
    assert_eq!(shown().await, "unproven");
    machine.publish("order.paid").await;
    machine.work().await;
    assert_eq!(shown().await, "healthy");
    let elsewhere = json!({ "url": format!("{}/elsewhere", receiver.url) });
    machine.call("update-endpoint", &id, Some(elsewhere)).await;
    assert_eq!(shown().await, "unproven");
}
