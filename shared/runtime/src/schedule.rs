//! Serves calls of a schedule.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use futures::FutureExt as _;
use futures::future::BoxFuture;
use lambda_runtime::{LambdaEvent, service_fn};
use posthorn_delivery::describe;
use posthorn_domain::Timestamp;
use serde::de::IgnoredAny;

use crate::{Error, Metrics, deadline};

/// A function that a schedule calls: takes the time at which Lambda will end it.
pub type ScheduleFunction = Arc<dyn Fn(Timestamp) -> BoxFuture<'static, Result<(), Error>> + Send + Sync>;

/// Makes a function of a handler and its `App`. A panic becomes an error, and the next call is served.
pub fn schedule_function<App, Handler, Work>(app: App, handler: Handler) -> ScheduleFunction
where
    App: Send + Sync + 'static,
    Handler: Fn(Arc<App>, Timestamp) -> Work + Copy + Send + Sync + 'static,
    Work: Future<Output = Result<(), Error>> + Send + 'static,
{
    let app = Arc::new(app);
    Arc::new(move |deadline| {
        let app = Arc::clone(&app);
        Box::pin(async move {
            let outcome = AssertUnwindSafe(async { handler(app, deadline).await }).catch_unwind().await;
            outcome.unwrap_or_else(|panic| Err(describe(&*panic).into()))
        })
    })
}

/// Serves a function's calls until Lambda ends the process.
pub async fn serve_schedule(function: ScheduleFunction, metrics: Metrics) -> Result<(), Error> {
    lambda_runtime::run(service_fn(|event: LambdaEvent<IgnoredAny>| {
        metrics.written_after(function(deadline(&event.context)))
    }))
    .await
}
