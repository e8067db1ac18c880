//! Measures a sweep of many retries that are due in the same minute.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, anyhow};
use aws_sdk_dynamodb::types::AttributeValue;
use aws_sdk_sqs::types::{QueueAttributeName, SendMessageBatchRequestEntry};
use cpu_time::ThreadTime;
use futures::{StreamExt as _, TryStreamExt as _, stream};
use posthorn_domain::{
    Clock as _, DeliveryMessage, DeliveryWork, EndpointId, EventId, Partition, Random as _, Timestamp,
};
use posthorn_functions::set_up;
use posthorn_local::proxy::Proxy;
use posthorn_local::{FunctionsOptions, Stores, runtime_of};
use posthorn_local_aws::clients;
use posthorn_local_aws::template::queue_url;
use posthorn_runtime::{ScheduleFunction, SystemClock, SystemRandom};
use posthorn_storage::{DueRetries, Minute, Written};
use tokio::runtime::Builder;

use super::cost::{MILLION, Prices, WHOLE_PROCESSOR_MB};
use super::meter::{Meter, Used};
use super::report::{Bound, Goal, Report, Row};
use super::rig;

/// The due table.
const TABLE: &str = "DueTable";
/// The queue that retries go to.
const QUEUE: &str = "DeliveriesQueue";
/// The retries are due in the next minute. A sweep that begins in this minute covers it.
const AHEAD: Duration = Duration::from_mins(1);
/// The deadline of a sweep's invocation.
const DEADLINE: Duration = Duration::from_secs(55);
/// The size of a retry's message.
const BODY_BYTES: usize = 160;
/// The calls that a sweep makes, and their names in the printed table.
const OPERATIONS: [(&str, &str); 3] =
    [("queries", "Query"), ("writes", "PutItem"), ("sqs_calls", "SendMessageBatch")];
/// Number of rows written at the same time.
const AT_ONCE: usize = 64;
/// Number of concurrent calls of the bare loop: as many as the sweep makes, eight for each shard.
const CALLS: usize = 32;
/// The memory of most functions, in MB. It comes with a seventh of a processor.
const SMALL_MEMORY_MB: f64 = 256.0;

/// The parameters of the measurement.
#[derive(Debug, Clone)]
pub struct Sweep {
    /// The template.
    pub template: PathBuf,
    /// Number of retries that are due in the minute.
    pub rows: usize,
    /// Whether each shard also has two rows that cannot be sent: one that cannot be read, and one that SQS refuses.
    pub with_bad_ones: bool,
}

/// The result of the measurement.
#[derive(Debug, Clone)]
pub struct SweepCost {
    /// Number of retries that were due.
    pub rows: usize,
    /// Number of messages on the queue afterwards.
    pub sent: u64,
    /// Time of the sweeps: usually one, or more if one was not enough.
    pub took: Duration,
    /// The processor time of the function.
    pub cpu: Duration,
    /// The processor time of a loop that makes the same calls to the queue, and nothing else.
    pub bare_cpu: Duration,
    /// Number of calls of each operation.
    pub calls: Vec<(String, u64)>,
    /// Cost of sweeping a million retries, in dollars.
    pub dollars_per_million: f64,
}

impl SweepCost {
    /// Number of calls of an operation.
    pub fn calls_of(&self, operation: &str) -> u64 {
        self.calls.iter().filter(|(name, _)| name == operation).map(|(_, calls)| calls).sum()
    }
}

impl Sweep {
    /// Sweeps twice, each time with new tables and queues: once to measure time, once through proxies that count calls.
    pub async fn run(&self) -> Result<SweepCost> {
        let (took, cpu, bare_cpu) = self.timed().await?;
        let (sent, used) = self.counted().await?;
        let units = |counts: fn(&str) -> bool| {
            let counted = used.iter().filter(|((_, operation), _)| counts(operation));
            counted.map(|(_, used)| used.units).sum::<f64>()
        };
        let prices = Prices::read()?;
        let gigabyte_seconds = took.as_secs_f64() * WHOLE_PROCESSOR_MB / 1024.0;
        let dollars = units(|operation| operation == "Query" || operation == "Scan")
            * prices.dynamodb_read_units_per_million
            / MILLION
            + units(|operation| operation.ends_with("Item")) * prices.dynamodb_write_units_per_million
                / MILLION
            + units(|operation| operation.starts_with("SendMessage")) * prices.sqs_requests_per_million
                / MILLION
            + gigabyte_seconds * prices.lambda_arm64_gb_second
            + prices.lambda_requests_per_million / MILLION;
        #[expect(clippy::cast_precision_loss, reason = "there are not as many rows")]
        let dollars_per_million = dollars * MILLION / self.rows as f64;
        let calls = used.into_iter().map(|((_, operation), used)| (operation, used.calls)).collect();
        Ok(SweepCost { rows: self.rows, sent, took, cpu, bare_cpu, calls, dollars_per_million })
    }

    /// Returns the time of a sweep, its processor time, and that of a bare loop. The function and the loop each run on
    /// a separate thread with its own runtime.
    async fn timed(&self) -> Result<(Duration, Duration, Duration)> {
        let stores = rig::stores(&self.template).await?;
        let function = self.function(&stores.dynamodb, &stores.sqs)?;
        self.fill(&stores).await?;
        let (took, cpu) = on_a_thread(async move || sweep(&function).await).await?;
        let (sqs, rows) = (stores.sqs.clone(), self.rows);
        let (_, bare_cpu) = on_a_thread(async move || bare(&sqs, rows).await).await?;
        stores.stop().await?;
        Ok((took, cpu, bare_cpu))
    }

    /// Returns the number of messages that a sweep sends, and the calls that it makes.
    async fn counted(&self) -> Result<(u64, Vec<((String, String), Used)>)> {
        let stores = rig::stores(&self.template).await?;
        let (tables, queues) = (
            Proxy::start(&stores.dynamodb, Meter::default()).await?,
            Proxy::start(&stores.sqs, Meter::default()).await?,
        );
        let function = self.function(&tables.url, &queues.url)?;
        self.fill(&stores).await?;
        sweep(&function).await?;
        let used = tables.gate.take().into_iter().chain(queues.gate.take()).collect();
        let sent = sent(&stores.sqs).await?;
        stores.stop().await?;
        Ok((sent, used))
    }

    fn function(&self, dynamodb: &str, sqs: &str) -> Result<ScheduleFunction> {
        let options = FunctionsOptions {
            template: self.template.clone(),
            dynamodb: dynamodb.to_owned(),
            sqs: sqs.to_owned(),
            ..FunctionsOptions::default()
        };
        let runtime = runtime_of("sweep-due", &options)?;
        set_up("sweep-due", &runtime)?.schedule().context("sweep-due has no schedule")
    }

    /// Writes the retries, and the progress of earlier sweeps, to the table.
    async fn fill(&self, stores: &Stores) -> Result<()> {
        let table = clients::dynamodb(&stores.dynamodb);
        let (due, now) = (DueRetries::new(table.clone(), TABLE.to_owned()), SystemClock.now());
        let minute = Minute::of(now.plus(AHEAD));
        // No other sweep has run.
        let _: Written = due.raise_floor(Minute::of(now)).await?;
        let partition = Partition::of(&rig::EVENT_TYPE.parse().map_err(anyhow::Error::msg)?);
        let at = Timestamp::from_millis(minute.0 * 60_000).plus(Duration::from_secs(30));
        let retries: Vec<_> = (0..self.rows)
            .map(|_| {
                let endpoint_id = EndpointId::new(now, &SystemRandom);
                let work = DeliveryWork::Attempt { endpoint_id, attempt: 4 };
                let event_id = EventId::new(now, partition, SystemRandom.bits());
                [(DeliveryMessage { tenant: rig::tenant(), event_id, chunk: None, work }, at)]
            })
            .collect();
        let puts: Vec<_> = retries.iter().map(|retry| due.put(retry)).collect();
        stream::iter(puts).buffer_unordered(AT_ONCE).try_collect::<()>().await?;
        if self.with_bad_ones {
            for shard in 0..DueRetries::SHARDS {
                put_bad_rows(&table, minute, shard).await?;
            }
        }
        Ok(())
    }
}

/// Writes a row that cannot be read, and one whose message SQS refuses.
async fn put_bad_rows(table: &aws_sdk_dynamodb::Client, minute: Minute, shard: u32) -> Result<()> {
    let row = |name: &str| {
        let put = table.put_item().table_name(TABLE);
        let put = put.item("pk", AttributeValue::S(format!("due#{}#{shard}", minute.0)));
        let put = put.item("sk", AttributeValue::S(format!("{:013}#{name}", minute.0 * 60_000)));
        put.item("group", AttributeValue::S("wh".to_owned()))
    };
    row("unreadable").send().await?;
    row("unsendable").item("body", AttributeValue::S("\u{1}".to_owned())).send().await?;
    Ok(())
}

/// Runs one sweep.
async fn sweep(function: &ScheduleFunction) -> Result<()> {
    function(SystemClock.now().plus(DEADLINE)).await.map_err(|error| anyhow!(error))
}

/// Sends the same number of messages of the same size in a loop, ten in a call.
async fn bare(sqs: &str, rows: usize) -> Result<()> {
    let (client, url) = (clients::sqs(sqs), queue_url(sqs, QUEUE));
    let body = "x".repeat(BODY_BYTES);
    let calls = (0..rows.div_ceil(10)).map(|_| {
        let entries = (0..10).map(|n| {
            let entry = SendMessageBatchRequestEntry::builder().id(n.to_string()).message_body(&body);
            entry.message_group_id("wh").delay_seconds(60).build().expect("id and body are set")
        });
        client.send_message_batch().queue_url(&url).set_entries(Some(entries.collect())).send()
    });
    let calls: Vec<_> = calls.collect();
    stream::iter(calls).buffer_unordered(CALLS).map_ok(|_| ()).try_collect::<()>().await?;
    Ok(())
}

/// Runs `work` on a separate thread. Returns the time it took, and the thread's processor time.
async fn on_a_thread(
    work: impl AsyncFnOnce() -> Result<()> + Send + 'static,
) -> Result<(Duration, Duration)> {
    let timed = move || {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let (began, cpu) = (Instant::now(), ThreadTime::now());
        runtime.block_on(work())?;
        Ok((began.elapsed(), cpu.elapsed()))
    };
    tokio::task::spawn_blocking(timed).await?
}

/// Number of messages on the deliveries queue, including delayed ones.
async fn sent(sqs: &str) -> Result<u64> {
    let ask = clients::sqs(sqs).get_queue_attributes().queue_url(queue_url(sqs, QUEUE));
    let attributes =
        ask.attribute_names(QueueAttributeName::All).send().await?.attributes.unwrap_or_default();
    let numbers = attributes.iter().filter(|(name, _)| name.as_str().starts_with("ApproximateNumber"));
    numbers.map(|(_, number)| Ok(number.parse::<u64>()?)).sum()
}

/// The figures as a report. The goal is to send a minute's retries within a minute.
pub(super) fn report(cost: &SweepCost) -> Report {
    let micros = |time: Duration| {
        time.as_secs_f64() * MILLION / f64::from(u32::try_from(cost.rows).unwrap_or(u32::MAX))
    };
    let row = Row::default()
        .count("retries", cost.rows)
        .count("sent", cost.sent)
        .number("seconds", cost.took.as_secs_f64())
        .number("cpu_us_a_retry", micros(cost.cpu))
        .number("bare_loop_cpu_us", micros(cost.bare_cpu));
    let row = OPERATIONS.iter().fold(row, |row, (name, operation)| row.count(name, cost.calls_of(operation)));
    let row = row.number("dollars_per_million", cost.dollars_per_million);
    let on_a_seventh = cost.cpu.as_secs_f64() * WHOLE_PROCESSOR_MB / SMALL_MEMORY_MB;
    let goal = |what: &str, measured| Goal { what: what.to_owned(), bound: Bound::AtMost(60.0), measured };
    let goals = vec![
        goal("seconds until all have left", cost.took.as_secs_f64()),
        goal("seconds of a seventh of a processor, by the processor time used", on_a_seventh),
    ];
    Report { benchmark: "sweep", rows: vec![row], goals }
}
