//! Sends requests over HTTP/2, by hyper.

use std::error::Error;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::{Buf, Bytes};
use h2::Reason;
use http::Request;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::client::conn::http2::{Builder, SendRequest};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::sync::oneshot;
use tokio::task::AbortHandle;
use tokio::time::{Instant, timeout_at};
use url::Position;

use super::dial::Protocols;
use super::head::Head;
use super::metered::{Allowance, Metered};
use super::{Failed, Kept, MAX_BODY_BYTES, MAX_HEAD_BYTES, Post, Stream};

/// The most requests that a connection carries at a time. A receiver may accept fewer, and the others would wait for it
/// unnoticed.
const MAX_REQUESTS: usize = 16;
/// The most bytes that are accepted for each request under way, in frames of any kind. A receiver that floods us with
/// interim answers, `CONTINUATION`, `PING` or `SETTINGS` loses the connection. A body may have as much framing as
/// content.
const MAX_BYTES: usize = MAX_HEAD_BYTES + 2 * MAX_BODY_BYTES;

/// A connection. Its clones share it.
#[derive(Clone)]
pub(super) struct Http2 {
    sender: SendRequest<Full<Outgoing>>,
    task: AbortHandle,
    answered: Arc<Mutex<Option<Instant>>>,
    allowance: Allowance,
}

/// A request's body, which signals when it has been sent or dropped.
struct Outgoing {
    bytes: Bytes,
    _gone: oneshot::Sender<()>,
}

impl Buf for Outgoing {
    fn remaining(&self) -> usize {
        self.bytes.remaining()
    }

    fn chunk(&self) -> &[u8] {
        self.bytes.chunk()
    }

    fn advance(&mut self, count: usize) {
        self.bytes.advance(count);
    }
}

/// A body that is not read.
pub(super) struct Unread {
    body: Incoming,
    request_gone: oneshot::Receiver<()>,
    connection: Http2,
}

/// Opens an HTTP/2 connection on this stream.
pub(super) async fn open(stream: Box<dyn Stream>) -> hyper::Result<Http2> {
    let bytes = |bytes: usize| u32::try_from(bytes).expect("it is a small number");
    let allowance = Allowance::of(MAX_BYTES);
    let stream = Metered::new(stream, allowance.clone());
    let (sender, connection) = Builder::new(TokioExecutor::new())
        .initial_stream_window_size(bytes(MAX_BODY_BYTES))
        .max_header_list_size(bytes(MAX_HEAD_BYTES))
        .handshake(TokioIo::new(stream))
        .await?;
    // It ends with its last sender. Its errors are reported to each request.
    let task = tokio::spawn(connection).abort_handle();
    Ok(Http2 { sender, task, answered: Arc::default(), allowance })
}

impl Http2 {
    /// Returns whether another request may be sent now.
    pub(super) fn has_room(&self) -> bool {
        !self.sender.is_closed() && self.requests() < MAX_REQUESTS
    }

    /// Returns the number of requests that use the connection.
    fn requests(&self) -> usize {
        // The pool holds one reference.
        Arc::strong_count(&self.answered) - 1
    }

    /// Returns when an answer last came over it.
    pub(super) fn answered_at(&self) -> Option<Instant> {
        *self.answered()
    }

    fn answered(&self) -> MutexGuard<'_, Option<Instant>> {
        self.answered.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Sends a request, and reads the answer up to its body.
pub(super) async fn send(mut connection: Http2, post: &Post<'_>) -> Result<(Head, Unread), Failed> {
    let (gone, request_gone) = oneshot::channel();
    let body = Full::new(Outgoing { bytes: post.body.clone(), _gone: gone });
    let request = Request::post(&post.url[..Position::AfterQuery]).body(body);
    let mut request = request.map_err(|_| Failed::Garbled)?;
    *request.headers_mut() = post.headers.clone();
    connection.allowance.raise(connection.requests().max(1) * MAX_BYTES);
    connection.sender.ready().await.map_err(|_| Failed::Untouched(Protocols::All))?;
    let answer = connection.sender.send_request(request).await.map_err(|error| why(&error))?;
    *connection.answered() = Some(Instant::now());
    let (parts, body) = answer.into_parts();
    let retry_after = parts.headers.get(http::header::RETRY_AFTER).and_then(|value| value.to_str().ok());
    let head =
        Head { code: parts.status.as_u16(), retry_after: retry_after.map(str::to_owned), ..Head::default() };
    Ok((head, Unread { body, request_gone, connection }))
}

/// Returns what an error tells about how far the receiver processed the request (RFC 9113 §8.7).
fn why(error: &hyper::Error) -> Failed {
    if error.is_canceled() {
        return Failed::Untouched(Protocols::All);
    }
    let mut cause: Option<&(dyn Error + 'static)> = Some(error);
    while let Some(error) = cause {
        if let Some(error) = error.downcast_ref::<h2::Error>() {
            return match error.reason() {
                Some(Reason::HTTP_1_1_REQUIRED) if error.is_remote() => Failed::Untouched(Protocols::Http1),
                Some(Reason::REFUSED_STREAM) if error.is_remote() => Failed::Untouched(Protocols::All),
                _ if error.is_go_away() && error.is_remote() => Failed::Untouched(Protocols::All),
                Some(_) if error.is_remote() => Failed::Garbled,
                Some(_) => Failed::Malformed,
                None => Failed::Unanswered,
            };
        }
        cause = error.source();
    }
    Failed::Unanswered
}

impl Unread {
    /// Waits until the request is completely sent, at most until `deadline`. A receiver that has acknowledged it but
    /// does not take it loses the connection, or the rest of the request would stay in memory.
    pub(super) async fn sent(&mut self, deadline: Instant) {
        if timeout_at(deadline, &mut self.request_gone).await.is_err() {
            self.connection.task.abort();
        }
    }

    /// Reads the body, up to the limit. Returns `false` if it ended early or was malformed.
    pub(super) async fn read(&mut self, kept: &mut Kept) -> bool {
        loop {
            match self.body.frame().await {
                None => return true,
                Some(Err(_)) => return false,
                Some(Ok(frame)) => {
                    if frame.data_ref().is_some_and(|data| kept.add(data)) {
                        return true;
                    }
                }
            }
        }
    }
}
