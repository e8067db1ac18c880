//! Stands before an AWS service: sees every call, and decides what becomes of it.

use std::sync::Arc;

use anyhow::Result;
use axum::Router;
use axum::body::Bytes;
use axum::response::{IntoResponse, Response};
use http::header::{CONTENT_LENGTH, HOST};
use http::{HeaderMap, Method, StatusCode, Uri};

use crate::install_tls;
use crate::tasks::{Tasks, listen};

/// A call to an AWS service.
pub(crate) struct Call {
    method: Method,
    uri: Uri,
    /// Its headers.
    pub(crate) headers: HeaderMap,
    /// Its body.
    pub(crate) body: Bytes,
}

impl Call {
    /// The API and the operation that it names, such as `AmazonSQS` and `ReceiveMessage`; empty where it names none.
    pub(crate) fn operation(&self) -> (&str, &str) {
        let target = self.headers.get("x-amz-target").and_then(|target| target.to_str().ok());
        target.and_then(|target| target.rsplit_once('.')).unwrap_or_default()
    }
}

/// What a proxy does with calls.
pub(crate) trait Gate: Send + Sync + 'static {
    /// Answers a call, by the service or without it.
    fn answer(&self, call: Call, service: &Service) -> impl Future<Output = Response> + Send;
}

/// The service behind a proxy.
pub(crate) struct Service {
    url: String,
    client: reqwest::Client,
}

impl Service {
    /// What the service answers: status, headers, and body.
    pub(crate) async fn call(&self, mut call: Call) -> reqwest::Result<(StatusCode, HeaderMap, Bytes)> {
        call.headers.remove(HOST);
        call.headers.remove(CONTENT_LENGTH);
        let request = self.client.request(call.method, format!("{}{}", self.url, call.uri.path()));
        let answer = request.headers(call.headers).body(call.body).send().await?;
        let (status, headers) = (answer.status(), answer.headers().clone());
        Ok((status, headers, answer.bytes().await?))
    }
}

/// A proxy. Dropped, it ends.
pub(crate) struct Proxy<G> {
    /// Its address.
    pub(crate) url: String,
    /// What it does with calls.
    pub(crate) gate: Arc<G>,
    _tasks: Tasks,
}

impl<G: Gate> Proxy<G> {
    /// Stands before the service at this address.
    pub(crate) async fn start(service: &str, gate: G) -> Result<Self> {
        install_tls();
        let (listener, url) = listen(0, "--port").await?;
        let service = Arc::new(Service { url: service.to_owned(), client: reqwest::Client::new() });
        let gate = Arc::new(gate);
        let shared = Arc::clone(&gate);
        let answer = move |method: Method, uri: Uri, headers: HeaderMap, body: Bytes| {
            let (gate, service) = (Arc::clone(&shared), Arc::clone(&service));
            async move { gate.answer(Call { method, uri, headers, body }, &service).await }
        };
        let mut tasks = Tasks::default();
        tasks.spawn(|stop| async move {
            let server = axum::serve(listener, Router::new().fallback(answer));
            Ok(server.with_graceful_shutdown(stop.cancelled_owned()).await?)
        });
        Ok(Self { url, gate, _tasks: tasks })
    }
}

/// The service's answer as ours; a service that does not answer is a bad gateway.
pub(crate) fn passed_on(answer: reqwest::Result<(StatusCode, HeaderMap, Bytes)>) -> Response {
    answer.map_or_else(|_| StatusCode::BAD_GATEWAY.into_response(), IntoResponse::into_response)
}
