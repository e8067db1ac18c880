//! An events table that takes no writes for a while.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::Result;
use axum::response::{IntoResponse as _, Response};
use http::StatusCode;
use http::header::CONTENT_TYPE;
use tokio::time::sleep;

use super::{Bench, Tally, events};
use crate::load;
use crate::proxy::{Call, Gate, Proxy, Service, passed_on};
use crate::{Functions, FunctionsOptions, Receiver, Stores, StoresOptions};

/// Events published in a second.
const RATE: u32 = 20;

/// How long a message may stay hidden that was not handled: its queue's visibility timeout, and a minute.
const REDELIVERY: Duration = Duration::from_mins(7);

/// All writes on the events table are throttled from the first event on.
#[derive(Debug, Clone, Copy)]
pub struct Throttling {
    /// For how long.
    pub span: Duration,
    /// How many events are published, 20 a second.
    pub events: u32,
    /// To how many endpoints.
    pub endpoints: u32,
}

impl Throttling {
    /// Publishes, and waits until all has arrived and is on record.
    pub async fn run(&self, bench: &Bench) -> Result<Tally> {
        let mut receiver = Receiver::start(0, |_, _| StatusCode::OK).await?;
        let stores = StoresOptions { template: bench.template.clone(), ..StoresOptions::default() };
        let stores = Stores::start(&stores).await?;
        let tables = Proxy::start(&stores.dynamodb, Throttled::default()).await?;
        let functions = Functions::start(&FunctionsOptions {
            template: bench.template.clone(),
            dynamodb: tables.url.clone(),
            sqs: stores.sqs.clone(),
            ..FunctionsOptions::default()
        })
        .await?;
        let urls = (0..self.endpoints).map(|n| format!("{}/{n}", receiver.url));
        load::register(&functions.http, urls, "chaos.*").await?;
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

/// Refuses writes on the events table.
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
        let name = "com.amazonaws.dynamodb.v20120810#ProvisionedThroughputExceededException";
        let body = format!(r#"{{"__type": "{name}", "message": "throttled on purpose"}}"#);
        (StatusCode::BAD_REQUEST, [(CONTENT_TYPE, "application/x-amz-json-1.0")], body).into_response()
    }
}

fn writes_events(call: &Call) -> bool {
    let target = call.headers.get("x-amz-target").map_or(&b""[..], |target| target.as_bytes());
    let writes = [&b"PutItem"[..], b"UpdateItem", b"DeleteItem", b"TransactWriteItems", b"BatchWriteItem"];
    let has = |text: &[u8]| call.body.windows(text.len()).any(|window| window == text);
    writes.iter().any(|operation| target.ends_with(operation)) && has(b"\"EventsTable\"")
}
