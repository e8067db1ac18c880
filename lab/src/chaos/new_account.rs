//! Publishes a burst of events in an AWS account that may run few functions at the same time.

use std::time::Duration;

use anyhow::Result;
use http::StatusCode;
use posthorn_local::{Functions, FunctionsOptions, Receiver};

use super::events::{self, SILENCE};
use super::{Addresses, Bench, Tally};
use crate::load;

/// How long a message that was received but not handled stays hidden.
const VISIBILITY: Duration = Duration::from_secs(5);

/// A burst in a small account.
#[derive(Debug, Clone, Copy)]
pub struct NewAccount {
    /// Number of events to publish, as fast as the queue accepts them.
    pub events: u32,
    /// Number of endpoints that want each event.
    pub endpoints: u32,
    /// Number of functions that may run at the same time. The event source mappings together may try to run more, and
    /// are then throttled.
    pub concurrency: usize,
}

impl NewAccount {
    /// Publishes, and waits until everything has arrived. A dead letter counts as lost.
    pub async fn run(&self, bench: &Bench) -> Result<Tally> {
        let mut receiver = Receiver::start(0, |_, _| StatusCode::OK).await?;
        let stores = bench.stores(Some(VISIBILITY)).await?;
        let functions = Functions::start(&FunctionsOptions {
            account_concurrency: Some(self.concurrency),
            requires_keys: false,
            ..bench.functions(&Addresses::of(&stores))
        })
        .await?;
        load::register_numbered(&functions.http, &receiver.url, self.endpoints).await?;
        let expected = usize::try_from(self.events * self.endpoints)?;
        let (published, tally) = tokio::join!(
            events::publish(&stores.sqs, self.events, Duration::ZERO),
            events::count(&mut receiver, &stores.sqs, expected, SILENCE)
        );
        published?;
        functions.stop().await?;
        stores.stop().await?;
        tally
    }
}
