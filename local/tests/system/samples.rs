//! The inputs in `events/`, fed to the functions that they are for.

use std::time::Duration;

use aws_lambda_events::event::sqs::SqsEvent;
use http::StatusCode;
use posthorn_domain::{
    Clock as _, DeliveryStatus, Endpoint, Fields, Health, HealthState, NewEndpoint, Scope, Timestamp,
};
use posthorn_local::{DEVELOPMENT_ACCOUNT, DEVELOPMENT_KEY, DEVELOPMENT_PLATFORM_KEY, Receiver};
use posthorn_runtime::{HttpFunction, SqsFunction, SystemClock, SystemRandom};
use serde_json::{Value, json};

use crate::harness::{TestStores, local_tenant, next, route, worker};

/// How the routes' functions answer their samples, called in this order while the endpoint is there and no event is on
/// record.
pub(crate) const ANSWERS: [(&str, u16); 32] = [
    ("create-endpoint", 201),
    ("list-endpoints", 200),
    ("get-endpoint", 200),
    ("update-endpoint", 200),
    ("get-secret", 200),
    ("rotate-secret", 200),
    ("test-endpoint", 202),
    ("pause-endpoint", 200),
    ("list-attention", 200),
    ("resume-endpoint", 200),
    ("recover-endpoint", 202),
    ("get-recovery", 404),
    ("list-events", 200),
    ("read-feed", 200),
    ("explain-event", 404),
    ("list-attempts", 200),
    ("put-account", 200),
    ("list-accounts", 200),
    ("get-account", 200),
    ("create-key", 201),
    ("list-keys", 200),
    ("delete-key", 404),
    ("create-session", 201),
    ("exchange-session", 404),
    ("end-sessions", 200),
    ("list-audit", 200),
    ("delete-account", 404),
    ("list-event-types", 200),
    ("get-console", 200),
    ("get-openapi", 200),
    ("not-found", 404),
    ("publish-event", 202),
];

/// A deadline that leaves time enough.
fn soon() -> Timestamp {
    SystemClock.now().plus(Duration::from_secs(30))
}

pub(crate) fn sample(name: &str) -> String {
    let file = format!("{}/../events/{name}.json", env!("CARGO_MANIFEST_DIR"));
    std::fs::read_to_string(&file).unwrap_or_else(|error| panic!("{file}: {error}"))
}

/// Stores with the API key and the endpoint that the samples name.
pub(crate) async fn stores_for_samples(url: &str) -> TestStores {
    let stores = TestStores::start().await;
    stores.add_key(DEVELOPMENT_KEY, DEVELOPMENT_ACCOUNT).await;
    stores.add_platform_key(DEVELOPMENT_PLATFORM_KEY, Scope::ALL).await;
    let fields = json!({ "url": url, "enabled_events": ["customer.*"] }).to_string();
    let new = NewEndpoint::read(&mut Fields::parse(&fields).unwrap()).unwrap();
    let endpoint = new.register(&local_tenant(), SystemClock.now(), &SystemRandom);
    let named: Value = serde_json::from_str(&sample("get-endpoint")).unwrap();
    let id = named["pathParameters"]["id"].as_str().unwrap().parse().unwrap();
    let endpoints = stores.runtime("create-endpoint").endpoints().unwrap();
    let health = Health { state: HealthState::Healthy, ..endpoint.health };
    endpoints.create(&local_tenant(), &Endpoint { id, health, ..endpoint }, 10).await.unwrap();
    stores
}

async fn call(function: &HttpFunction, name: &str) -> u16 {
    let request = lambda_http::request::from_str(&sample(name)).unwrap();
    function(request).await.status().as_u16()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_routes_functions_answer_their_samples() {
    let stores = stores_for_samples("https://example.com/").await;
    let check = async |function: &str, name: &str, wanted: u16| {
        let function = route(function, &stores.runtime(function));
        assert_eq!(call(&function, name).await, wanted, "{name}");
    };
    for (function, wanted) in ANSWERS {
        check(function, function, wanted).await;
    }
    check("delete-endpoint", "delete-endpoint", 200).await;
    check("publish-event", "publish-event-batch", 202).await;
    // One published alone, one message with those of the batch, a test event, and the notices of a pause and its end.
    assert_eq!(stores.depth("EventsQueue").await, 5);

    check("get-event", "get-event", 404).await;
    let batch: SqsEvent = serde_json::from_str(&sample("fan-out")).unwrap();
    worker("fan-out", &stores.runtime("fan-out"))(batch, soon()).await.unwrap();
    check("get-event", "get-event", 200).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_queues_functions_handle_their_samples() {
    let failed_once = |_: &str, _: &str| StatusCode::SERVICE_UNAVAILABLE;
    let mut receiver = Receiver::start(0, failed_once).await.unwrap();
    let stores = stores_for_samples(&receiver.url).await;
    let handle = async |function: SqsFunction, name: &str| {
        let batch: SqsEvent = serde_json::from_str(&sample(name)).unwrap();
        function(batch, soon()).await.unwrap().batch_item_failures.len()
    };
    assert_eq!(handle(worker("fan-out", &stores.runtime("fan-out")), "fan-out").await, 0);
    let first = next(&mut receiver).await;
    assert_eq!(stores.depth("DeliveriesQueue").await, 1, "the failed delivery goes on");

    // The sample asks for the second attempt, which is due after the schedule's first wait.
    let mut environment = stores.environment("deliver");
    environment.insert("RETRY_SCHEDULE".to_owned(), "1s".to_owned());
    let deliver = worker("deliver", &TestStores::runtime_of(environment));
    assert_eq!(handle(deliver, "deliver").await, 0);
    assert_eq!(stores.depth("DeliveriesQueue").await, 2, "an attempt that is early is put off");
    let retry = route("retry-attempt", &stores.runtime("retry-attempt"));
    assert_eq!(call(&retry, "retry-attempt").await, 202);
    assert_eq!(stores.depth("DeliveriesQueue").await, 3);
    let log = stores.runtime("fan-out").event_log().unwrap();
    let record = log.get(&local_tenant(), first.event_id().parse().unwrap()).await.unwrap().unwrap();
    assert_eq!(record.deliveries[0].status, DeliveryStatus::Pending);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_whose_record_cannot_be_written_is_the_one_reported() {
    let receiver = Receiver::start(0, |_, _| StatusCode::OK).await.unwrap();
    let stores = stores_for_samples(&receiver.url).await;
    let mut environment = stores.environment("fan-out");
    environment.insert("EVENTS_TABLE".to_owned(), "NoTable".to_owned());
    let fan_out = worker("fan-out", &TestStores::runtime_of(environment));
    let batch: SqsEvent = serde_json::from_str(&sample("fan-out")).unwrap();
    let matched = batch.records[0].message_id.clone().unwrap();
    // A refused write is tried again as long as there is time.
    let deadline = SystemClock.now().plus(Duration::from_secs(14));
    let failures = fan_out(batch, deadline).await.unwrap().batch_item_failures;
    assert!(failures.iter().any(|failure| failure.item_identifier == matched), "{failures:?}");
}
