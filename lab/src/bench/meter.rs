//! Counts what calls to DynamoDB and SQS use: capacity units as DynamoDB reports them, and SQS requests by their size.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::Result;
use axum::response::Response;
use posthorn_local::proxy::{Call, Gate, Proxy, Service, passed_on};
use posthorn_local::{Functions, FunctionsOptions, Stores, StoresOptions};
use serde_json::{Value, json};
use tokio::time::Instant;

/// The size up to which SQS charges a call as one request. Larger calls count as several.
const SQS_REQUEST_BYTES: usize = 64 * 1024;

/// The calls of one operation on one table or queue, and what they used.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct Used {
    /// Number of calls.
    pub(crate) calls: u64,
    /// Number of units that AWS charges for: DynamoDB's read or write units, or SQS's requests.
    pub(crate) units: f64,
}

/// Counts calls by table or queue, and operation. Empty receives are a separate operation, [`Meter::EMPTY`], because
/// their number depends on time, not on messages.
#[derive(Default)]
pub(crate) struct Meter(Mutex<State>);

#[derive(Default)]
struct State {
    used: BTreeMap<(String, String), Used>,
    /// When the messages with these receipt handles were received.
    handed_out: BTreeMap<String, Instant>,
    /// Processing times of each queue's batches, from receive to delete.
    worked: BTreeMap<String, Vec<Duration>>,
}

impl Meter {
    /// A `ReceiveMessage` that returned no message.
    pub(crate) const EMPTY: &str = "ReceiveMessage, empty";

    /// Returns the use since the last call.
    pub(crate) fn take(&self) -> BTreeMap<(String, String), Used> {
        std::mem::take(&mut self.state().used)
    }

    /// Returns the processing times of each queue's batches since the last call.
    pub(crate) fn take_worked(&self) -> BTreeMap<String, Vec<Duration>> {
        std::mem::take(&mut self.state().worked)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The local system, with a meter between its functions and its tables.
pub(crate) struct Metered {
    stores: Stores,
    pub(crate) functions: Functions,
    pub(crate) tables: Proxy<Meter>,
}

impl Metered {
    pub(crate) async fn start(template: &Path) -> Result<Self> {
        let options = StoresOptions { template: template.to_owned(), ..StoresOptions::default() };
        let stores = Stores::start(&options).await?;
        let tables = Proxy::start(&stores.dynamodb, Meter::default()).await?;
        let functions = Functions::start(&FunctionsOptions {
            template: template.to_owned(),
            dynamodb: tables.url.clone(),
            sqs: stores.sqs.clone(),
            ..FunctionsOptions::default()
        })
        .await?;
        Ok(Self { stores, functions, tables })
    }

    /// Returns the address of its queues.
    pub(crate) fn sqs(&self) -> &str {
        &self.stores.sqs
    }

    pub(crate) async fn stop(self) -> Result<()> {
        self.functions.stop().await?;
        self.stores.stop().await
    }
}

impl Gate for Meter {
    async fn answer(&self, mut call: Call, service: &Service) -> Response {
        let (api, operation) = call.operation();
        let (is_sqs, operation) = (api == "AmazonSQS", operation.to_owned());
        let mut asked: Value = serde_json::from_slice(&call.body).unwrap_or_default();
        if !is_sqs && asked.is_object() {
            asked["ReturnConsumedCapacity"] = json!("TOTAL");
            call.body = asked.to_string().into();
        }
        let bytes = call.body.len();
        let answer = service.call(call).await;
        if let Ok((_, _, body)) = &answer
            && let Ok(answered) = serde_json::from_slice::<Value>(body)
        {
            let mut state = self.state();
            if is_sqs {
                state.count_sqs(&operation, &asked, &answered, bytes.max(body.len()));
            } else {
                state.count_dynamodb(&operation, &answered);
            }
        }
        passed_on(answer)
    }
}

impl State {
    fn count_dynamodb(&mut self, operation: &str, answer: &Value) {
        let capacity = &answer["ConsumedCapacity"];
        let tables = capacity.as_array().map_or(std::slice::from_ref(capacity), Vec::as_slice);
        for table in tables {
            let name = table["TableName"].as_str().unwrap_or_default();
            self.count(name, operation, table["CapacityUnits"].as_f64().unwrap_or_default());
        }
    }

    fn count_sqs(&mut self, operation: &str, asked: &Value, answer: &Value, bytes: usize) {
        let queue = asked["QueueUrl"].as_str().and_then(|url| url.rsplit('/').next()).unwrap_or_default();
        let requests = u32::try_from(bytes.div_ceil(SQS_REQUEST_BYTES)).unwrap_or(u32::MAX);
        let messages = answer["Messages"].as_array().map_or(&[][..], Vec::as_slice);
        let is_empty = operation == "ReceiveMessage" && messages.is_empty();
        self.count(queue, if is_empty { Meter::EMPTY } else { operation }, f64::from(requests));
        let receipt = |message: &Value| message["ReceiptHandle"].as_str().unwrap_or_default().to_owned();
        self.handed_out.extend(messages.iter().map(|message| (receipt(message), Instant::now())));
        let done = asked["Entries"].as_array().and_then(|entries| entries.first()).map(receipt);
        if operation == "DeleteMessageBatch"
            && let Some(at) = done.and_then(|receipt| self.handed_out.remove(&receipt))
        {
            self.worked.entry(queue.to_owned()).or_default().push(at.elapsed());
        }
    }

    fn count(&mut self, name: &str, operation: &str, units: f64) {
        let used = self.used.entry((name.to_owned(), operation.to_owned())).or_default();
        used.calls += 1;
        used.units += units;
    }
}
