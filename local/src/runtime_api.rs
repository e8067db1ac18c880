//! The Lambda Runtime API, which a function's process calls:
//! <https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html>.

use std::path::Path;
use std::process::Stdio;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context as _, Result};
use axum::Router;
use axum::body::Bytes;
use axum::extract::Path as UrlPath;
use axum::routing::{get, post};
use http::{HeaderMap, HeaderValue, StatusCode};
use tokio::process::{Child, Command};
use tokio::sync::mpsc;
use tokio::time::Instant;

use crate::tasks::{Tasks, listen};

/// The headers of an invocation: its id, its deadline, and the function's ARN.
const INVOCATION: [(&str, &str); 3] = [
    ("lambda-runtime-aws-request-id", "8476a536-e9f4-11e8-9739-2dfe598c3fcd"),
    ("lambda-runtime-deadline-ms", "4102444800000"),
    ("lambda-runtime-invoked-function-arn", "arn:aws:lambda:us-east-1:000000000000:function:sample"),
];

/// A Runtime API for one process. It has at most one invocation, and reports the function's requests. Dropping it stops
/// it.
pub struct RuntimeApi {
    address: String,
    polls: mpsc::UnboundedReceiver<Instant>,
    answers: mpsc::UnboundedReceiver<(String, Bytes)>,
    _tasks: Tasks,
}

impl RuntimeApi {
    /// Starts a Runtime API with this invocation, or with none.
    pub async fn start(event: Option<String>) -> Result<Self> {
        let ((polled, polls), (answered, answers)) = (mpsc::unbounded_channel(), mpsc::unbounded_channel());
        let invocation = Arc::new(Mutex::new(event));
        // Sending fails only when nobody reads the channel any more.
        let next = move || async move {
            let _ = polled.send(Instant::now());
            let event = invocation.lock().unwrap_or_else(PoisonError::into_inner).take();
            let Some(event) = event else { return std::future::pending().await };
            let headers = INVOCATION
                .map(|(name, value)| (http::HeaderName::from_static(name), HeaderValue::from_static(value)));
            (HeaderMap::from_iter(headers), event)
        };
        let answer = move |UrlPath((_, kind)): UrlPath<(String, String)>, body: Bytes| async move {
            let _ = answered.send((kind, body));
            StatusCode::ACCEPTED
        };
        let api = Router::new()
            .route("/2018-06-01/runtime/invocation/next", get(next))
            .route("/2018-06-01/runtime/invocation/{id}/{kind}", post(answer));
        let (listener, url) = listen(0, "--port").await?;
        let mut tasks = Tasks::default();
        tasks.spawn(|_| async move { Ok(axum::serve(listener, api).await?) });
        let address = url.trim_start_matches("http://").to_owned();
        Ok(Self { address, polls, answers, _tasks: tasks })
    }

    /// Starts a binary as the function of this name, with this environment and the variables that Lambda adds. Its log
    /// goes to `log`. Dropping the process kills it.
    pub fn spawn(
        &self,
        binary: &Path,
        function: &str,
        environment: impl IntoIterator<Item = (String, String)>,
        log: Stdio,
    ) -> Result<Child> {
        Command::new(binary)
            .env_clear()
            .envs(environment)
            .env("_HANDLER", function)
            .env("AWS_LAMBDA_RUNTIME_API", &self.address)
            .env("AWS_LAMBDA_FUNCTION_NAME", function)
            .env("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST")
            .env("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "256")
            .env("AWS_LAMBDA_LOG_STREAM_NAME", "sample")
            .env("AWS_LAMBDA_LOG_GROUP_NAME", "sample")
            .stdout(log)
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("cannot start {}", binary.display()))
    }

    /// Waits until the function asks for its next invocation. Returns the time.
    pub async fn polled(&mut self) -> Instant {
        self.polls.recv().await.expect("the server holds the other end")
    }

    /// Waits for the function's next answer. Returns its kind, `response` or `error`, and its body.
    pub async fn answered(&mut self) -> (String, Bytes) {
        self.answers.recv().await.expect("the server holds the other end")
    }
}
