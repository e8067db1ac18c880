//! The due table and its sweep, for tests: rows put there, and calls of the sweep refused.

use std::collections::{BTreeMap, HashSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use aws_sdk_dynamodb::types::AttributeValue;
use axum::response::{IntoResponse as _, Response};
use http::StatusCode;
use posthorn_domain::{DeliveryMessage, DeliveryWork, EndpointId, EventId, Partition, Timestamp};
use posthorn_local::proxy::{Call, Gate, Proxy, Service, passed_on};
use posthorn_local_aws::clients;
use serde_json::{Value, json};

use crate::time_machine::{Backend, TimeMachine};

/// So many retries, due at these times.
pub(crate) fn retries(
    machine: &TimeMachine,
    due: impl IntoIterator<Item = Timestamp>,
) -> Vec<(DeliveryMessage, Timestamp)> {
    let (now, partition) = (machine.now(), Partition::of(&"order.paid".parse().unwrap()));
    let retry = |due| {
        let endpoint_id = EndpointId::new(now, machine.random.as_ref());
        let event_id = EventId::new(now, partition, machine.random.bits());
        let work = DeliveryWork::Attempt { endpoint_id, attempt: 4 };
        (DeliveryMessage { tenant: TimeMachine::tenant(), event_id, chunk: None, work }, due)
    };
    due.into_iter().map(retry).collect()
}

/// Puts a row into the due table as it stands.
pub(crate) async fn put_row(machine: &TimeMachine, texts: &[(&str, &str)]) {
    let row = texts.iter().map(|&(name, text)| (name.to_owned(), AttributeValue::S(text.to_owned())));
    let put = clients::dynamodb(&machine.stores.stores.dynamodb).put_item().table_name("DueTable");
    put.set_item(Some(row.collect())).send().await.unwrap();
}

/// The messages that have been sent to the deliveries queue, each with when it can be received: found by letting time
/// pass for so long.
pub(crate) async fn arrivals(machine: &TimeMachine, span: Duration) -> BTreeMap<String, Vec<Timestamp>> {
    let mut arrivals: BTreeMap<String, Vec<Timestamp>> = BTreeMap::new();
    let end = machine.now().plus(span);
    loop {
        for body in machine.take("DeliveriesQueue").await {
            arrivals.entry(body).or_default().push(machine.now());
        }
        let next = machine.stores.stores.queues.next_due("DeliveriesQueue").unwrap();
        match next.map(|wait| machine.now().plus(wait)) {
            Some(next) if next <= end => machine.sleep(next.since(machine.now())),
            _ => return arrivals,
        }
    }
}

/// What a refusal decides on: the operation, and its call.
type Refuses = Box<dyn FnMut(&str, &Value) -> bool + Send>;

/// Stands between the sweep and its table and queue, and refuses calls as AWS does where it is asked too much. Dropped,
/// all calls fail.
pub(crate) struct Throttle {
    gate: Refusing,
    _proxies: [Proxy<Refusing>; 2],
}

/// Counts and refuses calls. Clones share what they know.
#[derive(Clone, Default)]
struct Refusing(Arc<Shared>);

#[derive(Default)]
struct Shared {
    refuses: Mutex<Option<Refuses>>,
    calls: Mutex<BTreeMap<String, usize>>,
}

impl Throttle {
    /// A system whose sweep can be refused calls.
    pub(crate) async fn start() -> (Self, TimeMachine) {
        let (backend, gate) = (Backend::start().await, Refusing::default());
        let dynamodb = Proxy::start(&backend.stores.stores.dynamodb, gate.clone()).await.unwrap();
        let sqs = Proxy::start(&backend.stores.stores.sqs, gate.clone()).await.unwrap();
        let machine = TimeMachine::start_on(backend, &[], |_, function| {
            let to_throttle = [("DYNAMODB", &dynamodb), ("SQS", &sqs)]
                .map(|(service, proxy)| (format!("AWS_ENDPOINT_URL_{service}"), proxy.url.clone()));
            if function == "sweep-due" { to_throttle.to_vec() } else { Vec::new() }
        })
        .await;
        (Self { gate, _proxies: [dynamodb, sqs] }, machine)
    }

    /// Refuses, from now on, the calls of which this says so.
    pub(crate) fn refuse(&self, refuses: impl FnMut(&str, &Value) -> bool + Send + 'static) {
        *self.gate.0.refuses.lock().unwrap() = Some(Box::new(refuses));
    }

    /// How many calls there were of each operation since this was asked last.
    pub(crate) fn take_calls(&self) -> BTreeMap<String, usize> {
        std::mem::take(&mut self.gate.0.calls.lock().unwrap())
    }
}

impl Gate for Refusing {
    async fn answer(&self, call: Call, service: &Service) -> Response {
        let operation = call.operation().1.to_owned();
        let asked: Value = serde_json::from_slice(&call.body).unwrap();
        *self.0.calls.lock().unwrap().entry(operation.clone()).or_default() += 1;
        let is_refused =
            self.0.refuses.lock().unwrap().as_mut().is_some_and(|refuses| refuses(&operation, &asked));
        if is_refused {
            let refusal = json!({ "__type": "ThrottlingException", "message": "refused on purpose" });
            let media_type = [("content-type", "application/x-amz-json-1.0")];
            return (StatusCode::BAD_REQUEST, media_type, refusal.to_string()).into_response();
        }
        passed_on(service.call(call).await)
    }
}

/// Whether a call reads rows of this shard.
pub(crate) fn reads_shard(shard: u32, operation: &str, call: &Value) -> bool {
    let pk = call["ExpressionAttributeValues"][":pk"]["S"].as_str().unwrap_or_default();
    operation == "Query" && pk.starts_with("due#") && pk.ends_with(&format!("#{shard}"))
}

/// Whether a call writes how far a shard is.
pub(crate) fn keeps_place(operation: &str, call: &Value) -> bool {
    operation == "PutItem" && call["Item"]["sk"]["S"].as_str().is_some_and(|sk| sk.starts_with("shard#"))
}

/// The bodies of messages.
pub(crate) fn bodies(retries: &[(DeliveryMessage, Timestamp)]) -> HashSet<String> {
    retries.iter().map(|(message, _)| message.to_json()).collect()
}
