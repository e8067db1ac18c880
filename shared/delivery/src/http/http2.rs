//! Requests over HTTP/2, by hyper.

use std::error::Error;
use std::time::Duration;

use bytes::Bytes;
use h2::Reason;
use http::Request;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::client::conn::http2::{Builder, SendRequest};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use url::Position;

use super::dial::Protocols;
use super::head::Head;
use super::{Failed, Kept, MAX_BODY_BYTES, MAX_HEAD_BYTES, Post, Stream};

/// How long a connection with a request on it may be silent before it has to prove that it is alive, and how long it then
/// has. One that is dead is noticed before the requests on it are out of time.
const SILENCE: Duration = Duration::from_secs(3);

/// A connection. Its clones share it.
pub(super) type Http2 = SendRequest<Full<Bytes>>;

/// Begins to speak HTTP/2.
pub(super) async fn open(stream: Box<dyn Stream>) -> hyper::Result<Http2> {
    let bytes = |bytes: usize| u32::try_from(bytes).expect("it is a small number");
    let (sender, connection) = Builder::new(TokioExecutor::new())
        .timer(TokioTimer::new())
        .initial_stream_window_size(bytes(MAX_BODY_BYTES))
        .max_header_list_size(bytes(MAX_HEAD_BYTES))
        .keep_alive_interval(SILENCE)
        .keep_alive_timeout(SILENCE)
        .handshake(TokioIo::new(stream))
        .await?;
    // It ends with its last sender. What goes wrong with it is told to each request.
    tokio::spawn(connection);
    Ok(sender)
}

/// Sends a request, and reads the answer up to its body.
pub(super) async fn send(mut connection: Http2, post: &Post<'_>) -> Result<(Head, Incoming), Failed> {
    let mut request = Request::post(&post.url[..Position::AfterQuery])
        .body(Full::new(post.body.clone()))
        .map_err(|_| Failed::Garbled)?;
    *request.headers_mut() = post.headers.clone();
    connection.ready().await.map_err(|_| Failed::Untouched(Protocols::All))?;
    let (parts, body) = connection.send_request(request).await.map_err(|error| why(&error))?.into_parts();
    let retry_after = parts.headers.get(http::header::RETRY_AFTER).and_then(|value| value.to_str().ok());
    let head =
        Head { code: parts.status.as_u16(), retry_after: retry_after.map(str::to_owned), ..Head::default() };
    Ok((head, body))
}

/// What a failed request tells of what its receiver did (RFC 9113 §8.7).
fn why(error: &hyper::Error) -> Failed {
    if error.is_canceled() {
        return Failed::Untouched(Protocols::All);
    }
    let mut cause: Option<&(dyn Error + 'static)> = Some(error);
    while let Some(error) = cause {
        if let Some(error) = error.downcast_ref::<h2::Error>() {
            return match error.reason() {
                _ if error.is_go_away() && error.is_remote() => Failed::Untouched(Protocols::All),
                Some(Reason::REFUSED_STREAM) => Failed::Untouched(Protocols::All),
                Some(Reason::HTTP_1_1_REQUIRED) => Failed::Untouched(Protocols::Http1),
                Some(_) => Failed::Garbled,
                None => Failed::Unanswered,
            };
        }
        cause = error.source();
    }
    Failed::Unanswered
}

/// Reads a body, as far as any is read. Says whether nothing was wrong with it.
pub(super) async fn read(mut body: Incoming, kept: &mut Kept) -> bool {
    loop {
        match body.frame().await {
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
