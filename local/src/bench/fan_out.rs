//! What a delivery costs the processor in fan-out, beside a loop that does nothing but POST.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use axum::body::Bytes;
use cpu_time::ThreadTime;
use futures::future::try_join_all;
use http::StatusCode;
use posthorn_domain::{
    Attempt, Clock as _, Delivery, DeliveryMessage, DeliveryStatus, DeliveryWork, Endpoint, Event,
    EventMessage, Random as _, Timestamp,
};
use posthorn_local_aws::clients;
use posthorn_local_aws::template::queue_url;
use posthorn_runtime::{SqsFunction, SystemClock, SystemRandom};
use posthorn_storage::{Chunk, DeliveryOutbox, EventLog, EventRecord, Progress, RecordKey, Written};
use serde_json::Value;
use tokio::runtime::{Builder, Handle};

use super::report::{Bound, Goal, Report, Row};
use super::rig;
use crate::{Receiver, Stores};

/// The size of an event's body, in bytes.
const EVENT_BYTES: usize = 1024;
/// How many messages a batch has.
const BATCH: usize = 10;
/// How many endpoints' deliveries a row takes; more are sent by `deliver`, in chunks.
const CHUNK: usize = 50;
/// How long a batch may take, by Lambda's clock.
const DEADLINE: Duration = Duration::from_mins(10);

/// What is measured: how many deliveries, to how many endpoints each event.
#[derive(Debug, Clone)]
pub struct FanOut {
    /// The template.
    pub template: PathBuf,
    /// How many endpoints want each event.
    pub endpoints: usize,
    /// How many deliveries are made in a round; a whole number of full batches is.
    pub deliveries: usize,
    /// How often it is all done; the medians count.
    pub rounds: usize,
}

/// Processor time per delivery, in microseconds: the medians of the rounds.
#[derive(Debug, Clone, Copy)]
pub struct CpuPerDelivery {
    /// How many endpoints wanted each event.
    pub endpoints: usize,
    /// A loop that POSTs the same bodies with the same client, as many at once, and nothing else.
    pub bare: f64,
    /// The same loop, with the calls to tables and queues that the functions make.
    pub floor: f64,
    /// All that the functions do.
    pub whole: f64,
}

impl CpuPerDelivery {
    /// What the functions do but for their calls to tables and queues.
    pub fn own(&self) -> f64 {
        self.whole - (self.floor - self.bare)
    }
}

impl FanOut {
    /// Measures, each thing in turn, as often as there are rounds.
    pub async fn run(&self) -> Result<CpuPerDelivery> {
        let stores = rig::stores(&self.template).await?;
        let mut receiver = Receiver::start(0, |_, _| StatusCode::OK).await?;
        let url = receiver.url.clone();
        let drain = tokio::spawn(async move {
            loop {
                receiver.next().await;
            }
        });
        let endpoints = rig::healthy_endpoints((0..self.endpoints).map(|n| format!("{url}/{n}")))?;
        let store = rig::runtime(&self.template, &stores, "create-endpoint")?.endpoints()?;
        for endpoint in &endpoints {
            store.create(&rig::tenant(), endpoint, self.endpoints.try_into()?).await?;
        }
        let (mut bare, mut floor, mut whole) = (Vec::new(), Vec::new(), Vec::new());
        for _ in 0..self.rounds {
            bare.push(self.bare(&endpoints).await?);
            floor.push(self.floor(&stores, &endpoints).await?);
            whole.push(self.whole(&stores).await?);
        }
        drain.abort();
        stores.stop().await?;
        let [bare, floor, whole] = [bare, floor, whole].map(|times| self.per_delivery(times));
        Ok(CpuPerDelivery { endpoints: self.endpoints, bare, floor, whole })
    }

    /// How many messages to `deliver` a batch of events makes.
    fn chunks(&self) -> usize {
        if self.endpoints > CHUNK { BATCH * self.endpoints.div_ceil(CHUNK) } else { 0 }
    }

    fn batches(&self) -> usize {
        self.deliveries.div_ceil(BATCH * self.endpoints)
    }

    #[expect(clippy::cast_precision_loss, reason = "they are not that many")]
    fn per_delivery(&self, mut times: Vec<Duration>) -> f64 {
        times.sort_unstable();
        times[times.len() / 2].as_secs_f64() * 1e6 / (self.batches() * BATCH * self.endpoints) as f64
    }

    /// Events for the batches, and for one before them that is not measured: it opens connections and reads the endpoints.
    fn events(&self) -> Result<Vec<Vec<Event>>> {
        let batch = |_| (0..BATCH).map(|_| accepted(&rig::event(EVENT_BYTES))).collect();
        (0..=self.batches()).map(batch).collect()
    }

    /// A loop that does nothing but POST: as many requests as fan-out makes, as many at once.
    async fn bare(&self, endpoints: &[Endpoint]) -> Result<Duration> {
        let urls: Vec<String> = endpoints.iter().map(|endpoint| endpoint.url.to_string()).collect();
        let events = self.events()?;
        on_a_thread(move || async move {
            let client = reqwest::Client::builder().no_proxy().build()?;
            let bodies =
                events.iter().map(|batch| batch.iter().map(|event| Bytes::from(event.to_json())).collect());
            let bodies: Vec<Vec<Bytes>> = bodies.collect();
            let (client, urls) = (&client, &urls);
            timed(&bodies, async |batch| {
                for part in urls.chunks(CHUNK) {
                    let posts =
                        batch.iter().flat_map(|body| part.iter().map(|url| post(client, url, body.clone())));
                    try_join_all(posts).await?;
                }
                Ok(())
            })
            .await
        })
        .await
    }

    /// The functions' work: that of `fan-out`, and that of `deliver` where events go to more endpoints than a row takes.
    async fn whole(&self, stores: &Stores) -> Result<Duration> {
        let [fan_out, deliver] =
            ["fan-out", "deliver"].map(|name| rig::runtime(&self.template, stores, name));
        let (fan_out, deliver) = (fan_out?, deliver?);
        let (sqs, main, chunks) = (stores.sqs.clone(), Handle::current(), self.chunks());
        let batches = (0..=self.batches())
            .map(|_| (0..BATCH).map(|_| rig::message(&rig::event(EVENT_BYTES))).collect());
        let batches: Vec<Vec<String>> = batches.collect();
        on_a_thread(move || async move {
            let (fan_out, deliver) = (fan_out::function(&fan_out)?, deliver::function(&deliver)?);
            timed(&batches, async |batch| {
                invoke(&fan_out, batch.iter().cloned()).await?;
                let mut left = chunks;
                while left > 0 {
                    // What SQS and its poller do is done by other threads.
                    let messages = main.spawn(receive(sqs.clone())).await??;
                    left -= messages.len();
                    invoke(&deliver, messages).await?;
                }
                Ok(())
            })
            .await
        })
        .await
    }

    /// The same loop, which also makes the calls to tables and queues that the functions make for such events.
    async fn floor(&self, stores: &Stores, endpoints: &[Endpoint]) -> Result<Duration> {
        let runtime = rig::runtime(&self.template, stores, "deliver")?;
        let (endpoints, events) = (endpoints.to_vec(), self.events()?);
        let (sqs, main, chunks) = (stores.sqs.clone(), Handle::current(), self.chunks());
        on_a_thread(move || async move {
            let client = reqwest::Client::builder().no_proxy().build()?;
            let calls = Calls { log: runtime.event_log()?, outbox: runtime.deliveries()?, endpoints };
            let (client, calls) = (&client, &calls);
            timed(&events, async |batch| {
                try_join_all(batch.iter().map(|event| async move {
                    let body = Bytes::from(event.to_json());
                    for part in calls.endpoints.chunks(CHUNK) {
                        try_join_all(part.iter().map(|to| post(client, to.url.as_str(), body.clone())))
                            .await?;
                    }
                    calls.of(event).await
                }))
                .await?;
                // What it has queued must not be found by the functions.
                let mut left = chunks;
                while left > 0 {
                    left -= main.spawn(receive(sqs.clone())).await??.len();
                }
                Ok(())
            })
            .await
        })
        .await
    }
}

/// The calls that fan-out makes for an event, and `deliver` for its chunks.
struct Calls {
    log: EventLog,
    outbox: DeliveryOutbox,
    endpoints: Vec<Endpoint>,
}

impl Calls {
    async fn of(&self, event: &Event) -> Result<()> {
        let now = SystemClock.now();
        let key = RecordKey { tenant: rig::tenant(), event_id: event.id, chunk: None };
        let mut record =
            EventRecord { body: event.to_json(), chunks: Vec::new(), deliveries: Vec::new(), only: None };
        if self.endpoints.len() <= CHUNK {
            record.deliveries = self.endpoints.iter().map(|endpoint| delivered(endpoint, now)).collect();
            return new(self.log.create(&key, &event.draft.event_type, &record, now).await?);
        }
        let mut messages = Vec::new();
        for (number, endpoints) in (0..).zip(self.endpoints.chunks(CHUNK)) {
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
        for (number, endpoints) in (0..).zip(self.endpoints.chunks(CHUNK)) {
            let chunk = RecordKey { chunk: Some(number), ..key.clone() };
            self.log.get(&key.tenant, key.event_id).await?;
            self.log.get_chunk(&chunk).await?;
            let after: Vec<_> = endpoints.iter().map(|endpoint| delivered(endpoint, now)).collect();
            let progress = after.iter().map(|delivery| Progress {
                delivery,
                status_before: DeliveryStatus::Pending,
                attempts_before: 0,
            });
            new(self.log.advance(&chunk, &progress.collect::<Vec<_>>(), now).await?)?;
        }
        Ok(())
    }
}

fn new(written: Written) -> Result<()> {
    ensure!(written == Written::Now, "it is on record already");
    Ok(())
}

/// The event that fan-out makes of a message.
fn accepted(event: &Value) -> Result<Event> {
    let message_id = format!("{:032x}", SystemRandom.bits());
    let sent = EventMessage::parse(&rig::message(event))?;
    Ok(sent.into_event(&message_id, SystemClock.now())?.1)
}

/// A delivery whose first attempt has succeeded.
fn delivered(endpoint: &Endpoint, at: Timestamp) -> Delivery {
    let attempt =
        Attempt { at, duration: Duration::from_millis(1), code: Some(200), error: None, resend: None };
    Delivery {
        status: DeliveryStatus::Succeeded,
        next_attempt_at: None,
        attempts: vec![attempt],
        ..Delivery::due(endpoint.id, at)
    }
}

async fn post(client: &reqwest::Client, url: &str, body: Bytes) -> Result<()> {
    let request = client.post(url).header("content-type", "application/json").body(body);
    let answer = request.send().await?;
    ensure!(answer.status() == StatusCode::OK, "the receiver answers {}", answer.status());
    answer.bytes().await?;
    Ok(())
}

/// Has a function handle a batch, all of it well.
async fn invoke(function: &SqsFunction, bodies: impl IntoIterator<Item = String>) -> Result<()> {
    let answer = function(rig::batch(bodies), SystemClock.now().plus(DEADLINE)).await;
    let failures = answer.map_err(anyhow::Error::from_boxed)?.batch_item_failures;
    ensure!(failures.is_empty(), "{} messages failed", failures.len());
    Ok(())
}

/// The next messages of the deliveries queue.
async fn receive(sqs: String) -> Result<Vec<String>> {
    let (client, url) = (clients::sqs(&sqs), queue_url(&sqs, "DeliveriesQueue"));
    let received = client.receive_message().queue_url(&url).max_number_of_messages(10).wait_time_seconds(5);
    let messages = received.send().await?.messages.unwrap_or_default();
    for message in &messages {
        let handle = message.receipt_handle().unwrap_or_default();
        client.delete_message().queue_url(&url).receipt_handle(handle).send().await?;
    }
    Ok(messages.into_iter().filter_map(|message| message.body).collect())
}

/// Does the work on each batch. Answers the processor time that this thread took for all but the first.
async fn timed<Batch>(batches: &[Batch], work: impl AsyncFn(&Batch) -> Result<()>) -> Result<Duration> {
    let (first, others) = batches.split_first().context("there is no batch")?;
    work(first).await?;
    let began = ThreadTime::now();
    for batch in others {
        work(batch).await?;
    }
    Ok(began.elapsed())
}

/// Does the work on a thread of its own, with a runtime of its own, as a function's process does.
async fn on_a_thread<Work>(work: impl FnOnce() -> Work + Send + 'static) -> Result<Duration>
where
    Work: Future<Output = Result<Duration>>,
{
    let worked =
        tokio::task::spawn_blocking(|| Builder::new_current_thread().enable_all().build()?.block_on(work()));
    worked.await?
}

/// The figures as a report.
pub(super) fn report(found: &[CpuPerDelivery]) -> Report {
    let ratio = |cpu: &CpuPerDelivery| cpu.bare / cpu.own();
    let rows = found.iter().map(|cpu| {
        Row::default()
            .count("endpoints", cpu.endpoints)
            .number("bare_loop_us", cpu.bare)
            .number("with_calls_us", cpu.floor)
            .number("functions_us", cpu.whole)
            .number("without_calls_us", cpu.own())
            .number("deliveries_per_cpu_second", 1e6 / cpu.own())
            .number("of_the_bare_loop's", ratio(cpu))
    });
    let goals = found.iter().map(|cpu| Goal {
        what: format!("deliveries per CPU second at {} endpoints, of the bare loop's", cpu.endpoints),
        bound: Bound::AtLeast(0.8),
        measured: ratio(cpu),
    });
    Report { benchmark: "fan-out", rows: rows.collect(), goals: goals.collect() }
}
