//! A thousand endpoints of an account recovered at once. Most of that was not put on record: each write moved the account's
//! version, they met there, and what DynamoDB refused as a conflict was taken for somebody else's note of the same endpoint.
//! An endpoint with one event a day was disabled although it had answered.

use futures::future::join_all;
use posthorn_domain::{DisabledReason, EndpointStatus, Health, HealthState};
use posthorn_storage::{EndpointStore, Written};
use serde_json::json;

use crate::calls::Calls;
use crate::harness::{TestStores, local_tenant};
use crate::time_machine::TimeMachine;

/// The endpoints as `deliver` reads and writes them.
fn store(calls: &Calls, machine: &TimeMachine) -> EndpointStore {
    let mut variables = machine.stores.environment("deliver");
    variables.extend([calls.variable()]);
    TestStores::runtime_of(variables).endpoints().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn endpoints_whose_health_is_written_together_do_not_wait_for_each_other() {
    let (calls, machine) = Calls::start("deliver").await;
    let store = store(&calls, &machine);
    let mut endpoints = Vec::new();
    for number in 0..20 {
        endpoints.push(machine.endpoint(&machine.register("https://a.example", &["*"]).await).await);
        if number % 2 == 0 {
            calls.refuse("UpdateItem", "TransactionConflictException", &[]);
        }
    }
    calls.take();
    let health = Health::new(HealthState::Healthy, machine.now());
    let tenant = local_tenant();
    let notes = endpoints.iter().map(|endpoint| store.set_health(&tenant, endpoint, health));
    for written in join_all(notes).await {
        assert_eq!(written.unwrap(), Written::Now);
    }
    let made = calls.take();
    assert_eq!(made.into_iter().collect::<Vec<_>>(), [("UpdateItem".to_owned(), 30)], "ten of them twice");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_endpoint_is_disabled_although_its_account_is_being_changed() {
    let (calls, machine) = Calls::start("deliver").await;
    let store = store(&calls, &machine);
    let endpoint = machine.endpoint(&machine.register("https://a.example", &["*"]).await).await;
    let reasons = json!([{ "Code": "None" }, { "Code": "TransactionConflict" }]);
    calls.refuse("TransactWriteItems", "TransactionCanceledException", &[("CancellationReasons", reasons)]);
    let written =
        store.disable(&local_tenant(), &endpoint, DisabledReason::Gone, machine.now()).await.unwrap();
    assert_eq!(written, Written::Now);
    assert_eq!(machine.endpoint(&endpoint).await.status, EndpointStatus::Disabled);
    let again = store.disable(&local_tenant(), &endpoint, DisabledReason::Gone, machine.now()).await.unwrap();
    assert_eq!(again, Written::Before, "it has been written since");
}
