//! A proxy in front of an AWS service. It sees every call, and decides how to answer it.

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
pub struct Call {
    /// Its method.
    pub method: Method,
    /// Its URI. The service is called at the same path, with the same query.
    pub uri: Uri,
    /// Its headers.
    pub headers: HeaderMap,
    /// Its body.
    pub body: Bytes,
}

impl Call {
    /// The API and the operation, such as `AmazonSQS` and `ReceiveMessage`; empty if the call names none.
    pub fn operation(&self) -> (&str, &str) {
        let target = self.headers.get("x-amz-target").and_then(|target| target.to_str().ok());
        target.and_then(|target| target.rsplit_once('.')).unwrap_or_default()
    }
}

/// Decides how a proxy answers calls.
pub trait Gate: Send + Sync + 'static {
    /// Answers a call, with or without calling the service.
    fn answer(&self, call: Call, service: &Service) -> impl Future<Output = Response> + Send;
}

/// The service behind a proxy.
pub struct Service {
    url: String,
    client: reqwest::Client,
}

impl Service {
    /// Calls the service. Returns the status, headers and body of its answer.
    pub async fn call(&self, mut call: Call) -> reqwest::Result<(StatusCode, HeaderMap, Bytes)> {
        call.headers.remove(HOST);
        call.headers.remove(CONTENT_LENGTH);
        let request = self.client.request(call.method, format!("{}{}", self.url, call.uri));
        let answer = request.headers(call.headers).body(call.body).send().await?;
        let (status, headers) = (answer.status(), answer.headers().clone());
        Ok((status, headers, answer.bytes().await?))
    }
}

/// A proxy. Dropping it stops it.
pub struct Proxy<G> {
    /// The proxy's address.
    pub url: String,
    /// Answers the calls.
    pub gate: Arc<G>,
    _tasks: Tasks,
}

impl<G: Gate> Proxy<G> {
    /// Starts a proxy for the service at this address.
    pub async fn start(service: &str, gate: G) -> Result<Self> {
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

/// Returns the service's answer, or 502 (Bad Gateway) if the service does not answer.
pub fn passed_on(answer: reqwest::Result<(StatusCode, HeaderMap, Bytes)>) -> Response {
    answer.map_or_else(|_| StatusCode::BAD_GATEWAY.into_response(), IntoResponse::into_response)
}
