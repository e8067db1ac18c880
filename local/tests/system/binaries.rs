//! The binary that is deployed, started as Lambda starts it, against a Runtime API served here. It must have been built:
//! `cargo lambda build --release -p posthorn-functions -p empty-function`.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use http::StatusCode;
use posthorn_local::{Binaries, Receiver, RuntimeApi};
use serde_json::{Value, json};
use tokio::time::timeout;

use crate::harness::{PATIENCE, TestStores};
use crate::metrics::values;
use crate::samples::{ANSWERS, sample, stores_for_samples};

fn binaries() -> Binaries {
    let target = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target");
    let target = option_env!("CARGO_TARGET_DIR").map_or(target, PathBuf::from);
    Binaries::in_folder(target.join("lambda")).unwrap()
}

async fn invoke(stores: &TestStores, function: &str) -> Value {
    invoke_and_listen(stores, function).await.0
}

/// What a function answers, and the lines that it writes to its log for CloudWatch to make metrics of.
async fn invoke_and_listen(stores: &TestStores, function: &str) -> (Value, Vec<String>) {
    let mut api = RuntimeApi::start(Some(sample(function))).await.unwrap();
    let (binary, environment) = (binaries().of(function), stores.environment(function));
    let mut process = api.spawn(&binary, function, environment, Stdio::piped()).unwrap();
    let (kind, body) = timeout(PATIENCE, api.answered()).await.expect("it should answer");
    process.start_kill().unwrap();
    // The line was written before the answer was given.
    let written = process.wait_with_output().await.unwrap().stdout;
    assert_eq!(kind, "response", "{function}: {}", String::from_utf8_lossy(&body));
    let lines = std::str::from_utf8(&written).unwrap().lines().map(str::to_owned);
    (serde_json::from_slice(&body).unwrap(), lines.filter(|line| line.contains("_aws")).collect())
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs what is deployed: cargo lambda build --release -p posthorn-functions -p empty-function"]
async fn every_function_answers_its_sample() {
    let receiver = Receiver::start(0, |_, _| StatusCode::SERVICE_UNAVAILABLE).await.unwrap();
    let stores = stores_for_samples(&receiver.url).await;
    for (function, status) in ANSWERS {
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
