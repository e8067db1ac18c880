//! Stands between a function and DynamoDB: counts its calls, and refuses some.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, OnceLock};

use axum::Router;
use axum::body::Bytes;
use axum::response::{IntoResponse as _, Response};
use http::{HeaderMap, StatusCode};
use posthorn_local::install_tls;
use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::harness::TestStores;
use crate::time_machine::TimeMachine;

/// What a read of a version of an account's endpoints is counted as.
pub(crate) const VERSION: &str = "version";

/// The calls of one function. A clone shares them.
#[derive(Clone, Default)]
pub(crate) struct Calls {
    url: String,
    made: Arc<Mutex<BTreeMap<String, usize>>>,
    refusals: Arc<Mutex<Vec<Refusal>>>,
    dynamodb: Arc<OnceLock<String>>,
    client: reqwest::Client,
}

/// A call that is refused once.
struct Refusal {
    operation: &'static str,
    /// The only table where it is.
    table: Option<&'static str>,
    answer: Value,
}

impl Calls {
    /// A system in which this function's calls are counted.
    pub(crate) async fn start(function: &'static str) -> (Self, TimeMachine) {
        let calls = Self::listen().await;
        let machine = TimeMachine::start_with(&[], |stores, name| {
            calls.stand_before(stores);
            (name == function).then(|| calls.variable()).into_iter().collect()
        })
        .await;
        (calls, machine)
    }

    /// What counts calls to the tables of a system that it is going to stand before.
    pub(crate) async fn listen() -> Self {
        install_tls();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let calls = Self { url, ..Self::default() };
        let shared = calls.clone();
        let answer = move |headers: HeaderMap, body: Bytes| {
            let calls = shared.clone();
            async move { calls.answer(headers, body).await }
        };
        tokio::spawn(async move { axum::serve(listener, Router::new().fallback(answer)).await });
        calls
    }

    pub(crate) fn stand_before(&self, stores: &TestStores) {
        self.dynamodb.get_or_init(|| stores.stores.dynamodb.clone());
    }

    /// The variable of a function whose calls are counted.
    pub(crate) fn variable(&self) -> (String, String) {
        ("AWS_ENDPOINT_URL_DYNAMODB".to_owned(), self.url.clone())
    }

    /// Refuses the next call of this operation with an error of this name, and what else its answer says.
    pub(crate) fn refuse(&self, operation: &'static str, error: &str, further: &[(&str, Value)]) {
        let mut answer =
            json!({ "__type": format!("com.amazonaws.dynamodb.v20120810#{error}"), "message": "no" });
        for (name, value) in further {
            answer[name] = value.clone();
        }
        self.refusals.lock().unwrap().push(Refusal { operation, table: None, answer });
    }

    /// Throttles so many of the next calls of this operation on a table.
    pub(crate) fn throttle(&self, operation: &'static str, table: &'static str, times: usize) {
        let answer = json!({
            "__type": "com.amazonaws.dynamodb.v20120810#ProvisionedThroughputExceededException",
            "message": "slow down",
        });
        let refusal = || Refusal { operation, table: Some(table), answer: answer.clone() };
        self.refusals.lock().unwrap().extend(std::iter::repeat_with(refusal).take(times));
    }

    /// How many calls of each operation there were since this was asked last.
    pub(crate) fn take(&self) -> BTreeMap<String, usize> {
        std::mem::take(&mut self.made.lock().unwrap())
    }

    async fn answer(&self, mut headers: HeaderMap, body: Bytes) -> Response {
        let call: Value = serde_json::from_slice(&body).unwrap();
        let target = headers["x-amz-target"].to_str().unwrap().to_owned();
        let operation = target.rsplit('.').next().unwrap();
        let is_version = operation == "GetItem" && call["Key"]["sk"]["S"] == "meta";
        let name = if is_version { VERSION } else { operation };
        *self.made.lock().unwrap().entry(name.to_owned()).or_default() += 1;
        if let Some(answer) = self.refusal_of(operation, call["TableName"].as_str()) {
            return (StatusCode::BAD_REQUEST, answer.to_string()).into_response();
        }
        headers.remove("host");
        let answer = self.client.post(self.dynamodb.get().unwrap()).headers(headers).body(body);
        let answer = answer.send().await.unwrap();
        let (status, headers): (StatusCode, HeaderMap) = (answer.status(), answer.headers().clone());
        (status, headers, answer.bytes().await.unwrap()).into_response()
    }

    fn refusal_of(&self, operation: &str, table: Option<&str>) -> Option<Value> {
        let mut refusals = self.refusals.lock().unwrap();
        let is_meant = |refusal: &Refusal| {
            refusal.operation == operation && (refusal.table.is_none() || refusal.table == table)
        };
        let place = refusals.iter().position(is_meant)?;
        Some(refusals.remove(place).answer)
    }
}
