//! Where endpoints may be, as an operator says it.

use std::time::Duration;

use http::StatusCode;
use posthorn_functions::set_up;
use posthorn_local::Receiver;
use serde_json::{Value, json};
use tokio::time::{interval, timeout};

use crate::harness::{PATIENCE, TestStores, TestSystem, text};
use crate::samples::stores_for_samples;

/// As it is on AWS, unless the template's parameters say otherwise.
const PUBLIC: &[(&str, &str)] = &[
    ("ENDPOINT_SCHEMES", "https"),
    ("ENDPOINT_PORTS", "443,8443"),
    ("ALLOWED_NETWORKS", ""),
    ("RETRY_SCHEDULE", "1h"),
];

#[tokio::test(flavor = "multi_thread")]
async fn a_url_that_may_not_be_sent_to_is_refused_with_what_may() {
    let system = TestSystem::with(TestStores::start().await, PUBLIC).await;
    let good = json!({ "url": "https://example.com/", "enabled_events": ["*"] });
    let created = system.register(&good).await;
    let path = format!("/api/webhook-endpoints/{}", text(&created, "id"));
    let check = async |url: &str, error: &str| {
        let new = json!({ "url": url, "enabled_events": ["*"] });
        for (method, path) in [("POST", "/api/webhook-endpoints"), ("PUT", path.as_str())] {
            let (status, problem) = system.request(method, path, Some(&new)).await;
            assert_eq!((status, text(&problem, "param")), (400, "url"), "{method} {url}");
            assert_eq!(text(&problem, "error"), error, "{method} {url}");
        }
    };
    check("http://example.com/", "`url` must begin with https://").await;
    check("https://example.com:22/", "`url` must use port 443 or 8443, not 22").await;
    let metadata =
        "`url` must have a public address, and 169.254.169.254 is not public (link-local, RFC 3927)";
    check("https://169.254.169.254/latest/meta-data/", metadata).await;
    check("https://0xa9fea9fe/", metadata).await;
    let private = "`url` must have a public host name, such as example.com, not \"localhost\"";
    check("https://localhost:8443/", private).await;
    let (_, endpoint) = system.request("GET", &path, None).await;
    assert_eq!(text(&endpoint, "url"), "https://example.com/");
    let (status, _) = system.request("PUT", &path, Some(&json!({ "description": "Orders" }))).await;
    assert_eq!(status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_endpoint_that_is_older_than_the_guard_gets_blocked_attempts_and_nothing_else() {
    let mut receiver = Receiver::start(0, |_, _| StatusCode::OK).await.unwrap();
    let system = TestSystem::with(stores_for_samples(&receiver.url).await, PUBLIC).await;
    let event = json!({ "type": "customer.created", "data": { "object": { "id": "cus_1" } } });
    let (status, accepted) = system.request("POST", "/api/events", Some(&event)).await;
    assert_eq!(status, 202, "{accepted}");
    let path = format!("/api/webhook-attempts?event_id={}", text(&accepted, "id"));
    let attempted = async {
        let mut look = interval(Duration::from_millis(20));
        loop {
            look.tick().await;
            let (status, attempts) = system.request("GET", &path, None).await;
            if status == 200 && attempts["list"] != json!([]) {
                break attempts;
            }
        }
    };
    let attempts = timeout(PATIENCE, attempted).await.expect("there should be an attempt");
    let attempt = &attempts["list"][0];
    assert_eq!((text(attempt, "status"), text(attempt, "error")), ("failed", "blocked"));
    assert_eq!(attempt["response_status"], Value::Null);
    system.stores.until_idle().await;
    assert!(timeout(Duration::ZERO, receiver.next()).await.is_err(), "nothing should arrive");
    let (_, event) = system.request("GET", &format!("/api/events/{}", text(&accepted, "id")), None).await;
    assert_eq!(text(&event["deliveries"][0], "status"), "pending", "it is tried again: {event}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_function_does_not_start_with_a_guard_that_makes_no_sense() {
    let stores = TestStores::start().await;
    let check = |name: &str, value: &str, error: &str| {
        for function in ["create-endpoint", "update-endpoint", "fan-out", "deliver"] {
            let mut environment = stores.environment(function);
            environment.insert(name.to_owned(), value.to_owned());
            let runtime = TestStores::runtime_of(environment);
            let refusal = set_up(function, &runtime).err();
            assert_eq!(refusal.map(|refusal| refusal.to_string()).as_deref(), Some(error), "{function}");
        }
    };
    let unset = |name: &str| format!("the environment variable {name} is not set");
    check("ENDPOINT_SCHEMES", "", &unset("ENDPOINT_SCHEMES"));
    check("ENDPOINT_PORTS", "", &unset("ENDPOINT_PORTS"));
    let unusable = |name: &str, reason: &str| format!("the environment variable {name} is invalid: {reason}");
    let schemes =
        unusable("ENDPOINT_SCHEMES", "must be https, http, or both, separated by a comma, not \"ftp\"");
    check("ENDPOINT_SCHEMES", "ftp", &schemes);
    let ports = unusable(
        "ENDPOINT_PORTS",
        "must be ports or ranges of ports, separated by commas, such as 443, 8000-8999, not \"any\"",
    );
    check("ENDPOINT_PORTS", "any", &ports);
    let networks = "must be networks without host bits, separated by commas, such as 10.1.0.0/16, ::1/128, not \
                    \"10.1.2.3/16\"";
    check("ALLOWED_NETWORKS", "10.1.2.3/16", &unusable("ALLOWED_NETWORKS", networks));
}
