//! Measures the processor time of a delivery in fan-out, compared with a loop that only sends POST requests.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use aws_lambda_events::event::sqs::SqsEvent;
use axum::body::Bytes;
use cpu_time::ThreadTime;
use futures::future::try_join_all;
use http::StatusCode;
use posthorn_delivery::sign;
use posthorn_domain::{
    Attempt, Clock as _, Delivery, DeliveryMessage, DeliveryStatus, DeliveryWork, Endpoint, Event, EventId,
    EventMessage, EventShards, Random as _, Timestamp,
};
use posthorn_functions::set_up;
use posthorn_local::Stores;
use posthorn_local_aws::clients;
use posthorn_local_aws::template::queue_url;
use posthorn_runtime::{Runtime, SqsFunction, SystemClock, SystemRandom};
use posthorn_storage::{
    Before, Chunk, DeliveryOutbox, EndpointStore, EventLog, EventRecord, Progress, RecordKey, Written,
};
use reqwest::RequestBuilder;
use serde_json::Value;
use tokio::runtime::{Builder, Handle};

use super::receivers::{Protocol, Receivers};
use super::report::{Bound, Goal, Report, Row};
use super::rig;

/// The size of an event's body, in bytes.
const EVENT_BYTES: usize = 1024;
/// Number of messages in a batch.
const BATCH: usize = 10;
/// Maximum number of deliveries in an event's row. For more endpoints, `deliver` sends the deliveries, in chunks.
const CHUNK: usize = 50;
/// The invocation's deadline for a batch.
const DEADLINE: Duration = Duration::from_mins(10);

/// The function behind a queue.
fn worker(name: &str, runtime: &Runtime) -> Result<SqsFunction> {
    set_up(name, runtime)?.sqs().with_context(|| format!("the function {name} handles no messages"))
}

/// The numbers of deliveries and endpoints to measure.
#[derive(Debug, Clone)]
pub struct FanOut {
    /// The template.
    pub template: PathBuf,
    /// How the endpoints are spoken to.
    pub protocol: Protocol,
    /// Number of endpoints that want each event.
    pub endpoints: usize,
    /// Number of deliveries in a round, rounded up to full batches.
    pub deliveries: usize,
    /// Number of rounds; the median counts.
    pub rounds: usize,
}

/// Processor time per delivery, in microseconds, in the round with the median ratio.
#[derive(Debug, Clone, Copy)]
pub struct CpuPerDelivery {
    /// How the endpoints were spoken to.
    pub protocol: Protocol,
    /// Number of endpoints that wanted each event.
    pub endpoints: usize,
    /// A loop that only POSTs the same bodies with `reqwest`, with the same concurrency.
    pub bare: f64,
    /// The same loop, but it also signs each request and sends the same headers as the functions.
    pub signed: f64,
    /// The bare loop, plus the functions' calls to tables and queues.
    pub floor: f64,
    /// The functions' whole work.
    pub whole: f64,
}

impl CpuPerDelivery {
    /// The functions' work without their calls to tables and queues.
    pub fn own(&self) -> f64 {
        self.whole - (self.floor - self.bare)
    }

    /// Number of deliveries that the functions make in the time in which the signed loop makes one.
    fn ratio(&self) -> f64 {
        self.signed / self.own()
    }
}

impl FanOut {
    /// Measures the contenders alternately, batch by batch, because the speed of a shared machine changes.
    pub async fn run(&self) -> Result<CpuPerDelivery> {
        let stores = rig::stores(&self.template).await?;
        let receivers = Receivers::start(self.protocol).await?;
        let urls = (0..self.endpoints).map(|n| format!("{}/{n}", receivers.url));
        let endpoints = rig::healthy_endpoints(urls)?;
        let store = rig::runtime(&self.template, &stores, "create-endpoint")?.endpoints()?;
        for endpoint in &endpoints {
            store.create(&rig::tenant(), endpoint, self.endpoints.try_into()?).await?;
        }
        let mut rounds = Vec::new();
        for _ in 0..self.rounds {
            rounds.push(self.round(&stores, &receivers, &endpoints).await?);
        }
        stores.stop().await?;
        rounds.sort_by(|one, other| one.ratio().total_cmp(&other.ratio()));
        Ok(rounds.swap_remove(rounds.len() / 2))
    }

    /// Runs all batches on a separate thread with its own runtime, as in a function's process. The first batch is not
    /// measured: it opens connections and reads the endpoints.
    async fn round(
        &self,
        stores: &Stores,
        receivers: &Receivers,
        endpoints: &[Endpoint],
    ) -> Result<CpuPerDelivery> {
        let trusted = receivers.certificate().map(|file| ("SSL_CERT_FILE", file.display().to_string()));
        let [fan_out, deliver] = ["fan-out", "deliver"]
            .map(|name| rig::runtime_with(&self.template, stores, name, trusted.clone()));
        let (fan_out, deliver) = (fan_out?, deliver?);
        let chunks = if self.endpoints > CHUNK { BATCH * self.endpoints.div_ceil(CHUNK) } else { 0 };
        let queue = Queue { sqs: stores.sqs.clone(), others: Handle::current(), chunks };
        let (endpoints, batches) = (endpoints.to_vec(), self.deliveries.div_ceil(BATCH * self.endpoints));
        let (client, protocol) = (receivers.client()?, self.protocol);
        let work = async move || {
            let posts = Loop { client, endpoints };
            let calls = Calls {
                endpoints: deliver.endpoints()?,
                log: deliver.event_log()?,
                outbox: deliver.first_attempts_queue()?,
            };
            let functions =
                Functions { fan_out: worker("fan-out", &fan_out)?, deliver: worker("deliver", &deliver)? };
            let [mut bare, mut signed, mut floor, mut whole] = [Duration::ZERO; 4];
            for number in 0..=batches {
                if number == 1 {
                    [bare, signed, floor, whole] = [Duration::ZERO; 4];
                }
                let batch = Batch::new()?;
                bare += timed(posts.batch(&batch, bare_headers)).await?;
                signed += timed(posts.batch(&batch, signed_headers)).await?;
                floor += timed(posts.batch_with_calls(&batch, &calls)).await?;
                // The messages that it has queued must not reach the functions.
                queue.emptied().await?;
                whole += timed(invoke(&functions.fan_out, rig::batch(batch.messages))).await?;
                for chunks in queue.emptied().await? {
                    whole += timed(invoke(&functions.deliver, chunks)).await?;
                }
            }
            let deliveries = u32::try_from(batches * BATCH * posts.endpoints.len())?;
            let micros = |time: Duration| time.as_secs_f64() * 1e6 / f64::from(deliveries);
            let [bare, signed, floor, whole] = [bare, signed, floor, whole].map(micros);
            Ok(CpuPerDelivery { protocol, endpoints: posts.endpoints.len(), bare, signed, floor, whole })
        };
        let runtime = || Builder::new_current_thread().enable_all().build();
        tokio::task::spawn_blocking(move || runtime()?.block_on(work())).await?
    }
}

/// The events of a batch, in the form that each contender needs.
struct Batch {
    events: Vec<(Event, Bytes)>,
    messages: Vec<String>,
}

impl Batch {
    fn new() -> Result<Self> {
        let event = |_| {
            let event = accepted(&rig::event(EVENT_BYTES))?;
            let body = Bytes::from(event.to_json());
            Ok((event, body))
        };
        let events = (0..BATCH).map(event).collect::<Result<_>>()?;
        let messages = (0..BATCH).map(|_| rig::message(&rig::event(EVENT_BYTES)));
        Ok(Self { events, messages: messages.collect() })
    }
}

/// The functions, called directly instead of by AWS.
struct Functions {
    fan_out: SqsFunction,
    deliver: SqsFunction,
}

/// A loop that only sends POST requests: as many as the functions, with the same concurrency.
struct Loop {
    client: reqwest::Client,
    endpoints: Vec<Endpoint>,
}

impl Loop {
    async fn batch(&self, batch: &Batch, headers: Headers) -> Result<()> {
        for part in self.endpoints.chunks(CHUNK) {
            let posts = batch.events.iter().map(|(event, body)| self.post(event, body, part, headers));
            try_join_all(posts).await?;
        }
        Ok(())
    }

    /// The bare loop, plus the functions' calls to tables and queues for such events.
    async fn batch_with_calls(&self, batch: &Batch, calls: &Calls) -> Result<()> {
        calls.of_batches(&self.endpoints).await?;
        let events = batch.events.iter().map(|(event, body)| async move {
            for part in self.endpoints.chunks(CHUNK) {
                self.post(event, body, part, bare_headers).await?;
            }
            calls.of(event, body, &self.endpoints).await
        });
        try_join_all(events).await?;
        Ok(())
    }

    async fn post(&self, event: &Event, body: &Bytes, part: &[Endpoint], headers: Headers) -> Result<()> {
        let posts = part.iter().map(|endpoint| async move {
            let request = self.client.post(endpoint.url.as_str()).header("content-type", "application/json");
            let answer = headers(request, endpoint, event.id, body).body(body.clone()).send().await?;
            ensure!(answer.status() == StatusCode::OK, "the receiver returned {}", answer.status());
            answer.bytes().await?;
            Ok(())
        });
        try_join_all(posts).await?;
        Ok(())
    }
}

/// Adds a request's headers, except its content type.
type Headers = fn(RequestBuilder, &Endpoint, EventId, &Bytes) -> RequestBuilder;

fn bare_headers(request: RequestBuilder, _: &Endpoint, _: EventId, _: &Bytes) -> RequestBuilder {
    request
}

fn signed_headers(request: RequestBuilder, endpoint: &Endpoint, id: EventId, body: &Bytes) -> RequestBuilder {
    let now = SystemClock.now();
    request
        .header("user-agent", "Posthorn")
        .header("webhook-id", id.to_string())
        .header("webhook-timestamp", now.as_seconds())
        .header("webhook-signature", sign(endpoint.signing_secrets(now), id, now, body))
}

/// The first attempts queue, with the messages that a batch produces.
struct Queue {
    sqs: String,
    /// The runtime that does the work of SQS and of its poller.
    others: Handle,
    chunks: usize,
}

impl Queue {
    /// Removes and returns the messages, in batches.
    async fn emptied(&self) -> Result<Vec<SqsEvent>> {
        let (mut batches, mut left) = (Vec::new(), self.chunks);
        while left > 0 {
            let messages = self.others.spawn(receive(self.sqs.clone())).await??;
            left = left.saturating_sub(messages.len());
            batches.push(rig::batch(messages));
        }
        Ok(batches)
    }
}

/// The calls that fan-out makes for an event, and `deliver` for its chunks.
struct Calls {
    endpoints: EndpointStore,
    log: EventLog,
    outbox: DeliveryOutbox,
}

impl Calls {
    /// The calls that are made once per batch: fan-out's, and those of each `deliver` batch that the chunks make.
    async fn of_batches(&self, endpoints: &[Endpoint]) -> Result<()> {
        let chunks = if endpoints.len() > CHUNK { endpoints.len().div_ceil(CHUNK) } else { 0 };
        for _ in 0..=chunks {
            self.endpoints.latest(&rig::tenant()).await?;
        }
        Ok(())
    }

    async fn of(&self, event: &Event, body: &Bytes, endpoints: &[Endpoint]) -> Result<()> {
        let now = SystemClock.now();
        let key = RecordKey { tenant: rig::tenant(), event_id: event.id, chunk: None };
        let body = str::from_utf8(body)?.into();
        let mut record =
            EventRecord { body, chunks: Vec::new(), deliveries: Vec::new(), only: None, expires_at: None };
        if endpoints.len() <= CHUNK {
            record.deliveries = endpoints.iter().map(|endpoint| delivered(endpoint, now)).collect();
            return new(self.log.create(&key, &event.draft.event_type, &record, now).await?);
        }
        let mut messages = Vec::new();
        for (number, endpoints) in (0..).zip(endpoints.chunks(CHUNK)) {
            let chunk = RecordKey { chunk: Some(number), ..key.clone() };
            let due: Vec<_> = endpoints.iter().map(|endpoint| Delivery::due(endpoint.id, now)).collect();
            new(self.log.create_chunk(&chunk, &due, now).await?)?;
            record.chunks.push(Chunk { number, first: endpoints[0].id });
            let (tenant, event_id) = (key.tenant.clone(), key.event_id);
            let message = DeliveryMessage { tenant, event_id, chunk: chunk.chunk, work: DeliveryWork::Chunk };
            messages.push((message, Duration::ZERO));
        }
        new(self.log.create(&key, &event.draft.event_type, &record, now).await?)?;
        self.outbox.send(&messages).await?;
        for (number, endpoints) in (0..).zip(endpoints.chunks(CHUNK)) {
            let chunk = RecordKey { chunk: Some(number), ..key.clone() };
            self.log.get(&key.tenant, key.event_id).await?;
            self.log.get_chunk(&chunk).await?;
            let after: Vec<_> = endpoints.iter().map(|endpoint| delivered(endpoint, now)).collect();
            let progress = after.iter().map(|delivery| {
                let before = Before { attempts: 0, status: DeliveryStatus::Pending, recovered_after: 0 };
                Progress { delivery, before }
            });
            new(self.log.advance(&chunk, &progress.collect::<Vec<_>>(), now).await?)?;
        }
        Ok(())
    }
}

fn new(written: Written) -> Result<()> {
    ensure!(written == Written::Now, "the record already exists");
    Ok(())
}

/// The event that fan-out reads from a message.
fn accepted(event: &Value) -> Result<Event> {
    let message_id = format!("{:032x}", SystemRandom.bits());
    let sent = EventMessage::parse(&rig::message(event))?;
    Ok(sent.into_event(&message_id, SystemClock.now(), EventShards::ONE)?.1)
}

/// A delivery whose first attempt succeeded.
fn delivered(endpoint: &Endpoint, at: Timestamp) -> Delivery {
    let attempt = Attempt { duration: Duration::from_millis(1), code: Some(200), ..Attempt::begun(at) };
    Delivery {
        status: DeliveryStatus::Succeeded,
        next_attempt_at: None,
        attempts: vec![attempt],
        ..Delivery::due(endpoint.id, at)
    }
}

/// Passes a batch to a function. Errors if a message fails.
async fn invoke(function: &SqsFunction, batch: SqsEvent) -> Result<()> {
    let answer = function(batch, SystemClock.now().plus(DEADLINE)).await;
    let failures = answer.map_err(anyhow::Error::from_boxed)?.batch_item_failures;
    ensure!(failures.is_empty(), "the function could not handle {} messages", failures.len());
    Ok(())
}

/// Receives the next messages of the first attempts queue.
async fn receive(sqs: String) -> Result<Vec<String>> {
    let (client, url) = (clients::sqs(&sqs), queue_url(&sqs, "FirstAttemptsQueue"));
    let received = client.receive_message().queue_url(&url).max_number_of_messages(10).wait_time_seconds(5);
    let messages = received.send().await?.messages.unwrap_or_default();
    for message in &messages {
        let handle = message.receipt_handle().unwrap_or_default();
        client.delete_message().queue_url(&url).receipt_handle(handle).send().await?;
    }
    Ok(messages.into_iter().filter_map(|message| message.body).collect())
}

/// Measures the processor time that this thread uses for `work`.
async fn timed(work: impl Future<Output = Result<()>>) -> Result<Duration> {
    let began = ThreadTime::now();
    work.await?;
    Ok(began.elapsed())
}

/// The figures as a report.
pub(super) fn report(found: &[CpuPerDelivery]) -> Report {
    let rows = found.iter().map(|cpu| {
        Row::default()
            .text("protocol", cpu.protocol)
            .count("endpoints", cpu.endpoints)
            .number("bare_loop_us", cpu.bare)
            .number("signed_loop_us", cpu.signed)
            .number("with_calls_us", cpu.floor)
            .number("functions_us", cpu.whole)
            .number("without_calls_us", cpu.own())
            .number("deliveries_per_cpu_second", 1e6 / cpu.own())
            .number("of_the_bare_loop's", cpu.bare / cpu.own())
            .number("of_the_signed_loop's", cpu.ratio())
    });
    let goals = found.iter().map(|cpu| Goal {
        what: format!(
            "deliveries per CPU second at {} endpoints ({}), of the signed loop's",
            cpu.endpoints, cpu.protocol
        ),
        bound: Bound::AtLeast(match cpu.endpoints {
            0..10 => 0.8,
            10..100 => 0.9,
            _ => 0.95,
        }),
        measured: cpu.ratio(),
    });
    Report { benchmark: "fan-out", rows: rows.collect(), goals: goals.collect() }
}
