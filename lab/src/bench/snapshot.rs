//! Measures how a worker reads an account's endpoints: all of them at first, then the changes.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use aws_sdk_dynamodb::types::{AttributeValue, PutRequest, WriteRequest};
use cpu_time::ThreadTime;
use futures::{StreamExt as _, TryStreamExt as _, stream};
use posthorn_delivery::{Moment, QueueMessage, Snapshots};
use posthorn_domain::{Clock as _, Endpoint, EndpointId, EventType, Health, HealthState, WebhookUrl};
use posthorn_local::proxy::Proxy;
use posthorn_local::{FunctionsOptions, Stores, runtime_of};
use posthorn_local_aws::clients;
use posthorn_runtime::{SystemClock, SystemRandom};
use posthorn_storage::{EndpointStore, StorageError, Written};

use super::meter::Meter;
use super::processes::Usage;
use super::report::{Report, Row};
use super::rig;

/// The endpoints table.
const TABLE: &str = "EndpointsTable";
/// Number of rows that DynamoDB writes in one call.
const BATCH: usize = 25;
/// Number of these calls at the same time.
const AT_ONCE: usize = 16;
/// The invocation's timeout.
const TIMEOUT: Duration = Duration::from_mins(1);

/// The parameters of the measurement.
#[derive(Debug, Clone)]
pub struct Snapshot {
    /// The template.
    pub template: PathBuf,
    /// Number of endpoints of the account, each with one pattern.
    pub endpoints: usize,
}

/// The cost of reading the account's endpoints for one event.
#[derive(Debug, Clone, PartialEq)]
pub struct SnapshotCost {
    /// Number of endpoints of the account.
    pub endpoints: usize,
    /// What has happened since the previous event.
    pub since: &'static str,
    /// Number of calls to DynamoDB.
    pub calls: u64,
    /// Number of read units that they used.
    pub units: f64,
    /// How long it took.
    pub took: Duration,
    /// The processor time of the reader.
    pub cpu: Duration,
    /// Growth of memory, in megabytes.
    pub memory_mb: f64,
}

/// A worker's snapshots, with a proxy that counts its calls to the tables.
struct Reader {
    snapshots: Snapshots,
    tables: Proxy<Meter>,
    endpoints: usize,
}

impl Snapshot {
    /// Reads the endpoints on a cold start, after a change to one, and after a change of one's health, on a separate
    /// thread.
    pub async fn run(&self) -> Result<Vec<SnapshotCost>> {
        let stores = rig::stores(&self.template).await?;
        let store = EndpointStore::new(clients::dynamodb(&stores.dynamodb), TABLE.to_owned());
        let last = self.fill(&stores, &store).await?;
        let tables = Proxy::start(&stores.dynamodb, Meter::default()).await?;
        let options = FunctionsOptions {
            template: self.template.clone(),
            dynamodb: tables.url.clone(),
            sqs: stores.sqs.clone(),
            ..FunctionsOptions::default()
        };
        let snapshots = runtime_of("fan-out", &options)?.snapshots()?;
        let reader = Reader { snapshots, tables, endpoints: self.endpoints };
        let handle = tokio::runtime::Handle::current();
        let measured = tokio::task::spawn_blocking(move || {
            let costs = [
                ("the process began", reader.measured(&handle)?),
                ("nothing happened", reader.measured(&handle)?),
                ("one endpoint was changed", {
                    handle.block_on(change(&store, last))?;
                    reader.measured(&handle)?
                }),
                ("one endpoint's health changed", {
                    handle.block_on(flip(&store, last))?;
                    reader.measured(&handle)?
                }),
            ];
            anyhow::Ok(costs.map(|(since, cost)| SnapshotCost { since, ..cost }).to_vec())
        });
        let costs = measured.await??;
        stores.stop().await?;
        Ok(costs)
    }

    /// Writes the endpoints to the table. Returns the last one's id.
    async fn fill(&self, stores: &Stores, store: &EndpointStore) -> Result<EndpointId> {
        let [first] = rig::healthy_endpoints(["https://hooks.example/0".to_owned()])?
            .try_into()
            .map_err(|_| anyhow::anyhow!("one URL should make one endpoint"))?;
        store.create(&rig::tenant(), &first, u32::MAX).await?;
        let table = clients::dynamodb(&stores.dynamodb);
        let key = |sk: String| [("pk".to_owned(), rig::tenant().to_string()), ("sk".to_owned(), sk)];
        let key = key(format!("endpoint#{}", first.id)).map(|(name, value)| (name, AttributeValue::S(value)));
        let row = table.get_item().table_name(TABLE).set_key(Some(key.into())).send().await?.item;
        let row = row.context("the first endpoint has no row")?;
        let ids: Vec<_> =
            (1..self.endpoints).map(|_| EndpointId::new(SystemClock.now(), &SystemRandom)).collect();
        let puts: Vec<_> = (1..)
            .zip(&ids)
            .map(|(number, id)| {
                let mut row = row.clone();
                let pattern = AttributeValue::S(format!("other_{number}.event"));
                row.insert("sk".to_owned(), AttributeValue::S(format!("endpoint#{id}")));
                row.insert("url".to_owned(), AttributeValue::S(format!("https://hooks.example/{number}")));
                row.insert("enabled_events".to_owned(), AttributeValue::L(vec![pattern]));
                let put = PutRequest::builder().set_item(Some(row)).build().expect("the item is set");
                WriteRequest::builder().put_request(put).build()
            })
            .collect();
        let writes: Vec<_> = puts
            .chunks(BATCH)
            .map(|puts| table.batch_write_item().request_items(TABLE, puts.to_vec()).send())
            .collect();
        stream::iter(writes).buffer_unordered(AT_ONCE).map_ok(|_| ()).try_collect::<()>().await?;
        Ok(*ids.last().unwrap_or(&first.id))
    }
}

impl Reader {
    fn measured(&self, handle: &tokio::runtime::Handle) -> Result<SnapshotCost> {
        let event_type: EventType = rig::EVENT_TYPE.parse().map_err(anyhow::Error::msg)?;
        let message = QueueMessage {
            id: String::new(),
            body: String::new(),
            sent_at: SystemClock.now(),
            received: Moment::now(),
            receive_count: 1,
            deadline: SystemClock.now().plus(TIMEOUT),
        };
        self.tables.gate.take();
        let before = Usage::of_self()?.resident_mb;
        let (began, cpu) = (Instant::now(), ThreadTime::now());
        let subscriptions = handle.block_on(self.snapshots.get(&rig::tenant(), &message))?;
        let (took, cpu) = (began.elapsed(), cpu.elapsed());
        let memory_mb = Usage::of_self()?.resident_mb - before;
        let found = subscriptions.matching(&event_type).len();
        ensure!(found == 1, "{found} endpoints were found, but 1 matches");
        let used = self.tables.gate.take();
        let (calls, units) =
            (used.values().map(|used| used.calls).sum(), used.values().map(|used| used.units).sum());
        Ok(SnapshotCost { endpoints: self.endpoints, since: "", calls, units, took, cpu, memory_mb })
    }
}

/// An owner changes an endpoint.
async fn change(store: &EndpointStore, id: EndpointId) -> Result<()> {
    let url: WebhookUrl = "https://elsewhere.example/".parse().map_err(anyhow::Error::msg)?;
    let move_there = |endpoint| Ok::<_, StorageError>(Endpoint { url: url.clone(), ..endpoint });
    store.update(&rig::tenant(), id, move_there).await?.context("there is no such endpoint")?;
    Ok(())
}

/// An endpoint begins to fail.
async fn flip(store: &EndpointStore, id: EndpointId) -> Result<()> {
    let endpoint = store.get(&rig::tenant(), id).await?.context("there is no such endpoint")?;
    let health = Health::new(HealthState::Failing, SystemClock.now());
    let written = store.set_health(&rig::tenant(), &endpoint, health).await?;
    ensure!(written == Written::Now, "another writer has changed it");
    Ok(())
}

/// The figures as a report.
pub(super) fn report(costs: &[SnapshotCost]) -> Report {
    let rows = costs.iter().map(|cost| {
        Row::default()
            .count("endpoints", cost.endpoints)
            .text("since_the_event_before", cost.since)
            .count("calls", cost.calls)
            .number("read_units", cost.units)
            .number("ms", cost.took.as_secs_f64() * 1_000.0)
            .number("cpu_ms", cost.cpu.as_secs_f64() * 1_000.0)
            .number("memory_mb", cost.memory_mb)
    });
    Report { benchmark: "snapshot", rows: rows.collect(), goals: Vec::new() }
}
