//! Counts what calls to DynamoDB cost, as DynamoDB itself says.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use axum::response::Response;
use serde_json::{Value, json};

use crate::proxy::{Call, Gate, Service, passed_on};

/// The calls of one operation on one table, and the capacity units that they used.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct Used {
    /// How many calls.
    pub(crate) calls: u64,
    /// How many capacity units, read or write, as the operation is.
    pub(crate) units: f64,
}

/// Counts calls by table and operation.
#[derive(Default)]
pub(crate) struct Meter(Mutex<BTreeMap<(String, String), Used>>);

impl Meter {
    /// What has been used since this was asked last.
    pub(crate) fn take(&self) -> BTreeMap<(String, String), Used> {
        std::mem::take(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn count(&self, operation: &str, answer: &[u8]) {
        let Ok(answer) = serde_json::from_slice::<Value>(answer) else { return };
        let capacity = &answer["ConsumedCapacity"];
        let tables = capacity.as_array().map_or(std::slice::from_ref(capacity), Vec::as_slice);
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for table in tables {
            let name = table["TableName"].as_str().unwrap_or_default().to_owned();
            let used = all.entry((name, operation.to_owned())).or_default();
            used.calls += 1;
            used.units += table["CapacityUnits"].as_f64().unwrap_or_default();
        }
    }
}

impl Gate for Meter {
    async fn answer(&self, mut call: Call, service: &Service) -> Response {
        let target = call.headers.get("x-amz-target").and_then(|target| target.to_str().ok());
        let operation = target.and_then(|target| target.rsplit('.').next()).unwrap_or_default().to_owned();
        if let Ok(mut body) = serde_json::from_slice::<Value>(&call.body)
            && body.is_object()
        {
            body["ReturnConsumedCapacity"] = json!("TOTAL");
            call.body = body.to_string().into();
        }
        let answer = service.call(call).await;
        if let Ok((_, _, body)) = &answer {
            self.count(&operation, body);
        }
        passed_on(answer)
    }
}
