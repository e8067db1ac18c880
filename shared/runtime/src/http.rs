//! Serves HTTP requests from API Gateway.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::FutureExt as _;
use futures::future::BoxFuture;
use lambda_http::{RequestExt as _, service_fn};
use posthorn_api::{Problem, Request, Response};
use posthorn_delivery::describe;
use posthorn_domain::Clock as _;
use tokio::time::timeout;
use tracing::info;

use crate::{Error, SystemClock, UNLIMITED, deadline};

/// The part of an invocation's time that is reserved for answering that the rest was not enough.
const RESERVE: Duration = Duration::from_millis(500);

/// A function behind a route: takes a request and always returns an answer.
pub type HttpFunction = Arc<dyn Fn(lambda_http::Request) -> BoxFuture<'static, Response> + Send + Sync>;

/// Makes a function of a handler and its `App`. A panic becomes a 500, and the next request is served. A request that
/// is not answered half a second before Lambda ends the invocation gets a 503 with our problem JSON instead of API
/// Gateway's own answer.
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
        let time = time_for(&request);
        let request = Request::from(request);
        let id = request.id().to_owned();
        Box::pin(async move {
            let started = Instant::now();
            let answer = AssertUnwindSafe(async { handler(app, request).await }).catch_unwind();
            let answer = match timeout(time, answer).await {
                Ok(answer) => answer.unwrap_or_else(|panic| Err(Problem::internal(describe(&*panic)))),
                Err(elapsed) => Err(Problem::unavailable(elapsed)),
            };
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

/// Returns how long the handler of a request may take.
fn time_for(request: &lambda_http::Request) -> Duration {
    let end = request.lambda_context_ref().map(deadline);
    end.map_or(UNLIMITED, |end| end.since(SystemClock.now()).saturating_sub(RESERVE))
}

/// Serves a function's requests until Lambda ends the process.
pub async fn serve_http(function: HttpFunction) -> Result<(), Error> {
    lambda_http::run(service_fn(move |request| {
        let answer = function(request);
        async move { Ok::<_, Error>(answer.await) }
    }))
    .await
}

#[cfg(test)]
mod tests {
    use std::future::pending;

    use lambda_http::{Body, Context};

    use super::*;

    #[tokio::test]
    async fn a_request_that_takes_too_long_is_answered_before_lambda_ends_it() {
        let function = http_function((), |_, _| pending());
        let mut context = Context::default();
        let end = SystemClock.now().plus(RESERVE + Duration::from_millis(50));
        context.deadline = u64::try_from(end.as_millis()).unwrap();
        let request = lambda_http::Request::new(Body::Empty).with_lambda_context(context);
        let response = function(request).await;
        assert_eq!(response.status(), 503);
        assert_eq!(response.headers()["retry-after"], "1");
        assert_eq!(response.headers()["content-type"], "application/problem+json");
    }
}
