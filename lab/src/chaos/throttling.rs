//! Throttles all writes to the events table for a while.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::Result;
use axum::response::Response;
use http::StatusCode;
use posthorn_local::proxy::{Call, Gate, Proxy, Service, passed_on};
use posthorn_local::{Functions, Receiver};
use tokio::time::sleep;

use super::refusing_proxy::Errors;
use super::{Addresses, Bench, Tally, events};
use crate::load;

/// Events published per second.
const RATE: u32 = 20;

/// Maximum time that an unhandled message stays hidden: its queue's visibility timeout, and a minute.
const REDELIVERY: Duration = Duration::from_mins(7);

/// Throttles all writes to the events table, from the first event on.
#[derive(Debug, Clone, Copy)]
pub struct Throttling {
    /// How long to throttle.
    pub span: Duration,
    /// Number of events to publish, 20 per second.
    pub events: u32,
    /// Number of endpoints that want each event.
    pub endpoints: u32,
}

impl Throttling {
    /// Publishes, and waits until everything has arrived and is recorded.
    pub async fn run(&self, bench: &Bench) -> Result<Tally> {
        let mut receiver = Receiver::start(0, |_, _| StatusCode::OK).await?;
        let stores = bench.stores(None).await?;
        let tables = Proxy::start(&stores.dynamodb, Throttled::default()).await?;
        let addresses = Addresses { dynamodb: tables.url.clone(), ..Addresses::of(&stores) };
        let functions = Functions::start(&bench.functions(&addresses)).await?;
        load::register_numbered(&functions.http, &receiver.url, self.endpoints).await?;
        tables.gate.throttles.store(true, Ordering::Relaxed);
        let expected = usize::try_from(self.events * self.endpoints)?;
        let throttle = async {
            sleep(self.span).await;
            tables.gate.throttles.store(false, Ordering::Relaxed);
        };
        let span = Duration::from_secs(1) * self.events / RATE;
        let (published, tally, ()) = tokio::join!(
            events::publish(&stores.sqs, self.events, span),
            events::count(&mut receiver, &stores.sqs, expected, self.span + REDELIVERY),
            throttle
        );
        published?;
        functions.stop().await?;
        stores.stop().await?;
        anyhow::ensure!(tables.gate.refused.load(Ordering::Relaxed) > 0, "no write was throttled");
        tally
    }
}

/// Refuses writes to the events table.
#[derive(Default)]
struct Throttled {
    throttles: AtomicBool,
    refused: AtomicUsize,
}

impl Gate for Throttled {
    async fn answer(&self, call: Call, service: &Service) -> Response {
        if !self.throttles.load(Ordering::Relaxed) || !writes_events(&call) {
            return passed_on(service.call(call).await);
        }
        self.refused.fetch_add(1, Ordering::Relaxed);
        Errors::DynamoDb.refusal(true)
    }
}

fn writes_events(call: &Call) -> bool {
    let writes = [
        "PutItem",
        "UpdateItem",
        "DeleteItem",
        "TransactWriteItems",
        "BatchWriteItem",
        "BatchExecuteStatement",
    ];
    let table = b"EventsTable";
    writes.contains(&call.operation().1) && call.body.windows(table.len()).any(|window| window == table)
}
