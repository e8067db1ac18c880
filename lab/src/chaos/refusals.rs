//! Makes tables and queues refuse some calls.

use std::time::Duration;

use anyhow::Result;
use http::StatusCode;
use posthorn_local::proxy::Proxy;
use posthorn_local::{Functions, Receiver};

use super::events::{self, SILENCE};
use super::refusing_proxy::{Errors, Refusing};
use super::{Addresses, Bench, Tally};
use crate::load;

/// How long a message that the functions could not handle stays hidden.
const VISIBILITY: Duration = Duration::from_secs(5);
/// Events published in a second.
const RATE: u32 = 500;

/// Refuses calls while events are published.
#[derive(Debug, Clone, Copy)]
pub struct Refusals {
    /// Number of events to publish.
    pub events: u32,
    /// Number of endpoints that want each event.
    pub endpoints: u32,
    /// The share of calls to refuse, from 0 to 1.
    pub share: f64,
}

impl Refusals {
    /// Publishes, and waits until everything has arrived.
    pub async fn run(&self, bench: &Bench) -> Result<Tally> {
        let mut receiver = Receiver::start(0, |_, _| StatusCode::OK).await?;
        let stores = bench.stores(Some(VISIBILITY)).await?;
        let tables = Proxy::start(&stores.dynamodb, Refusing::new(Errors::DynamoDb, bench.seed)).await?;
        let queues = Proxy::start(&stores.sqs, Refusing::new(Errors::Sqs, bench.seed)).await?;
        let addresses = Addresses { dynamodb: tables.url.clone(), sqs: queues.url.clone() };
        let functions = Functions::start(&bench.functions(&addresses)).await?;
        load::register_numbered(&functions.http, &receiver.url, self.endpoints).await?;
        tables.gate.refuse(self.share);
        queues.gate.refuse(self.share);
        let span = Duration::from_secs(1) * self.events / RATE;
        let expected = usize::try_from(self.events * self.endpoints)?;
        let (published, tally) = tokio::join!(
            events::publish(&stores.sqs, self.events, span),
            events::count(&mut receiver, &stores.sqs, expected, SILENCE)
        );
        published?;
        // Each refusal can repeat its message's deliveries at most once, if the SDK's own retries do not help.
        let excused = (tables.gate.refused() + queues.gate.refused()) * usize::try_from(self.endpoints)?;
        functions.stop().await?;
        stores.stop().await?;
        Ok(Tally { excused, ..tally? })
    }
}
