//! Everything at once: killed processes, refused calls, and queues that return messages twice and out of order.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use anyhow::Result;
use axum::body::to_bytes;
use axum::response::{IntoResponse as _, Response};
use fastrand::Rng;
use http::StatusCode;
use http::header::CONTENT_LENGTH;
use posthorn_local::Receiver;
use posthorn_local::proxy::{Call, Gate, Proxy, Service};
use serde_json::Value;

use super::crashes::{LIFE, kill, register};
use super::events::{self, SILENCE};
use super::refusing_proxy::{Errors, Refusing};
use super::{Addresses, Bench, Tally};

/// How long a message that was received but not handled stays hidden.
const VISIBILITY: Duration = Duration::from_secs(10);
/// Maximum number of messages that SQS returns in one call.
const MAX_BATCH: usize = 10;

/// Breaks everything while events are published.
#[derive(Debug, Clone, Copy)]
pub struct Storm {
    /// Number of events to publish.
    pub events: u32,
    /// Number of endpoints that want each event.
    pub endpoints: u32,
    /// Number of times to kill the functions' process.
    pub kills: u32,
    /// The share of calls to tables and queues to refuse, from 0 to 1; half of them after they were done.
    pub refused: f64,
    /// The share of messages to return a second time, and the share of other messages to hold back, from 0 to 1.
    pub unruly: f64,
}

/// The result, and the possible causes of duplicates.
#[derive(Debug, Clone, Copy)]
pub struct Storms {
    /// The deliveries.
    pub tally: Tally,
    /// Deliveries in progress when a process was killed.
    pub killed: usize,
    /// Calls refused.
    pub refused: usize,
    /// Messages returned twice.
    pub copies: usize,
}

impl Storm {
    /// Publishes, breaks everything, and waits until everything has arrived.
    pub async fn run(&self, bench: &Bench) -> Result<Storms> {
        let mut receiver = Receiver::start(0, |_, _| StatusCode::OK).await?;
        let stores = bench.stores(Some(VISIBILITY)).await?;
        register(bench, &stores, &receiver.url, self.endpoints).await?;
        let tables = Proxy::start(&stores.dynamodb, Refusing::new(Errors::DynamoDb, bench.seed)).await?;
        let queues = Proxy::start(&stores.sqs, Unruly::new(self.unruly, bench.seed)).await?;
        tables.gate.refuse(self.refused);
        queues.gate.refusing.refuse(self.refused);
        let addresses = Addresses { dynamodb: tables.url.clone(), sqs: queues.url.clone() };
        let expected = usize::try_from(self.events * self.endpoints)?;
        let (published, killed, tally) = tokio::join!(
            events::publish(&stores.sqs, self.events, LIFE * self.kills),
            kill(bench, &stores, &addresses, self.kills, self.endpoints),
            events::count(&mut receiver, &stores.sqs, expected, SILENCE)
        );
        published?;
        let (killed, mut last) = killed?;
        last.kill().await?;
        stores.stop().await?;
        let refused = tables.gate.refused() + queues.gate.refusing.refused();
        let copies = queues.gate.copies.load(Ordering::Relaxed);
        let excused = killed + (refused + copies) * usize::try_from(self.endpoints)?;
        Ok(Storms { tally: Tally { excused, ..tally? }, killed, refused, copies })
    }
}

/// An SQS that refuses calls, returns some messages twice, and holds some back until their visibility timeout is over.
struct Unruly {
    refusing: Refusing,
    share: f64,
    random: Mutex<Rng>,
    /// Messages to return once more, each with its queue.
    twice: Mutex<Vec<(String, Value)>>,
    copies: AtomicUsize,
}

impl Unruly {
    fn new(share: f64, seed: u64) -> Self {
        Self {
            refusing: Refusing::new(Errors::Sqs, seed),
            share,
            random: Mutex::new(Rng::with_seed(seed)),
            twice: Mutex::default(),
            copies: AtomicUsize::new(0),
        }
    }

    /// Returns the messages that this queue returns: some left out, some repeated.
    fn disarrange(&self, queue: &str, messages: Vec<Value>) -> Vec<Value> {
        let mut random = self.random.lock().unwrap_or_else(PoisonError::into_inner);
        let mut twice = self.twice.lock().unwrap_or_else(PoisonError::into_inner);
        let mut handed_out = Vec::new();
        for message in messages {
            let chance = random.f64();
            if chance >= self.share {
                if chance < 2.0 * self.share {
                    twice.push((queue.to_owned(), message.clone()));
                }
                handed_out.push(message);
            }
        }
        let room = MAX_BATCH.saturating_sub(handed_out.len());
        let is_again = |(of, message): &(String, Value)| of == queue && !handed_out.contains(message);
        let again: Vec<_> = twice.iter().filter(|entry| is_again(entry)).take(room).cloned().collect();
        twice.retain(|entry| !again.contains(entry));
        self.copies.fetch_add(again.len(), Ordering::Relaxed);
        handed_out.extend(again.into_iter().map(|(_, message)| message));
        random.shuffle(&mut handed_out);
        handed_out
    }
}

impl Gate for Unruly {
    async fn answer(&self, call: Call, service: &Service) -> Response {
        let is_receive = call.operation().1 == "ReceiveMessage";
        let asked: Option<Value> = is_receive.then(|| serde_json::from_slice(&call.body).ok()).flatten();
        let answer = self.refusing.answer(call, service).await;
        let Some(queue) = asked.as_ref().and_then(|asked| asked["QueueUrl"].as_str()) else { return answer };
        let (mut parts, body) = answer.into_parts();
        let Ok(body) = to_bytes(body, usize::MAX).await else {
            return StatusCode::BAD_GATEWAY.into_response();
        };
        match serde_json::from_slice::<Value>(&body) {
            Ok(mut received) if received["Messages"].is_array() => {
                let messages = received["Messages"].as_array_mut().map(std::mem::take).unwrap_or_default();
                received["Messages"] = self.disarrange(queue, messages).into();
                parts.headers.remove(CONTENT_LENGTH);
                (parts.status, parts.headers, received.to_string()).into_response()
            }
            _ => (parts.status, parts.headers, body).into_response(),
        }
    }
}
