//! The cost of a million deliveries on AWS. Makes some deliveries, counts everything that AWS charges for, and prices
//! it.

mod bill;
mod publishing;
mod report;

use std::collections::{BTreeMap, HashSet};
use std::fmt;
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use aws_lambda_events::event::sqs::SqsEvent;
use aws_sdk_sqs::types::SendMessageBatchRequestEntry;
use http::StatusCode;
use posthorn_domain::{Clock as _, EventId, EventMessage, EventShards, Random as _};
use posthorn_local::proxy::Proxy;
use posthorn_local::{Binaries, FunctionsOptions, Receiver, RuntimeApi, Stores, environments, laptop};
use posthorn_local_aws::clients;
use posthorn_local_aws::template::queue_url;
use posthorn_runtime::{SystemClock, SystemRandom};
use serde_json::Value;
use tokio::time::{sleep, timeout};

use super::meter::Meter;
use super::processes::Part;
use super::rig;
use crate::load;
pub use bill::Bill;
pub(super) use bill::{MILLION, Prices, WHOLE_PROCESSOR_MB};
pub(super) use publishing::Publishing;
pub(super) use report::report;

/// How long an endpoint takes to answer.
const ANSWER_TIME: Duration = Duration::from_millis(100);
/// Delay of the messages that are sent before the functions run.
const HEAD_START: Duration = Duration::from_secs(5);
/// Maximum time to wait for an event.
const PATIENCE: Duration = Duration::from_mins(2);
/// Maximum number of messages in a batch.
const BATCH: usize = 10;
/// If some deliveries fail at first, one in this many does.
const FAILURES: usize = 100;
/// Number of events in a request to `POST /api/events/batch`.
const EVENTS_PER_REQUEST: usize = 100;

/// How events are sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sent {
    /// By producers to the queue. Fan-out gets them in full batches.
    InBatches,
    /// One by one, by `POST /api/events`.
    Singly,
    /// By `POST /api/events/batch`, a hundred in a request. They share messages.
    InRequests,
}

impl Sent {
    /// Returns the number of events in a request to the API; `None` if they are sent to the queue.
    fn by_api(self) -> Option<usize> {
        match self {
            Self::InBatches => None,
            Self::Singly => Some(1),
            Self::InRequests => Some(EVENTS_PER_REQUEST),
        }
    }
}

impl fmt::Display for Sent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::InBatches => "full batches",
            Self::Singly => "single messages",
            Self::InRequests => "requests of 100",
        })
    }
}

/// The events to send, and how.
#[derive(Debug, Clone)]
pub struct Cost {
    /// The path of this program, to run as a separate process.
    pub program: PathBuf,
    /// The template.
    pub template: PathBuf,
    /// The deployed binaries, whose log is measured. Without them, the log counts as nothing.
    pub binaries: Option<Binaries>,
    /// Approximate size of an event's body, in bytes.
    pub event_bytes: usize,
    /// Number of endpoints that want each event.
    pub endpoints: usize,
    /// How the events are sent.
    pub sent: Sent,
    /// Whether 1 % of the deliveries fail at first.
    pub failures: bool,
    /// Number of events to send.
    pub events: usize,
}

impl Cost {
    /// Sends the events, and counts what they use.
    pub async fn run(self) -> Result<Bill> {
        let stores = rig::stores(&self.template).await?;
        let (tables, queues) = (
            Proxy::start(&stores.dynamodb, Meter::default()).await?,
            Proxy::start(&stores.sqs, Meter::default()).await?,
        );
        let mut receiver = self.receiver().await?;
        self.register(&stores, &receiver.url).await?;
        if self.sent != Sent::Singly {
            self.send_ahead(&queues.url).await?;
        }
        let mut functions = self.functions(&tables.url, &queues.url)?;
        functions.address("HTTP API").await?;
        // The calls made at the start are not part of the cost of deliveries.
        tables.gate.take();
        let before = functions.usage()?.cpu;
        if self.sent == Sent::Singly {
            for _ in 0..self.events {
                self.send(&queues.url, self.messages(1)?, Duration::ZERO).await?;
                self.await_arrivals(&mut receiver, 1).await?;
            }
        } else {
            self.await_arrivals(&mut receiver, self.events).await?;
        }
        while load::waiting(&stores.sqs).await? > 0 {
            sleep(Duration::from_millis(100)).await;
        }
        let cpu = functions.usage()?.cpu.saturating_sub(before);
        let memory = self.memory()?;
        let worked = queues.gate.take_worked().into_iter();
        let invocations =
            worked.map(|(queue, spans)| (memory.get(&queue).copied().unwrap_or_default(), spans));
        let bill = Bill {
            tables: tables.gate.take(),
            queues: queues.gate.take(),
            invocations: invocations.collect(),
            cpu,
            log_bytes: self.log_bytes(&stores, "fan-out", &serde_json::to_value(self.batch()?)?).await?,
            prices: Prices::read()?,
            shape: self,
        };
        drop(functions);
        stores.stop().await?;
        Ok(bill)
    }

    /// Starts endpoints that take `ANSWER_TIME` to answer. If some deliveries should fail, the endpoints refuse these
    /// once.
    async fn receiver(&self) -> Result<Receiver> {
        let (failures, seen) = (self.failures, Arc::new(Mutex::new(HashSet::new())));
        let answer = move |path: &str, event_id: &str| {
            let mut seen = seen.lock().unwrap_or_else(PoisonError::into_inner);
            let is_new = failures && seen.insert(format!("{path} {event_id}"));
            if is_new && seen.len() % FAILURES == 0 {
                StatusCode::INTERNAL_SERVER_ERROR
            } else {
                StatusCode::OK
            }
        };
        Receiver::taking(ANSWER_TIME, 0, answer).await
    }

    async fn register(&self, stores: &Stores, receiver: &str) -> Result<()> {
        let store = rig::runtime(&self.template, stores, "create-endpoint")?.endpoints()?;
        for endpoint in rig::healthy_endpoints((0..self.endpoints).map(|n| format!("{receiver}/{n}")))? {
            store.create(&rig::tenant(), &endpoint, self.endpoints.try_into()?).await?;
        }
        Ok(())
    }

    fn functions(&self, dynamodb: &str, sqs: &str) -> Result<Part> {
        let template = self.template.to_str().context("the template's path is not UTF-8")?;
        let addresses = ["functions", "--http-port", "0", "--dynamodb", dynamodb, "--sqs", sqs];
        Part::start(&self.program, addresses.into_iter().chain(["--template", template]))
    }

    /// Sends all events to the queue, delayed so that they become visible together when the functions run.
    async fn send_ahead(&self, sqs: &str) -> Result<()> {
        for messages in self.messages(self.events)?.chunks(BATCH) {
            self.send(sqs, messages.to_vec(), HEAD_START).await?;
        }
        Ok(())
    }

    /// The messages with this number of events.
    fn messages(&self, events: usize) -> Result<Vec<String>> {
        let messages = (0..events).map(|_| rig::message(&rig::event(self.event_bytes)));
        if self.sent != Sent::InRequests {
            return Ok(messages.collect());
        }
        let now = SystemClock.now();
        let events = messages.map(|message| {
            let message = EventMessage::parse(&message)?;
            let event_type = &message.draft.event_type;
            let id = EventId::of_event(now, event_type, EventShards::ONE, SystemRandom.bits());
            Ok(EventMessage { id: Some(id), ..message })
        });
        let events = events.collect::<Result<Vec<_>>>()?;
        let requests = events.chunks(EVENTS_PER_REQUEST).flat_map(EventMessage::pack);
        Ok(requests.map(|(body, _)| body).collect())
    }

    /// A batch as fan-out gets it.
    fn batch(&self) -> Result<SqsEvent> {
        let events = match self.sent {
            Sent::InBatches => BATCH,
            Sent::Singly => 1,
            Sent::InRequests => BATCH * EVENTS_PER_REQUEST,
        };
        Ok(rig::batch(self.messages(events)?.into_iter().take(BATCH)))
    }

    async fn send(&self, sqs: &str, messages: Vec<String>, delay: Duration) -> Result<()> {
        let entries = messages.into_iter().enumerate().map(|(number, message)| {
            let entry = SendMessageBatchRequestEntry::builder().id(number.to_string());
            let entry = entry.delay_seconds(i32::try_from(delay.as_secs()).unwrap_or(0));
            entry.message_body(message).build()
        });
        let entries = entries.collect::<Result<_, _>>()?;
        let send = clients::sqs(sqs).send_message_batch().queue_url(queue_url(sqs, "EventsQueue"));
        send.set_entries(Some(entries)).send().await?;
        Ok(())
    }

    /// Waits until all endpoints have accepted this number of events.
    async fn await_arrivals(&self, receiver: &mut Receiver, events: usize) -> Result<()> {
        let mut taken = 0;
        while taken < events * self.endpoints {
            let arrival =
                timeout(PATIENCE, receiver.next()).await.context("an event did not arrive in time")?;
            taken += usize::from(arrival.answered.is_success());
        }
        Ok(())
    }

    /// The memory of the function behind each queue, in MB.
    fn memory(&self) -> Result<BTreeMap<String, u32>> {
        let template = laptop::template(&self.template, "http://127.0.0.1:1")?;
        let sources = template
            .functions
            .into_iter()
            .flat_map(|spec| spec.queues.into_iter().map(move |source| (source.queue, spec.memory_mb)));
        Ok(sources.collect())
    }

    /// Number of bytes that a function's binary logs in an invocation with this event.
    async fn log_bytes(&self, stores: &Stores, function: &str, event: &Value) -> Result<f64> {
        let Some(binaries) = &self.binaries else { return Ok(0.0) };
        let options = FunctionsOptions {
            // The default on AWS, where log lines cost something.
            environment: BTreeMap::from([("LOG_ATTEMPTS".to_owned(), "failed".to_owned())]),
            ..rig::options(&self.template, stores)
        };
        let environment =
            environments(&options)?.remove(function).context("the template does not have the function")?;
        let mut api = RuntimeApi::start(Some(event.to_string())).await?;
        let mut process = api.spawn(&binaries.of(function), function, environment, Stdio::piped())?;
        let (kind, answer) =
            timeout(PATIENCE, api.answered()).await.context("the function did not respond in time")?;
        ensure!(kind == "response", "the function failed: {}", String::from_utf8_lossy(&answer));
        process.start_kill()?;
        // The function has written its log before it answers.
        let log = process.wait_with_output().await?.stdout;
        Ok(f64::from(u32::try_from(log.len())?))
    }
}

/// The shapes that are priced: event size in bytes, endpoints, how they are sent, failures, and number of events.
pub(super) const SHAPES: [(usize, usize, Sent, bool, usize); 9] = [
    (1024, 1, Sent::InBatches, false, 2_000),
    (1024, 3, Sent::InBatches, false, 1_000),
    (1024, 10, Sent::InBatches, false, 500),
    (4096, 1, Sent::InBatches, false, 2_000),
    (4096, 3, Sent::InBatches, false, 1_000),
    (4096, 10, Sent::InBatches, false, 500),
    (1024, 1, Sent::InRequests, false, 2_000),
    (1024, 1, Sent::Singly, false, 200),
    (1024, 1, Sent::InBatches, true, 2_000),
];
