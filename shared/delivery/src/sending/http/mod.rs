//! An HTTP client for real receivers: the status of an answer is what `curl` would report.
//!
//! HTTP/2 is hyper's. HTTP/1.1 is our own ([`http1`]), because hyper refuses answers for errors after their status
//! line, and does not tell whether a byte of an answer arrived before a connection broke. Whether a request may be sent
//! once more depends on just that.

mod dial;
mod head;
mod http1;
mod http2;
mod metered;
mod pool;
mod tracer;

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::HeaderMap;
use posthorn_domain::{AttemptError, Clock};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::{Instant, timeout_at};
use url::{Position, Url};

pub(crate) use self::dial::Dialer;
use self::dial::Protocols;
use self::head::Head;
use self::http1::Http1;
use self::http2::Http2;
use self::pool::Pool;
pub(crate) use self::tracer::Tracer;
use crate::sending::no_sockets::NoSockets;

/// The number of ticks into which an answer's time limit is divided.
const TICKS: u32 = 10;
/// How long the body of an answer may take after its headers. Nothing depends on the body, so nothing waits longer.
const BODY_PATIENCE: Duration = Duration::from_millis(500);
/// The most bytes of an answer before its body. curl's limit is 300 KB.
const MAX_HEAD_BYTES: usize = 256 * 1024;
/// The most bytes of an answer's body that are read, with its framing. After more, the connection is closed.
const MAX_BODY_BYTES: usize = 64 * 1024;
/// The most bytes of an answer's body that are kept.
pub(crate) const KEPT_BODY_BYTES: usize = 1024;

/// A stream to and from a receiver, in the clear or through TLS.
trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

/// A client with a pool of connections.
pub(crate) struct Client {
    dialer: Dialer,
    pool: Pool,
    brisk: Semaphore,
    patient: Semaphore,
}

/// The time limit of an attempt. Each kind has its own permits, so that attempts that hang do not delay those with a
/// short limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Pace {
    /// The short time limit, after which the attempt is cut short.
    Brisk,
    /// The full timeout.
    Patient,
}

/// The permit that an attempt holds while it is under way.
pub(crate) struct Turn<'c> {
    _permit: SemaphorePermit<'c>,
}

/// A request to POST.
pub(crate) struct Post<'p> {
    /// The URL.
    pub(crate) url: &'p Url,
    /// All headers but `host` and `content-length`.
    pub(crate) headers: HeaderMap,
    /// The body.
    pub(crate) body: Bytes,
    /// Notes how it reaches the receiver.
    pub(crate) tracer: Tracer,
}

impl Post<'_> {
    /// Returns scheme, host and port: requests that have them in common may share a connection.
    fn origin(&self) -> &str {
        &self.url[..Position::BeforePath]
    }
}

/// An answer.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Reply {
    /// When its headers arrived.
    pub(crate) at: Instant,
    /// Its status code.
    pub(crate) code: u16,
    /// Its header `Retry-After`.
    pub(crate) retry_after: Option<String>,
    /// The first bytes of its body, [`KEPT_BODY_BYTES`] at most.
    pub(crate) body: Vec<u8>,
    /// `false` if the body ended early, was malformed, or did not end in time.
    pub(crate) is_whole: bool,
}

/// Why a request got no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NoReply {
    /// The attempt has failed.
    Failed(AttemptError),
    /// The attempt could not be made.
    NoSockets(NoSockets),
}

impl From<AttemptError> for NoReply {
    fn from(error: AttemptError) -> Self {
        Self::Failed(error)
    }
}

impl From<NoSockets> for NoReply {
    fn from(missing: NoSockets) -> Self {
        Self::NoSockets(missing)
    }
}

/// Why a request got no status.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Failed {
    /// The receiver has not seen the request, or guarantees that it did not process it.
    Untouched(Protocols),
    /// The connection ended before a byte of an answer.
    Unanswered,
    /// The answer is not HTTP.
    Garbled,
    /// The answer breaks the rules of HTTP/2. Over HTTP/1.1 it might be understood.
    Malformed,
}

impl Failed {
    /// Returns whether the request may be sent once more, on a new connection. A receiver that closes a connection on
    /// which it has answered does not know that a request is on its way. One that closes a new connection may have
    /// processed it.
    fn allows_another(self, has_answered: bool) -> bool {
        match self {
            Self::Untouched(_) => true,
            Self::Unanswered => has_answered,
            Self::Garbled | Self::Malformed => false,
        }
    }

    /// Returns whether to use HTTP/1.1 with this receiver from now on.
    fn asks_for_http1(self) -> bool {
        matches!(self, Self::Untouched(Protocols::Http1) | Self::Malformed)
    }
}

/// An open connection.
enum Connection {
    Http1(Http1),
    Http2(Http2),
}

/// The body of an answer whose head has arrived.
enum Body {
    Http1(http1::Unread),
    Http2(http2::Unread),
}

impl Body {
    /// Waits until the request is completely sent, because some receivers acknowledge it before they have read it. One
    /// that has not taken it by the deadline has acknowledged it all the same.
    async fn let_request_arrive(&mut self, deadline: Instant) {
        match self {
            Self::Http1(body) => drop(timeout_at(deadline, body.sent()).await),
            Self::Http2(body) => body.sent(deadline).await,
        }
    }
}

/// Returns the work's result, and when the rest of this time is over; `None` if the work takes longer. The time is counted in
/// ticks, each begun anew. A tick during which this process was busy with other things is one tick, however long it was:
/// the receiver is not to blame for the rest of it.
async fn within<T>(time: Duration, work: impl Future<Output = T>) -> Option<(T, Instant)> {
    let mut work = pin!(work);
    let tick = time / TICKS;
    for left in (0..TICKS).rev() {
        let ends = Instant::now() + tick;
        if let Ok(done) = timeout_at(ends, &mut work).await {
            return Some((done, ends.max(Instant::now()) + tick * left));
        }
    }
    None
}

impl Connection {
    /// Returns whether an answer has come over it.
    fn has_answered(&self) -> bool {
        match self {
            // Only connections that have answered get into the pool.
            Self::Http1(_) => true,
            Self::Http2(connection) => connection.answered_at().is_some(),
        }
    }

    async fn send(self, post: &Post<'_>) -> Result<(Head, Body), Failed> {
        match self {
            Self::Http1(connection) => {
                let (head, body) = connection.send(post).await?;
                Ok((head, Body::Http1(body)))
            }
            Self::Http2(connection) => {
                let (head, body) = http2::send(connection, post).await?;
                Ok((head, Body::Http2(body)))
            }
        }
    }
}

impl Client {
    /// Returns a client that makes at most `attempts` attempts of each [`Pace`] at a time.
    pub(crate) fn new(dialer: Dialer, clock: Arc<dyn Clock>, attempts: usize) -> Self {
        let [brisk, patient] = [0; 2].map(|_| Semaphore::new(attempts));
        Self { dialer, pool: Pool::new(clock), brisk, patient }
    }

    /// Waits for an attempt's permit, to be held until the attempt is over.
    pub(crate) async fn turn(&self, pace: Pace) -> Turn<'_> {
        let turns = match pace {
            Pace::Brisk => &self.brisk,
            Pace::Patient => &self.patient,
        };
        Turn { _permit: turns.acquire().await.expect("the semaphore is never closed") }
    }

    /// Returns how many idle connections are allowed. Together with the attempts under way, there are at most twice as
    /// many connections as attempts of one pace.
    fn may_wait(&self) -> usize {
        self.brisk.available_permits() + self.patient.available_permits()
    }

    /// POSTs, and returns the answer, whose head has to arrive within `time`. A request that its receiver has not seen,
    /// or that went over a pooled connection which had died, is sent once more.
    pub(crate) async fn post(&self, post: &Post<'_>, time: Duration) -> Result<Reply, NoReply> {
        let began = Instant::now();
        let answered = within(time, self.send(post, began)).await;
        let (answered, deadline) = answered.unwrap_or((Err(AttemptError::Timeout.into()), began));
        let (head, mut body) = answered.inspect_err(|_| self.pool.forget(post.origin(), began))?;
        let at = Instant::now();
        if head.is_success() {
            body.let_request_arrive(deadline).await;
        }
        let mut kept = Kept::default();
        let is_whole = self.read(post, body, &mut kept, deadline.min(Instant::now() + BODY_PATIENCE)).await;
        Ok(Reply { at, code: head.code, retry_after: head.retry_after, body: kept.bytes, is_whole })
    }

    async fn send(&self, post: &Post<'_>, began: Instant) -> Result<(Head, Body), NoReply> {
        let pooled = self.pool.take(post.origin());
        let has_answered = pooled.as_ref().is_some_and(Connection::has_answered);
        let sent = match pooled {
            Some(connection) => connection.send(post).await,
            None => post.tracer.answering(self.connect(post).await?.send(post)).await,
        };
        let failed = match sent {
            Ok(answer) => return Ok(answer),
            Err(failed) => failed,
        };
        self.pool.forget(post.origin(), began);
        if failed.asks_for_http1() {
            self.pool.note_http1(post.origin());
        }
        if !failed.allows_another(has_answered) {
            return Err(AttemptError::Protocol.into());
        }
        let sent = post.tracer.answering(self.connect(post).await?.send(post)).await;
        sent.map_err(|_| AttemptError::Protocol.into())
    }

    /// Opens a connection. If too many files are open, idle connections are closed, and it is tried once more.
    async fn connect(&self, post: &Post<'_>) -> Result<Connection, NoReply> {
        self.pool.keep_at_most(self.may_wait());
        // On the heap, because most requests need no new connection.
        let dial = || Box::pin(self.dialer.dial(post, self.pool.protocols(post.origin())));
        let mut dialled = dial().await;
        if let Err(NoReply::NoSockets(_)) = dialled {
            self.pool.clear();
            dialled = dial().await;
        }
        let connection = dialled?;
        if let Connection::Http2(connection) = &connection {
            self.pool.share(post.origin(), connection);
        }
        Ok(connection)
    }

    /// Reads a body, up to the limit. Returns `false` if it ended early, was malformed, or did not end in time.
    async fn read(&self, post: &Post<'_>, body: Body, kept: &mut Kept, deadline: Instant) -> bool {
        match body {
            Body::Http2(mut body) => timeout_at(deadline, body.read(kept)).await.unwrap_or(false),
            Body::Http1(mut body) => {
                let is_whole = timeout_at(deadline, body.read(kept)).await.unwrap_or(false);
                if let Some(connection) = body.reusable() {
                    self.pool.put(post.origin(), connection);
                }
                is_whole
            }
        }
    }
}

/// The beginning of a body.
#[derive(Debug, Default)]
struct Kept {
    bytes: Vec<u8>,
    read: usize,
}

impl Kept {
    /// Takes more of the body. Returns whether the limit is reached.
    fn add(&mut self, more: &[u8]) -> bool {
        let room = KEPT_BODY_BYTES - self.bytes.len();
        self.bytes.extend_from_slice(&more[..more.len().min(room)]);
        self.read += more.len();
        self.read > MAX_BODY_BYTES
    }
}
