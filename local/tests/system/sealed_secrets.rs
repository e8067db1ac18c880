//! Endpoints' secrets and headers, sealed under a key in KMS.

use std::collections::{BTreeSet, HashMap};
use std::time::Duration;

use aws_sdk_dynamodb::types::AttributeValue;
use futures::future::join_all;
use http::StatusCode;
use posthorn_domain::Endpoint;
use posthorn_local::{Arrival, Receiver};
use posthorn_local_aws::clients;
use posthorn_storage::{EndpointStore, StorageError};
use serde_json::{Value, json};
use tokio::time::{interval, timeout};

use crate::harness::{PATIENCE, TestStores, TestSystem, local_tenant, next, text};
use crate::kms::Kms;
use crate::time_machine::TimeMachine;

const HOUR: Duration = Duration::from_hours(1);

/// The system with a key.
async fn system(stores: TestStores, kms: &Kms) -> TestSystem {
    TestSystem::with(stores, &kms.environment()).await
}

/// Ends the functions.
fn stop(system: TestSystem) -> TestStores {
    system.stores
}

/// The endpoints as a process of its own sees them that has the key.
fn endpoints(stores: &TestStores, kms: &Kms) -> EndpointStore {
    let mut environment = stores.environment("create-endpoint");
    environment.extend(kms.environment().map(|(name, value)| (name.to_owned(), value.to_owned())));
    TestStores::runtime_of(environment).endpoints().unwrap()
}

/// The secret key of a component.
const COMPONENT_SECRET: &str = "0x0303030303030303030303030303030303030303030303030303030303030303";

/// An endpoint with secrets of all kinds.
fn with_header(url: &str) -> Value {
    json!({
        "url": url,
        "enabled_events": ["*"],
        "headers": { "Authorization": "Bearer sesame" },
        "component_secret_key": COMPONENT_SECRET,
    })
}

async fn publish(system: &TestSystem) {
    let event = json!({ "type": "order.paid", "data": {} });
    assert_eq!(system.request("POST", "/api/events", Some(&event)).await.0, 202);
}

async fn webhook(system: &TestSystem, receiver: &mut Receiver) -> Arrival {
    publish(system).await;
    next(receiver).await
}

/// All that the endpoints table holds, as text.
async fn table(stores: &TestStores) -> String {
    fn read(value: &AttributeValue) -> String {
        match value {
            AttributeValue::B(bytes) => String::from_utf8_lossy(bytes.as_ref()).into_owned(),
            AttributeValue::M(map) => map.values().map(read).collect(),
            AttributeValue::L(list) => list.iter().map(read).collect(),
            other => format!("{other:?}"),
        }
    }
    rows(stores).await.iter().flat_map(|row| row.values()).map(read).collect()
}

async fn rows(stores: &TestStores) -> Vec<HashMap<String, AttributeValue>> {
    let scan = clients::dynamodb(&stores.stores.dynamodb).scan().table_name("EndpointsTable");
    scan.send().await.unwrap().items.unwrap()
}

/// The data keys that the rows of endpoints are sealed with.
async fn data_keys(stores: &TestStores) -> BTreeSet<Vec<u8>> {
    let rows = rows(stores).await;
    let sealed = rows.iter().filter_map(|row| row.get("sealed"));
    sealed.map(|sealed| sealed.as_m().unwrap()["k"].as_b().unwrap().as_ref().to_vec()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_sealed_cannot_be_read_in_the_table_and_is_used_as_ever() {
    let kms = Kms::start().await;
    let mut receiver = Receiver::start(0, |_, _| StatusCode::OK).await.unwrap();
    let system = system(TestStores::start().await, &kms).await;
    let created = system.register(&with_header(&receiver.url)).await;
    let old = text(&created, "secret");
    let arrival = webhook(&system, &mut receiver).await;
    arrival.verify(old).unwrap();
    assert_eq!(arrival.headers["authorization"], "Bearer sesame");
    assert!(arrival.headers.contains_key("x-component-sig"));

    let path = format!("/api/webhook-endpoints/{}", text(&created, "id"));
    let (_, rotated) = system.request("POST", &format!("{path}/secret/rotate"), None).await;
    let new = text(&rotated, "secret");
    let (_, shown) = system.request("GET", &format!("{path}/secret"), None).await;
    assert_eq!(text(&shown, "secret"), new);
    let signed_twice = webhook(&system, &mut receiver).await;
    signed_twice.verify(old).unwrap();
    signed_twice.verify(new).unwrap();
    let (_, list) = system.request("GET", "/api/webhook-endpoints", None).await;
    assert_eq!(list["list"][0]["header_names"], json!(["Authorization"]));

    let table = table(&system.stores).await;
    assert!(table.contains(&receiver.url), "the table can be read");
    for secret in [old, new, "sesame", "whsec_", &COMPONENT_SECRET[2..]] {
        assert!(!table.contains(secret), "{secret} is in the table");
    }
    let (_, deleted) = system.request("DELETE", &path, None).await;
    assert_eq!(deleted["headers"], created["headers"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_from_before_the_key_go_on_and_are_sealed_when_they_are_written() {
    let kms = Kms::start().await;
    let mut receiver = Receiver::start(0, |_, _| StatusCode::OK).await.unwrap();
    let before = TestSystem::with(TestStores::start().await, &[]).await;
    let created = before.register(&with_header(&receiver.url)).await;
    let stores = stop(before);
    let secret = text(&created, "secret");
    assert!(table(&stores).await.contains(secret));

    let system = system(stores, &kms).await;
    webhook(&system, &mut receiver).await.verify(secret).unwrap();
    let path = format!("/api/webhook-endpoints/{}", text(&created, "id"));
    assert_eq!(system.request("PUT", &path, Some(&json!({}))).await.0, 200);
    let table = table(&system.stores).await;
    assert!(!table.contains(secret) && !table.contains("sesame"));
    let arrival = webhook(&system, &mut receiver).await;
    arrival.verify(secret).unwrap();
    assert_eq!(arrival.headers["authorization"], "Bearer sesame");

    // Without the key, it is said what is missing.
    let id = text(&created, "id").parse().unwrap();
    let without = system.stores.runtime("get-secret").endpoints().unwrap();
    let error = without.get(&local_tenant(), id).await.unwrap_err();
    assert!(matches!(error, StorageError::NoSecretsKey { .. }), "{error:?}");
    assert!(error.to_string().contains("set SECRETS_KEY_ARN"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_sealed_in_one_row_is_refused_in_another() {
    let kms = Kms::start().await;
    let system = system(TestStores::start().await, &kms).await;
    let [mine, yours] = [
        system.register(&with_header("https://example.com/mine")).await,
        system.register(&with_header("https://example.com/yours")).await,
    ];
    let sort_key = |endpoint: &Value| AttributeValue::S(format!("endpoint#{}", text(endpoint, "id")));
    let rows = rows(&system.stores).await;
    let row = rows.iter().find(|row| row["sk"] == sort_key(&mine)).unwrap();
    let moved = clients::dynamodb(&system.stores.stores.dynamodb).update_item().table_name("EndpointsTable");
    let moved = moved.key("pk", row["pk"].clone()).key("sk", sort_key(&yours));
    let moved = moved.update_expression("SET sealed = :sealed");
    moved.expression_attribute_values(":sealed", row["sealed"].clone()).send().await.unwrap();

    let secret = async |endpoint: &Value| {
        let path = format!("/api/webhook-endpoints/{}/secret", text(endpoint, "id"));
        system.request("GET", &path, None).await.0
    };
    assert_eq!((secret(&mine).await, secret(&yours).await), (200, 500));
    let store = endpoints(&system.stores, &kms);
    let error = store.get(&local_tenant(), text(&yours, "id").parse().unwrap()).await.unwrap_err();
    assert!(error.to_string().ends_with("it was sealed in another row, or changed since"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_deliveries_to_ten_endpoints_call_kms_once_from_each_function() {
    let kms = Kms::start().await;
    let mut receiver = Receiver::start(0, |_, _| StatusCode::OK).await.unwrap();
    let system = system(TestStores::start().await, &kms).await;
    for number in 0..10 {
        system.register(&with_header(&format!("{}/{number}", receiver.url))).await;
    }
    assert_eq!(kms.calls(), 2, "one makes the data key, one unwraps it");
    for _ in 0..10 {
        publish(&system).await;
    }
    for _ in 0..100 {
        next(&mut receiver).await;
    }
    assert!((3..=4).contains(&kms.calls()), "fan-out has unwrapped it, and deliver if it was needed");
}

#[tokio::test(flavor = "multi_thread")]
async fn while_kms_is_down_kept_keys_work_and_what_needs_it_waits() {
    let kms = Kms::start().await;
    let mut receiver = Receiver::start(0, |_, _| StatusCode::OK).await.unwrap();
    let stores = TestStores::with_visibility(Duration::from_secs(5)).await;
    let system = system(stores, &kms).await;
    let created = system.register(&with_header(&receiver.url)).await;

    // The function that created the endpoint has the data key; the others do not, and say so.
    kms.set_down(true);
    let another = system.register(&with_header(&receiver.url)).await;
    let path = format!("/api/webhook-endpoints/{}/secret", text(&created, "id"));
    assert_eq!(system.request("GET", &path, None).await.0, 503);
    let id = text(&another, "id").parse().unwrap();
    let error = endpoints(&system.stores, &kms).get(&local_tenant(), id).await.unwrap_err();
    assert_eq!(error.to_string(), "kms:Decrypt failed");

    // An event waits until KMS is back.
    let calls = kms.calls();
    publish(&system).await;
    let refused = async {
        let mut look = interval(Duration::from_millis(20));
        while kms.calls() == calls {
            look.tick().await;
        }
    };
    timeout(PATIENCE, refused).await.expect("fan-out should ask KMS");
    kms.set_down(false);
    next(&mut receiver).await;
    next(&mut receiver).await;
    system.stores.until_idle().await;

    // From then on, deliveries need it no more.
    kms.set_down(true);
    webhook(&system, &mut receiver).await;
    next(&mut receiver).await;
    system.stores.until_idle().await;
}

#[tokio::test]
async fn a_data_key_is_kept_for_an_hour_and_seals_for_ninety_days() {
    let kms = Kms::start().await;
    let machine = TimeMachine::start(&kms.environment()).await;
    let endpoint = machine.register("https://example.com/", &["*"]).await;
    assert_eq!(kms.calls(), 2);
    machine.sleep(HOUR / 2);
    machine.endpoint(&endpoint).await;
    assert_eq!(kms.calls(), 2);
    machine.sleep(HOUR / 2);
    machine.endpoint(&endpoint).await;
    assert_eq!(kms.calls(), 3);

    machine.register("https://example.com/", &["*"]).await;
    assert_eq!(data_keys(&machine.stores).await.len(), 1);
    machine.sleep(90 * 24 * HOUR);
    machine.register("https://example.com/", &["*"]).await;
    assert_eq!(data_keys(&machine.stores).await.len(), 2);
    let read = machine.endpoint(&endpoint).await;
    assert_eq!(read, Endpoint { revision: 1, ..endpoint }, "what was sealed before can be read");
}

#[tokio::test(flavor = "multi_thread")]
async fn processes_that_start_at_once_seal_with_the_same_data_key() {
    let kms = Kms::start().await;
    let stores = TestStores::start().await;
    let sample = TimeMachine::start(&[]).await;
    let new: Vec<Endpoint> = join_all((0..10).map(|_| sample.register("https://example.com/", &["*"]))).await;
    let processes = new.iter().map(|endpoint| {
        let store = endpoints(&stores, &kms);
        async move { store.create(&local_tenant(), endpoint, 100).await }
    });
    assert!(join_all(processes).await.iter().all(Result::is_ok));
    assert_eq!(data_keys(&stores).await.len(), 1);
}
