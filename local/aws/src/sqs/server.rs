//! The server: AWS JSON 1.0 over HTTP. `X-Amz-Target` names the operation; the path does not matter.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::{HeaderMap, HeaderName, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::time::Instant;

use super::Queues;
use super::error::{Fault, SqsError};
use super::location::Location;
use super::operations::{self, Call, ReceiveRequest};
use super::store::Store;

/// JSON may need six bytes (`\u0009`) for each byte of a mebibyte. The rest is for names, URLs and handles.
const BODY_LIMIT: usize = 7 << 20;

#[derive(Clone)]
struct Server {
    queues: Queues,
    /// Turns true when the server is to stop.
    stopping: watch::Receiver<bool>,
}

pub(super) async fn serve(
    queues: Queues,
    listener: TcpListener,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> anyhow::Result<()> {
    let (stop, stopping) = watch::channel(false);
    let router = Router::new()
        .fallback_service(post(answer).with_state(Server { queues, stopping }))
        .layer(DefaultBodyLimit::max(BODY_LIMIT));
    let shutdown = async move {
        shutdown.await;
        stop.send_replace(true);
    };
    axum::serve(listener, router).with_graceful_shutdown(shutdown).await?;
    Ok(())
}

async fn answer(
    State(server): State<Server>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Response {
    let target = headers.get("x-amz-target").and_then(|target| target.to_str().ok());
    let operation = target.and_then(|target| target.strip_prefix("AmazonSQS.")).unwrap_or_default();
    let answered = match body {
        Ok(body) => server.operate(operation, Location::of(&headers), body).await,
        Err(rejection) => Err(SqsError::new(Fault::RequestTooLarge, rejection.body_text())),
    };
    match answered {
        Ok(json) => (StatusCode::OK, [(header::CONTENT_TYPE, JSON)], json).into_response(),
        Err(error) => refuse(operation, &error),
    }
}

impl Server {
    async fn operate(&self, operation: &str, location: Location, body: Bytes) -> Result<Vec<u8>, SqsError> {
        match operation {
            "CancelMessageMoveTask" => self.run(operations::cancel_message_move_task, location, body).await,
            "ChangeMessageVisibility" => {
                self.run(operations::change_message_visibility, location, body).await
            }
            "ChangeMessageVisibilityBatch" => {
                self.run(operations::change_message_visibility_batch, location, body).await
            }
            "CreateQueue" => self.run(operations::create_queue, location, body).await,
            "DeleteMessage" => self.run(operations::delete_message, location, body).await,
            "DeleteMessageBatch" => self.run(operations::delete_message_batch, location, body).await,
            "DeleteQueue" => self.run(operations::delete_queue, location, body).await,
            "GetQueueAttributes" => self.run(operations::get_queue_attributes, location, body).await,
            "GetQueueUrl" => self.run(operations::get_queue_url, location, body).await,
            "ListMessageMoveTasks" => self.run(operations::list_message_move_tasks, location, body).await,
            "ListQueues" => self.run(operations::list_queues, location, body).await,
            "PurgeQueue" => self.run(operations::purge_queue, location, body).await,
            "ReceiveMessage" => self.receive(location, &body).await,
            "SendMessage" => self.run(operations::send_message, location, body).await,
            "SendMessageBatch" => self.run(operations::send_message_batch, location, body).await,
            "SetQueueAttributes" => self.run(operations::set_queue_attributes, location, body).await,
            "StartMessageMoveTask" => self.run(operations::start_message_move_task, location, body).await,
            _ => Err(SqsError::new(
                Fault::UnknownOperation,
                "X-Amz-Target must be `AmazonSQS.` and the name of a supported operation.",
            )),
        }
    }

    async fn run<Q, A>(
        &self,
        operation: fn(&Call<'_>, Q) -> Result<A, SqsError>,
        location: Location,
        body: Bytes,
    ) -> Result<Vec<u8>, SqsError>
    where
        Q: DeserializeOwned + 'static,
        A: Serialize + 'static,
    {
        let work = self.queues.transact_aside(move |store| {
            let answer = operation(&Call { store, location: &location }, parse(&body)?)?;
            Ok(serde_json::to_vec(&answer)?)
        });
        work.await
    }

    /// Looks for messages, and again whenever one may have become visible, until there is one, the caller's wait time
    /// is over, or the server stops.
    async fn receive(&self, location: Location, body: &[u8]) -> Result<Vec<u8>, SqsError> {
        let request: Arc<ReceiveRequest> = Arc::new(parse(body)?);
        let mut stopping = self.stopping.clone();
        let began = Instant::now();
        loop {
            // Listen before looking, so that no message arrives unnoticed in between.
            let arrival = self.queues.arrivals.notified();
            let (request, location) = (request.clone(), location.clone());
            let receive =
                move |store: &Store<'_>| operations::receive(&Call { store, location: &location }, &request);
            let answer = self.queues.transact_aside(receive).await?;
            let left = answer.wait_time.saturating_sub(began.elapsed());
            if !answer.messages.is_empty() || left.is_zero() || *stopping.borrow() {
                return Ok(serde_json::to_vec(&answer)?);
            }
            let next = answer.next_due.unwrap_or(Duration::MAX).min(left);
            tokio::select! {
                () = arrival => {}
                () = tokio::time::sleep(next) => {}
                _ = stopping.wait_for(|stopping| *stopping) => {}
            }
        }
    }
}

fn parse<Q: DeserializeOwned>(body: &[u8]) -> Result<Q, SqsError> {
    // The body may be empty if all parameters of the operation are optional.
    let body = if body.is_empty() { b"{}" } else { body };
    serde_json::from_slice(body).map_err(|error| SqsError::new(Fault::MalformedBody, error.to_string()))
}

const JSON: &str = "application/x-amz-json-1.0";
const QUERY_ERROR: HeaderName = HeaderName::from_static("x-amzn-query-error");

#[derive(Serialize)]
struct ErrorBody<'a> {
    #[serde(rename = "__type")]
    shape: &'static str,
    message: &'a str,
}

/// The only place where errors become HTTP. The log gets only an error's kind, because its message may quote the
/// request.
fn refuse(operation: &str, error: &SqsError) -> Response {
    let (status, shape, query_error, message) = match error {
        SqsError::Refused { fault, message } => {
            tracing::debug!(operation, fault = fault.query_code(), "SQS refused a call");
            let status = match fault {
                Fault::RequestTooLarge => StatusCode::PAYLOAD_TOO_LARGE,
                Fault::ResourceNotFound => StatusCode::NOT_FOUND,
                _ => StatusCode::BAD_REQUEST,
            };
            (status, fault.shape(), format!("{};Sender", fault.query_code()), message.as_str())
        }
        failure => {
            tracing::error!(operation, error = failure as &dyn std::error::Error, "SQS failed");
            let message = "The request processing has failed because of an unknown error.";
            let shape = "com.amazon.coral.service#InternalFailure";
            (StatusCode::INTERNAL_SERVER_ERROR, shape, "InternalFailure;Receiver".to_owned(), message)
        }
    };
    let body = serde_json::to_vec(&ErrorBody { shape, message }).unwrap_or_default();
    let headers = [(header::CONTENT_TYPE, JSON.to_owned()), (QUERY_ERROR, query_error)];
    (status, headers, body).into_response()
}
