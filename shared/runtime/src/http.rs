//! Serving HTTP requests from API Gateway.

use std::any::Any;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Instant;

use futures::FutureExt as _;
use futures::future::BoxFuture;
use lambda_http::service_fn;
use posthorn_api::{Problem, Request, Response};
use tracing::info;

use crate::{Error, Runtime, SettingsError};

/// A function behind a route: takes a request, always has an answer.
pub type HttpFunction = Arc<dyn Fn(lambda_http::Request) -> BoxFuture<'static, Response> + Send + Sync>;

/// Makes a function of a handler and what it works with. A panic becomes a 500, and the next request is served.
pub fn http_function<App, Handler, Answer>(app: App, handler: Handler) -> HttpFunction
where
    App: Send + Sync + 'static,
    Handler: Fn(Arc<App>, Request) -> Answer + Copy + Send + Sync + 'static,
    Answer: Future<Output = Result<Response, Problem>> + Send + 'static,
{
    let app = Arc::new(app);
    Arc::new(move |request| {
        let app = Arc::clone(&app);
        let route = format!("{} {}", request.method(), request.uri().path());
        let request = Request::from(request);
        let id = request.id().to_owned();
        Box::pin(async move {
            let started = Instant::now();
            let answer = AssertUnwindSafe(async { handler(app, request).await }).catch_unwind().await;
            let answer = answer.unwrap_or_else(|panic| Err(Problem::Internal(describe(&*panic).into())));
            let response = answer.unwrap_or_else(|problem| problem.into_response(&id));
            let duration_ms = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
            info!(
                request_id = id,
                route,
                status = response.status().as_u16(),
                duration_ms,
                "request answered"
            );
            response
        })
    })
}

/// Serves a function's requests until Lambda ends the process.
pub async fn serve_http(
    function: impl FnOnce(&Runtime) -> Result<HttpFunction, SettingsError>,
) -> Result<(), Error> {
    let function = function(&Runtime::start()?)?;
    lambda_http::run(service_fn(move |request| {
        let answer = function(request);
        async move { Ok::<_, Error>(answer.await) }
    }))
    .await
}

/// What a panic said.
pub(crate) fn describe(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().copied();
    let text = text.or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    format!("a panic: {}", text.unwrap_or("it said nothing"))
}
