//! Stands before an AWS service and refuses some calls: some before they are made, some after.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Result;
use axum::Router;
use axum::body::Bytes;
use axum::response::{IntoResponse, Response};
use fastrand::Rng;
use http::header::{CONTENT_TYPE, HOST};
use http::{HeaderMap, Method, StatusCode, Uri};

use crate::tasks::{Tasks, listen};

/// Whose errors are given.
#[derive(Debug, Clone, Copy)]
pub(super) enum Service {
    DynamoDb,
    Sqs,
}

/// A proxy that refuses.
pub(super) struct RefusingProxy {
    /// Its address.
    pub(super) url: String,
    state: Arc<State>,
    _tasks: Tasks,
}

struct State {
    service: Service,
    upstream: String,
    client: reqwest::Client,
    random: Mutex<Rng>,
    /// The share of calls to refuse, as the bits of an `f64`.
    share: AtomicU64,
    refused: AtomicUsize,
}

/// What happens to a call.
enum Fate {
    Done,
    RefusedBefore,
    /// The call is made, and the caller does not hear of it.
    RefusedAfter,
}

impl RefusingProxy {
    /// A proxy before `upstream` that refuses nothing yet.
    pub(super) async fn start(service: Service, upstream: &str, seed: u64) -> Result<Self> {
        let (listener, url) = listen(0, "--port").await?;
        let state = Arc::new(State {
            service,
            upstream: upstream.to_owned(),
            client: reqwest::Client::new(),
            random: Mutex::new(Rng::with_seed(seed)),
            share: AtomicU64::new(0),
            refused: AtomicUsize::new(0),
        });
        let shared = Arc::clone(&state);
        let forward = move |method: Method, uri: Uri, headers: HeaderMap, body: Bytes| {
            let state = Arc::clone(&shared);
            async move { state.answer(method, &uri, headers, body).await }
        };
        let mut tasks = Tasks::default();
        tasks.spawn(|stop| async move {
            let server = axum::serve(listener, Router::new().fallback(forward));
            Ok(server.with_graceful_shutdown(stop.cancelled_owned()).await?)
        });
        Ok(Self { url, state, _tasks: tasks })
    }

    /// Refuses this share of calls from now on.
    pub(super) fn refuse(&self, share: f64) {
        self.state.share.store(share.to_bits(), Ordering::Relaxed);
    }

    /// How many calls have been refused.
    pub(super) fn refused(&self) -> usize {
        self.state.refused.load(Ordering::Relaxed)
    }
}

impl State {
    async fn answer(&self, method: Method, uri: &Uri, headers: HeaderMap, body: Bytes) -> Response {
        let fate = self.fate();
        if let Fate::RefusedBefore = fate {
            return self.refusal();
        }
        let answer = self.forward(method, uri, headers, body).await;
        if let Fate::RefusedAfter = fate { self.refusal() } else { answer }
    }

    fn fate(&self) -> Fate {
        let share = f64::from_bits(self.share.load(Ordering::Relaxed));
        let chance = self.random.lock().unwrap_or_else(PoisonError::into_inner).f64();
        if chance >= share {
            return Fate::Done;
        }
        self.refused.fetch_add(1, Ordering::Relaxed);
        if chance < share / 2.0 { Fate::RefusedBefore } else { Fate::RefusedAfter }
    }

    async fn forward(&self, method: Method, uri: &Uri, mut headers: HeaderMap, body: Bytes) -> Response {
        headers.remove(HOST);
        let request = self.client.request(method, format!("{}{}", self.upstream, uri.path()));
        let Ok(answer) = request.headers(headers).body(body).send().await else {
            return StatusCode::BAD_GATEWAY.into_response();
        };
        let (status, headers) = (answer.status(), answer.headers().clone());
        match answer.bytes().await {
            Ok(body) => (status, headers, body).into_response(),
            Err(_) => StatusCode::BAD_GATEWAY.into_response(),
        }
    }

    /// By turns, a throttled call and a failure of the service.
    fn refusal(&self) -> Response {
        let throttled = self.refused.load(Ordering::Relaxed).is_multiple_of(2);
        let (status, name) = match (self.service, throttled) {
            (Service::DynamoDb, true) => {
                (400, "com.amazonaws.dynamodb.v20120810#ProvisionedThroughputExceededException")
            }
            (Service::DynamoDb, false) => (500, "com.amazonaws.dynamodb.v20120810#InternalServerError"),
            (Service::Sqs, true) => (400, "com.amazonaws.sqs#RequestThrottled"),
            (Service::Sqs, false) => (500, "com.amazonaws.sqs#InternalFailure"),
        };
        let status = StatusCode::from_u16(status).expect("these are statuses");
        let body = format!(r#"{{"__type": "{name}", "message": "refused on purpose"}}"#);
        (status, [(CONTENT_TYPE, "application/x-amz-json-1.0")], body).into_response()
    }
}
