//! Stands between a function and DynamoDB: counts its calls, and refuses some.

use std::collections::BTreeMap;
use std::sync::Mutex;

use axum::response::{IntoResponse as _, Response};
use http::StatusCode;
use posthorn_local::proxy::{Call, Gate, Proxy, Service, passed_on};
use serde_json::{Value, json};

use crate::time_machine::{Backend, TimeMachine};

/// What a read of a version of an account's endpoints is counted as.
pub(crate) const VERSION: &str = "version";

/// The calls of one function. Dropped, they fail.
pub(crate) struct Calls(Proxy<Counter>);

/// Counts calls, and refuses some.
#[derive(Default)]
struct Counter {
    made: Mutex<BTreeMap<String, usize>>,
    refusals: Mutex<Vec<Refusal>>,
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
        let backend = Backend::start().await;
        let proxy = Proxy::start(&backend.stores.stores.dynamodb, Counter::default()).await;
        let calls = Self(proxy.unwrap());
        let machine = TimeMachine::start_on(backend, &[], |_, name| {
            (name == function).then(|| calls.variable()).into_iter().collect()
        })
        .await;
        (calls, machine)
    }

    /// The variable of a function whose calls are counted.
    pub(crate) fn variable(&self) -> (String, String) {
        ("AWS_ENDPOINT_URL_DYNAMODB".to_owned(), self.0.url.clone())
    }

    /// Refuses the next call of this operation with an error of this name, and what else its answer says.
    pub(crate) fn refuse(&self, operation: &'static str, error: &str, further: &[(&str, Value)]) {
        let mut answer =
            json!({ "__type": format!("com.amazonaws.dynamodb.v20120810#{error}"), "message": "no" });
        for (name, value) in further {
            answer[name] = value.clone();
        }
        self.0.gate.refusals.lock().unwrap().push(Refusal { operation, table: None, answer });
    }

    /// Throttles so many of the next calls of this operation on a table.
    pub(crate) fn throttle(&self, operation: &'static str, table: &'static str, times: usize) {
        let answer = json!({
            "__type": "com.amazonaws.dynamodb.v20120810#ProvisionedThroughputExceededException",
            "message": "slow down",
        });
        let refusal = || Refusal { operation, table: Some(table), answer: answer.clone() };
        self.0.gate.refusals.lock().unwrap().extend(std::iter::repeat_with(refusal).take(times));
    }

    /// How many calls of each operation there were since this was asked last.
    pub(crate) fn take(&self) -> BTreeMap<String, usize> {
        std::mem::take(&mut self.0.gate.made.lock().unwrap())
    }
}

impl Counter {
    fn refusal_of(&self, operation: &str, table: Option<&str>) -> Option<Value> {
        let mut refusals = self.refusals.lock().unwrap();
        let is_meant = |refusal: &Refusal| {
            refusal.operation == operation && (refusal.table.is_none() || refusal.table == table)
        };
        let position = refusals.iter().position(is_meant)?;
        Some(refusals.remove(position).answer)
    }
}

impl Gate for Counter {
    async fn answer(&self, call: Call, service: &Service) -> Response {
        let asked: Value = serde_json::from_slice(&call.body).unwrap();
        let (_, operation) = call.operation();
        let is_version = operation == "GetItem" && asked["Key"]["sk"]["S"] == "meta";
        let name = if is_version { VERSION } else { operation };
        *self.made.lock().unwrap().entry(name.to_owned()).or_default() += 1;
        if let Some(answer) = self.refusal_of(operation, asked["TableName"].as_str()) {
            return (StatusCode::BAD_REQUEST, answer.to_string()).into_response();
        }
        passed_on(service.call(call).await)
    }
}
