//! The AWS SDK's HTTP client: `reqwest`. The SDK's own client would read the system's root certificates at each start.

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

/// Maximum number of concurrent calls to AWS. They use as many connections, and a few more while used ones are being
/// returned. Without it, a storm of writes would open a connection for each write: a process on Lambda may have 1,024
/// open files, and each new connection costs its small share of a core a TLS handshake.
pub(crate) const MAX_CALLS: usize = 64;

/// Returns a client for the SDK, which repeats calls itself. One try of a call may take `patience`, up to the end of
/// its answer. This is measured here and not by the SDK, because it starts when the call's turn comes: waiting for a
/// turn is not AWS's slowness.
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
            let _turn = turns.acquire().await.expect("the semaphore is never closed");
            let answered = timeout(patience, exchange(&client, request)).await;
            answered.unwrap_or_else(|elapsed| Err(ConnectorError::timeout(elapsed.into())))
        })
    }
}

async fn exchange(client: &Client, request: HttpRequest) -> Result<HttpResponse, ConnectorError> {
    let request = request.try_into_http1x().map_err(|error| ConnectorError::user(error.into()))?;
    // A body in memory is passed on unchanged, and keeps its length.
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

/// Converts an error for the SDK. The SDK repeats the call, unless the request itself was invalid.
fn failure(error: reqwest::Error) -> ConnectorError {
    if error.is_timeout() {
        ConnectorError::timeout(error.into())
    } else if error.is_builder() {
        ConnectorError::user(error.into())
    } else {
        ConnectorError::io(error.into())
    }
}
