//! The AWS SDK's way to the network: the HTTP client that deliveries are made with too. The SDK's own would be a second
//! one in each binary, and would read the system's root certificates at each start.

use aws_smithy_runtime_api::client::http::{
    HttpConnector, HttpConnectorFuture, SharedHttpClient, SharedHttpConnector, http_client_fn,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_types::body::SdkBody;
use reqwest::{Body, Client, Request};

/// A client for the SDK, which repeats calls itself and watches their time.
pub(crate) fn client(client: Client) -> SharedHttpClient {
    let connector = SharedHttpConnector::new(Connector(client));
    http_client_fn(move |_, _| connector.clone())
}

#[derive(Debug)]
struct Connector(Client);

impl HttpConnector for Connector {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let client = self.0.clone();
        HttpConnectorFuture::new(async move { exchange(&client, request).await })
    }
}

async fn exchange(client: &Client, request: HttpRequest) -> Result<HttpResponse, ConnectorError> {
    let request = request.try_into_http1x().map_err(|error| ConnectorError::user(error.into()))?;
    let request = Request::try_from(request.map(body)).map_err(|error| ConnectorError::user(error.into()))?;
    let mut answer = client.execute(request).await.map_err(failure)?;
    let mut response = http::Response::builder().status(answer.status());
    if let Some(headers) = response.headers_mut() {
        *headers = std::mem::take(answer.headers_mut());
    }
    let body = SdkBody::from(answer.bytes().await.map_err(failure)?);
    let response = response.body(body).map_err(|error| ConnectorError::other(error.into(), None))?;
    HttpResponse::try_from(response).map_err(|error| ConnectorError::other(error.into(), None))
}

/// Calls to DynamoDB, SQS and KMS are in memory; what is not would be passed on as it comes.
fn body(body: SdkBody) -> Body {
    match body.bytes() {
        Some(bytes) => Body::from(bytes.to_vec()),
        None => Body::wrap(body),
    }
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
