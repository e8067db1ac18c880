//! What AWS charges for the HTTP requests that publish a million events.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use cpu_time::ThreadTime;
use posthorn_functions::set_up;
use posthorn_local::{DEVELOPMENT_KEY, Functions, Stores, laptop};
use posthorn_runtime::HttpFunction;
use serde_json::{Value, json};
use tokio::runtime::Builder;

use super::Cost;
use super::bill::{GIGABYTE, MILLION, Parameters, Prices, gigabyte_seconds};
use crate::bench::rig;

/// Number of requests that are measured.
const REQUESTS: u32 = 500;
/// How long the function waits for SQS, beside its own work. Assumed, not measured.
const SQS_TIME: Duration = Duration::from_millis(10);
/// Bytes of a line of the API's access log, as CloudWatch counts them.
const ACCESS_LOG_BYTES: f64 = 340.0;

/// What a request that publishes events uses.
#[derive(Debug, Clone)]
pub(crate) struct Publishing {
    events_per_request: usize,
    memory_mb: u32,
    /// The function's processor time.
    cpu: Duration,
    /// Bytes that it logs.
    log_bytes: f64,
    prices: Prices,
}

impl Publishing {
    /// Measures requests with events of the shape. `None` if its events are sent to the queue.
    pub(crate) async fn of(shape: &Cost) -> Result<Option<Self>> {
        let Some(events_per_request) = shape.sent.by_api() else { return Ok(None) };
        let stores = rig::stores(&shape.template).await?;
        let mut specs = laptop::template(&shape.template, &stores.sqs)?.functions.into_iter();
        let spec = specs.find(|spec| spec.name == "publish-event");
        let memory_mb = spec.context("the template has no function publish-event")?.memory_mb;
        let request = request(events_per_request, shape.event_bytes);
        let cpu = cpu_of(&shape.template, &stores, request.clone()).await?;
        let log_bytes = shape.log_bytes(&stores, "publish-event", &request).await?;
        stores.stop().await?;
        Ok(Some(Self { events_per_request, memory_mb, cpu, log_bytes, prices: Prices::read()? }))
    }

    /// The cost of publishing a million events, in dollars.
    #[expect(clippy::cast_precision_loss, reason = "they are not that many")]
    pub(super) fn dollars(&self, parameters: Parameters) -> f64 {
        let Self { prices, .. } = self;
        let requests = MILLION / self.events_per_request as f64;
        let api = requests * prices.http_api_requests_per_million / MILLION;
        let invocations = requests * prices.lambda_requests_per_million / MILLION;
        let span = (SQS_TIME + self.cpu).as_secs_f64();
        let time = gigabyte_seconds(self.memory_mb, span, self.cpu.as_secs_f64());
        let log = (ACCESS_LOG_BYTES + parameters.log_bytes(self.log_bytes)) / GIGABYTE;
        api + invocations + requests * (time * prices.lambda_arm64_gb_second + log * prices.logs_gb)
    }
}

/// A request as API Gateway passes it to the function.
fn request(events: usize, bytes: usize) -> Value {
    let (path, body) = if events == 1 {
        ("/api/events", rig::event(bytes))
    } else {
        let events: Vec<_> = (0..events).map(|_| rig::event(bytes)).collect();
        ("/api/events/batch", json!({ "events": events }))
    };
    let route = format!("POST {path}");
    json!({
        "version": "2.0",
        "routeKey": route,
        "rawPath": path,
        "rawQueryString": "",
        "headers": {
            "authorization": format!("Bearer {DEVELOPMENT_KEY}"),
            "content-type": "application/json",
            "host": "localhost",
        },
        "requestContext": {
            "http": { "method": "POST", "path": path, "protocol": "HTTP/1.1", "sourceIp": "127.0.0.1" },
            "requestId": "cost",
            "routeKey": route,
            "stage": "$default",
        },
        "body": body.to_string(),
        "isBase64Encoded": false,
    })
}

/// The function's processor time for a request, on a thread of its own, as in a function's process.
async fn cpu_of(template: &Path, stores: &Stores, request: Value) -> Result<Duration> {
    // They add the development keys.
    Functions::start(&rig::options(template, stores)).await?.stop().await?;
    let runtime = rig::runtime(template, stores, "publish-event")?;
    let work = async move || {
        let function =
            set_up("publish-event", &runtime)?.http().context("publish-event serves no requests")?;
        // The first request opens the connections, and looks up the key.
        call(&function, &request).await?;
        let began = ThreadTime::now();
        for _ in 0..REQUESTS {
            call(&function, &request).await?;
        }
        anyhow::Ok(began.elapsed() / REQUESTS)
    };
    let thread = || Builder::new_current_thread().enable_all().build();
    tokio::task::spawn_blocking(move || thread()?.block_on(work())).await?
}

async fn call(function: &HttpFunction, request: &Value) -> Result<()> {
    let answer = function(lambda_http::request::from_str(&request.to_string())?).await;
    ensure!(answer.status().as_u16() == 202, "publish-event answered {}", answer.status());
    Ok(())
}
