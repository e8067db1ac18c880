//! Handlers take any bytes for a body.

use lambda_http::Body;
use lambda_http::http::Request;
use posthorn_local::{DEVELOPMENT_ACCOUNT, DEVELOPMENT_KEY};
use posthorn_runtime::HttpFunction;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use crate::harness::{TestStores, route};

/// Bytes, texts, and JSON that is nearly right.
fn bodies() -> impl Strategy<Value = Vec<u8>> {
    let nearly = r#"\{"(url|type|data|enabled_events|events|metadata|status|x)":("https?://[^"]{0,9}"|\[.{0,9}\]|\{.{0,9}\}|[0-9eE.+-]{1,9}|null|"[^"]{0,9}")\}"#;
    prop_oneof![
        prop::collection::vec(any::<u8>(), 0..64),
        any::<String>().prop_map(String::into_bytes),
        nearly.prop_map(String::into_bytes),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn no_body_makes_a_handler_panic() {
    let stores = TestStores::start().await;
    stores.add_key(DEVELOPMENT_KEY, DEVELOPMENT_ACCOUNT).await;
    let function = |path, name| (path, route(name, &stores.runtime(name)));
    let functions: [(&str, HttpFunction); 10] = [
        function("/api/webhook-endpoints", "create-endpoint"),
        function("/api/webhook-endpoints/x", "update-endpoint"),
        function("/api/webhook-endpoints/x/secret/rotate", "rotate-secret"),
        function("/api/webhook-endpoints/x/test", "test-endpoint"),
        function("/api/webhook-endpoints/x/pause", "pause-endpoint"),
        function("/api/webhook-endpoints/x/resume", "resume-endpoint"),
        function("/api/webhook-endpoints/x/recover", "recover-endpoint"),
        function("/api/events", "publish-event"),
        function("/api/events/batch", "publish-event"),
        function("/api/webhook-attempts/retry", "retry-attempt"),
    ];
    let handle = tokio::runtime::Handle::current();
    let all_answer = move || {
        let answer = |path: &str, function: &HttpFunction, body: Vec<u8>| {
            let request = Request::post(path).header("authorization", format!("Bearer {DEVELOPMENT_KEY}"));
            let request = request.body(Body::Binary(body)).unwrap();
            handle.block_on(function(request)).status().as_u16()
        };
        let mut runner = TestRunner::new(Config { failure_persistence: None, ..Config::with_cases(100) });
        let outcome = runner.run(&bodies(), |body| {
            for (path, function) in &functions {
                let status = answer(path, function, body.clone());
                prop_assert!(status < 500, "{path} answered {status}");
            }
            Ok(())
        });
        outcome.unwrap();
    };
    tokio::task::spawn_blocking(all_answer).await.unwrap();
}
