//! Counts what calls to DynamoDB and SQS use: DynamoDB's units as DynamoDB itself says, SQS's requests by their size.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::response::Response;
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::proxy::{Call, Gate, Service, passed_on};

/// What SQS counts as one request; a larger one counts as several.
const SQS_REQUEST_BYTES: usize = 64 * 1024;

/// The calls of one operation on one table or queue, and what they used.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct Used {
    /// How many calls.
    pub(crate) calls: u64,
    /// How many units are paid for: DynamoDB's capacity units, read or write, as the operation is; SQS's requests.
    pub(crate) units: f64,
}

/// Counts calls by table or queue, and operation. Receipts of nothing are an operation of their own,
/// [`Meter::EMPTY`]: they are paid for by the hour.
#[derive(Default)]
pub(crate) struct Meter(Mutex<State>);

#[derive(Default)]
struct State {
    used: BTreeMap<(String, String), Used>,
    /// When the messages with these receipts were handed out.
    handed_out: BTreeMap<String, Instant>,
    /// How long each queue's batches were worked on: from being handed out to being deleted.
    worked: BTreeMap<String, Vec<Duration>>,
}

impl Meter {
    /// A `ReceiveMessage` that brought none.
    pub(crate) const EMPTY: &str = "ReceiveMessage, empty";

    /// What has been used since this was asked last.
    pub(crate) fn take(&self) -> BTreeMap<(String, String), Used> {
        std::mem::take(&mut self.state().used)
    }

    /// How long each queue's batches were worked on since this was asked last.
    pub(crate) fn take_worked(&self) -> BTreeMap<String, Vec<Duration>> {
        std::mem::take(&mut self.state().worked)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
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
