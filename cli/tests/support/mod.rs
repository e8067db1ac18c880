//! The laptop system, for the tests of the command.

#![allow(clippy::unwrap_used, reason = "a test may fail")]
#![allow(dead_code, reason = "each test uses a part of it")]

use std::path::PathBuf;
use std::time::Duration;

use axum::response::Response;
use http::StatusCode;
use posthorn_local::proxy::{Call, Gate, Proxy, Service, passed_on};
use posthorn_local::{Functions, FunctionsOptions, Stores, StoresOptions};
use serde_json::{Value, json};
use tokio::time::{sleep, timeout};

/// The longest wait for anything.
pub(crate) const PATIENCE: Duration = Duration::from_mins(1);

/// Delays the writes of new rows in the events table, each for another time.
pub(crate) struct Slow(Duration);

impl Gate for Slow {
    async fn answer(&self, call: Call, service: &Service) -> Response {
        if ["PutItem", "BatchExecuteStatement"].contains(&call.operation().1) {
            sleep(self.0.mul_f64(fastrand::f64())).await;
        }
        passed_on(service.call(call).await)
    }
}

/// The laptop system. Its tables may be slow.
pub(crate) struct System {
    pub(crate) http: String,
    pub(crate) dynamodb: String,
    client: reqwest::Client,
    _parts: (Stores, Proxy<Slow>, Functions),
}

impl System {
    pub(crate) async fn start(slow: Duration) -> Self {
        let template = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../template.yaml");
        let options = StoresOptions { template: template.clone(), ..StoresOptions::default() };
        let stores = Stores::start(&options).await.unwrap();
        let proxy = Proxy::start(&stores.dynamodb, Slow(slow)).await.unwrap();
        let options = FunctionsOptions {
            template,
            dynamodb: proxy.url.clone(),
            sqs: stores.sqs.clone(),
            ..FunctionsOptions::default()
        };
        let functions = Functions::start(&options).await.unwrap();
        let (http, dynamodb) = (functions.http.clone(), stores.dynamodb.clone());
        Self { http, dynamodb, client: reqwest::Client::new(), _parts: (stores, proxy, functions) }
    }

    pub(crate) async fn post(&self, path: &str, body: &Value) -> Value {
        let request = self.client.post(format!("{}{path}", self.http)).body(body.to_string());
        let answer = request.header("content-type", "application/json").send().await.unwrap();
        assert!(answer.status().is_success(), "{}", answer.status());
        serde_json::from_str(&answer.text().await.unwrap()).unwrap()
    }

    /// Publishes events. Returns their ids.
    pub(crate) async fn publish(&self, number: usize) -> Vec<String> {
        let event = json!({ "type": "order.paid", "data": { "total": 1.50 } });
        let answer = self.post("/api/events/batch", &json!({ "events": vec![event; number] })).await;
        let ids = answer["list"].as_array().unwrap().iter().map(|entry| entry["event"]["id"].as_str());
        ids.map(|id| id.unwrap().to_owned()).collect()
    }

    /// Waits until the event is on record.
    pub(crate) async fn until_recorded(&self, id: &str) {
        let path = format!("{}/api/events/{id}", self.http);
        let recorded = async {
            while self.client.get(&path).send().await.unwrap().status() != StatusCode::OK {
                sleep(Duration::from_millis(50)).await;
            }
        };
        timeout(PATIENCE, recorded).await.expect("the event is put on record");
    }
}
