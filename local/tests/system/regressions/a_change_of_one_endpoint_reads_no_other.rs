//! One endpoint of a thousand failed every other request. With every change of its health, each process read all thousand
//! again, and while DynamoDB throttled that, the account's events waited.

use std::collections::BTreeMap;
use std::time::Duration;

use aws_sdk_dynamodb::types::AttributeValue;
use http::StatusCode;
use posthorn_domain::{Endpoint, HealthState};
use posthorn_local::Receiver;
use posthorn_local_aws::clients;
use serde_json::json;

use crate::calls::{Calls, VERSION};
use crate::harness::{arrived, local_tenant};
use crate::time_machine::TimeMachine;

/// An account with endpoints that each want events of a type of their own: `one.0`, `one.1`, ….
struct Account {
    calls: Calls,
    machine: TimeMachine,
    receiver: Receiver,
    endpoints: Vec<Endpoint>,
}

impl Account {
    async fn with(number: usize) -> Self {
        let receiver = Receiver::start(0, |_, _| StatusCode::OK).await.unwrap();
        let (calls, machine) = Calls::start("fan-out").await;
        let mut endpoints = Vec::new();
        for number in 0..number {
            endpoints.push(machine.register(&receiver.url, &[&format!("one.{number}")]).await);
        }
        machine.prove(&endpoints).await;
        let account = Self { calls, machine, receiver, endpoints };
        assert!(account.reads("one.1").await.contains_key("Query"), "the first event reads them all");
        account
    }

    /// What an event of this type makes fan-out read of endpoints.
    async fn reads(&self, event_type: &str) -> BTreeMap<String, usize> {
        self.machine.publish(event_type).await;
        self.machine.work().await;
        let mut calls = self.calls.take();
        let reads = ["BatchGetItem", "GetItem", "Query", "TransactGetItems", VERSION];
        calls.retain(|operation, _| reads.contains(&operation.as_str()));
        calls
    }

    async fn edit(&self, number: usize, edit: serde_json::Value) {
        let id = self.endpoints[number].id.to_string();
        let (status, answer) = self.machine.call("update-endpoint", &[("id", &id)], Some(edit)).await;
        assert_eq!(status, 200, "{answer}");
    }
}

fn only_the_version() -> BTreeMap<String, usize> {
    BTreeMap::from([(VERSION.to_owned(), 1)])
}

fn the_version_and_what_changed() -> BTreeMap<String, usize> {
    BTreeMap::from([(VERSION.to_owned(), 1), ("TransactGetItems".to_owned(), 1)])
}

#[tokio::test(flavor = "multi_thread")]
async fn an_endpoint_whose_health_goes_to_and_fro_costs_events_to_others_nothing() {
    let account = Account::with(60).await;
    for flip in 0..10 {
        let states = [HealthState::Failing, HealthState::Healthy];
        let before = account.machine.endpoint(&account.endpoints[0]).await;
        let health = posthorn_domain::Health::new(states[flip % 2], account.machine.now());
        let written = account.machine.endpoints.set_health(&local_tenant(), &before, health).await.unwrap();
        assert_eq!(written, posthorn_storage::Written::Now);
        assert_eq!(account.reads("one.1").await, only_the_version(), "flip {flip}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_owner_changes_is_read_alone_and_counts_at_once() {
    let mut account = Account::with(60).await;
    arrived(&mut account.receiver).await;
    let changes = [
        (json!({ "enabled_events": ["two.0"] }), "one.0", 0),
        (json!({ "enabled_events": ["two.0"], "description": "again" }), "two.0", 1),
        (json!({ "status": "disabled" }), "two.0", 0),
        (json!({ "status": "enabled" }), "two.0", 1),
    ];
    for (edit, event_type, arrivals) in changes {
        account.edit(0, edit.clone()).await;
        assert_eq!(account.reads(event_type).await, the_version_and_what_changed(), "{edit}");
        assert_eq!(arrived(&mut account.receiver).await.len(), arrivals, "{edit}");
    }
    let new = account.machine.register(&account.receiver.url, &["new"]).await;
    assert_eq!(account.reads("new").await, the_version_and_what_changed());
    assert_eq!(arrived(&mut account.receiver).await.len(), 1, "it is new");
    account.machine.call("delete-endpoint", &[("id", &new.id.to_string())], None).await;
    assert_eq!(account.reads("new").await, the_version_and_what_changed());
    assert_eq!(arrived(&mut account.receiver).await.len(), 0, "it is gone");
}

#[tokio::test(flavor = "multi_thread")]
async fn all_are_read_again_where_it_is_not_on_record_what_has_changed() {
    let mut account = Account::with(3).await;
    arrived(&mut account.receiver).await;
    // There is room for two hundred changes, and a hundred of them are left when it is made.
    for number in 0..203 {
        account.edit(2, json!({ "description": format!("change {number}") })).await;
    }
    account.edit(0, json!({ "enabled_events": ["two.0"] })).await;
    assert!(account.reads("two.0").await.contains_key("Query"), "too many");
    assert_eq!(arrived(&mut account.receiver).await.len(), 1);
    account.edit(1, json!({ "enabled_events": ["two.1"] })).await;
    assert_eq!(account.reads("two.1").await, the_version_and_what_changed());
    assert_eq!(arrived(&mut account.receiver).await.len(), 1);

    // The release before this one moves the version, and says no more.
    let dynamodb = clients::dynamodb(&account.machine.stores.stores.dynamodb);
    let write = dynamodb
        .update_item()
        .table_name(account.machine.stores.environment("fan-out")["ENDPOINTS_TABLE"].clone())
        .key("pk", AttributeValue::S(local_tenant().to_string()))
        .key("sk", AttributeValue::S("meta".to_owned()))
        .update_expression("ADD version :one")
        .expression_attribute_values(":one", AttributeValue::N("1".to_owned()));
    write.send().await.unwrap();
    account.edit(1, json!({ "enabled_events": ["three.1"] })).await;
    assert!(account.reads("three.1").await.contains_key("Query"), "another release's");
    assert_eq!(arrived(&mut account.receiver).await.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_endpoint_that_others_saw_recover_is_sent_to_directly_within_seconds() {
    let account = Account::with(3).await;
    account.machine.set_health(&account.endpoints[..1], HealthState::Failing).await;
    assert_eq!(account.reads("one.0").await, the_version_and_what_changed());
    account.machine.sleep(Duration::from_secs(11));
    let and_its_health = BTreeMap::from([(VERSION.to_owned(), 1), ("BatchGetItem".to_owned(), 1)]);
    assert_eq!(account.reads("one.0").await, and_its_health, "once in a while");
    assert_eq!(account.reads("one.0").await, only_the_version(), "and not with each event");
    let endpoint = account.machine.endpoint(&account.endpoints[0]).await;
    assert_eq!(endpoint.health.state, HealthState::Healthy, "deliver saw it recover");
    account.machine.sleep(Duration::from_secs(6));
    assert_eq!(account.reads("one.0").await, and_its_health);
    account.machine.told("deliver");
    assert_eq!(account.reads("one.0").await, only_the_version());
    assert_eq!(account.machine.told("deliver"), None, "fan-out sent it itself");
}
