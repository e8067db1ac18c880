//! The binaries as Lambda starts them, against a Runtime API served here. They must have been built, in the profile that
//! the test is: `cargo build --workspace`, or with `--release`.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::extract::Path as UrlPath;
use axum::routing::{get, post};
use http::{HeaderMap, StatusCode};
use posthorn_local::Receiver;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::process::Command;
use tokio::sync::mpsc;
use tokio::time::timeout;

use crate::harness::{PATIENCE, TestStores};
use crate::metrics::values;
use crate::samples::{sample, stores_for_samples};

/// A Runtime API that has one invocation. It hands on what the function answers.
async fn runtime_api(event: String) -> (String, mpsc::UnboundedReceiver<(String, Bytes)>) {
    let (sender, answers) = mpsc::unbounded_channel();
    let invocation = Arc::new(Mutex::new(Some(event)));
    let next = move || async move {
        let Some(event) = invocation.lock().unwrap().take() else { return std::future::pending().await };
        let mut headers = HeaderMap::new();
        headers
            .insert("lambda-runtime-aws-request-id", "8476a536-e9f4-11e8-9739-2dfe598c3fcd".parse().unwrap());
        headers.insert("lambda-runtime-deadline-ms", "4102444800000".parse().unwrap());
        let arn = "arn:aws:lambda:us-east-1:000000000000:function:sample";
        headers.insert("lambda-runtime-invoked-function-arn", arn.parse().unwrap());
        (headers, event)
    };
    let answer = move |UrlPath((_, kind)): UrlPath<(String, String)>, body: Bytes| async move {
        sender.send((kind, body)).unwrap();
        StatusCode::ACCEPTED
    };
    let api = Router::new()
        .route("/2018-06-01/runtime/invocation/next", get(next))
        .route("/2018-06-01/runtime/invocation/{id}/{kind}", post(answer));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    tokio::spawn(async move { axum::serve(listener, api).await });
    (address, answers)
}

fn binary(function: &str) -> PathBuf {
    let target = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target");
    let target = option_env!("CARGO_TARGET_DIR").map_or(target, PathBuf::from);
    target.join(if cfg!(debug_assertions) { "debug" } else { "release" }).join(function)
}

async fn invoke(stores: &TestStores, function: &str) -> Value {
    invoke_and_listen(stores, function).await.0
}

/// What a function answers, and the lines that it writes to its log for CloudWatch to make metrics of.
async fn invoke_and_listen(stores: &TestStores, function: &str) -> (Value, Vec<String>) {
    let (address, mut answers) = runtime_api(sample(function)).await;
    let mut process = Command::new(binary(function))
        .env_clear()
        .envs(stores.environment(function))
        .env("AWS_LAMBDA_RUNTIME_API", address)
        .env("AWS_LAMBDA_FUNCTION_NAME", function)
        .env("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST")
        .env("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "256")
        .env("AWS_LAMBDA_LOG_STREAM_NAME", "sample")
        .env("AWS_LAMBDA_LOG_GROUP_NAME", "sample")
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap_or_else(|error| panic!("{}: {error}", binary(function).display()));
    let (kind, body) = timeout(PATIENCE, answers.recv()).await.expect("it should answer").unwrap();
    process.start_kill().unwrap();
    // The line was written before the answer was given.
    let written = process.wait_with_output().await.unwrap().stdout;
    assert_eq!(kind, "response", "{function}: {}", String::from_utf8_lossy(&body));
    let lines = std::str::from_utf8(&written).unwrap().lines().map(str::to_owned);
    (serde_json::from_slice(&body).unwrap(), lines.filter(|line| line.contains("_aws")).collect())
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the binaries: cargo build --workspace"]
async fn every_binary_answers_its_sample() {
    let receiver = Receiver::start(0, |_, _| StatusCode::SERVICE_UNAVAILABLE).await.unwrap();
    let stores = stores_for_samples(&receiver.url).await;
    for (function, status) in [
        ("create-endpoint", 201),
        ("list-endpoints", 200),
        ("get-endpoint", 200),
        ("update-endpoint", 200),
        ("get-secret", 200),
        ("rotate-secret", 200),
        ("test-endpoint", 202),
        ("recover-endpoint", 202),
        ("get-recovery", 404),
        ("list-events", 200),
        ("list-attempts", 200),
        ("list-event-types", 200),
        ("get-openapi", 200),
        ("publish-event", 202),
    ] {
        let answer = invoke(&stores, function).await;
        assert_eq!(answer["statusCode"], status, "{function}: {answer}");
    }
    for (function, counted) in
        [("fan-out", &["Attempts", "Events", "Failures", "FirstAttemptLatency"][..]), ("deliver", &[])]
    {
        let (answer, lines) = invoke_and_listen(&stores, function).await;
        assert_eq!(answer["batchItemFailures"], json!([]), "{function}: {answer}");
        assert_eq!(lines.len(), usize::from(!counted.is_empty()), "{function}: {lines:?}");
        let told: Vec<_> = lines.iter().flat_map(|line| values(line).into_keys()).collect();
        assert_eq!(told, counted, "{function}");
    }
    assert_eq!(invoke(&stores, "get-event").await["statusCode"], 200);
    assert_eq!(invoke(&stores, "retry-attempt").await["statusCode"], 202);
    let (answer, lines) = invoke_and_listen(&stores, "sweep-due").await;
    let [line] = lines.as_slice() else { panic!("one line: {lines:?}") };
    assert_eq!((answer, &values(line)["SweepLag"]), (Value::Null, &json!(0)));
    assert_eq!(invoke(&stores, "delete-endpoint").await["statusCode"], 200);
}
