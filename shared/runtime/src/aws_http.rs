//! The AWS SDK's way to the network: the HTTP client that deliveries are made with too. The SDK's own would be a second
//! one in each binary, and would read the system's root certificates at each start.

use std::sync::Arc;
use std::time::Duration;

use aws_smithy_runtime_api::client::http::{
    HttpConnector, HttpConnectorFuture, SharedHttpClient, SharedHttpConnector, http_client_fn,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_types::body::SdkBody;
use reqwest::{Body, Client, Request};
use tokio::sync::Semaphore;
use tokio::time::timeout;

/// The most calls to AWS that are under way at a time. They use as many connections, and a few more while used ones are
/// on their way back. A storm of writes would else open as many as there are writes: a process on Lambda may have 1,024
/// files open, and each new connection costs its small share of a core a TLS handshake.
pub(crate) const MAX_CALLS: usize = 64;

/// A client for the SDK, which repeats calls itself. AWS has `patience` for one try of a call, to the end of its answer. That
/// is watched here and not by the SDK, because it starts when the call's turn has come: waiting is not AWS's slowness.
pub(crate) fn client(client: Client, patience: Duration) -> SharedHttpClient {
    let connector = Connector { client, turns: Arc::new(Semaphore::new(MAX_CALLS)), patience };
    let connector = SharedHttpConnector::new(connector);
    http_client_fn(move |_, _| connector.clone())
}

#[derive(Debug)]
struct Connector {
    client: Client,
    turns: Arc<Semaphore>,
    patience: Duration,
}

impl HttpConnector for Connector {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let (client, turns, patience) = (self.client.clone(), Arc::clone(&self.turns), self.patience);
        HttpConnectorFuture::new(async move {
            let _turn = turns.acquire().await.expect("nobody closes it");
            let answered = timeout(patience, exchange(&client, request)).await;
            answered.unwrap_or_else(|elapsed| Err(ConnectorError::timeout(elapsed.into())))
        })
    }
}

async fn exchange(client: &Client, request: HttpRequest) -> Result<HttpResponse, ConnectorError> {
    let request = request.try_into_http1x().map_err(|error| ConnectorError::user(error.into()))?;
    // What is in memory is handed on as it is, and keeps its length.
    let request = request.map(Body::wrap);
    let request = Request::try_from(request).map_err(|error| ConnectorError::user(error.into()))?;
    let mut answer = client.execute(request).await.map_err(failure)?;
    let mut response = http::Response::builder().status(answer.status());
    if let Some(headers) = response.headers_mut() {
        *headers = std::mem::take(answer.headers_mut());
    }
    let body = SdkBody::from(answer.bytes().await.map_err(failure)?);
    let response = response.body(body).map_err(|error| ConnectorError::other(error.into(), None))?;
    HttpResponse::try_from(response).map_err(|error| ConnectorError::other(error.into(), None))
}

/// What the SDK is told, and whether it repeats the call, as it does after all but calls that make no sense.
fn failure(error: reqwest::Error) -> ConnectorError {
    if error.is_timeout() {
        ConnectorError::timeout(error.into())
    } else if error.is_builder() {
        ConnectorError::user(error.into())
    } else {
        ConnectorError::io(error.into())
    }
}
