//! Sends POSTs to receivers, which may be malicious: names, connections, HTTP, signatures.
//!
//! What follows an answer is decided in [`crate::decision`].

#[cfg(test)]
pub(crate) mod answers;
mod component;
mod dns;
#[cfg(test)]
mod hostile_names;
mod http;
mod no_sockets;
mod resolver;
mod retry_after;
mod signature;
#[cfg(test)]
mod tls_names;

use std::sync::Arc;
use std::time::Duration;

use ::http::header::{ACCEPT, CONTENT_TYPE, USER_AGENT};
use ::http::{HeaderMap, HeaderName, HeaderValue};
use bytes::Bytes;
use posthorn_domain::{Attempt, AttemptError, Clock, Endpoint, EventId, Guard, Random, Timestamp};
use rustls::ClientConfig;
use tokio::time::Instant;

use crate::sending::dns::Names;
use crate::sending::http::{Client, Dialer, KEPT_BODY_BYTES, NoReply, Post, Reply, Tracer};
use crate::sending::resolver::{GuardedResolver, Resolve};

pub(crate) use self::http::Pace;
pub use self::no_sockets::NoSockets;
pub use self::signature::sign;

const WEBHOOK_ID: HeaderName = HeaderName::from_static("webhook-id");
const WEBHOOK_TIMESTAMP: HeaderName = HeaderName::from_static("webhook-timestamp");
const WEBHOOK_SIGNATURE: HeaderName = HeaderName::from_static("webhook-signature");

/// The most attempts under way with a short time limit, and the most with the full timeout. A process on Lambda may
/// have 1,024 files open, and each attempt uses one: a connection, or a socket for a name server.
const MAX_ATTEMPTS: usize = 300;

/// The number of headers of most requests, with those that the HTTP client adds.
const COMMON_HEADERS: usize = 8;

/// Sends signed events over pooled connections, to addresses that the guard admits. It follows no redirects, and uses
/// no proxy.
pub struct Sender {
    client: Client,
    guard: Arc<Guard>,
    clock: Arc<dyn Clock>,
    timeout: Duration,
}

/// The result of an attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) attempt: Attempt,
    /// The beginning of the body, at most 1 KiB.
    pub(crate) body: String,
    /// The time to the end of the headers; `None` if there was no answer.
    pub(crate) latency: Option<Duration>,
    /// How long the endpoint asks to wait.
    pub(crate) retry_after: Option<Duration>,
}

impl Sender {
    /// Returns a sender whose attempts have this `timeout`, from name resolution to the end of the answer's headers.
    /// `tls` has the trusted certificates; `random` makes DNS queries hard to guess.
    pub fn new(
        clock: Arc<dyn Clock>,
        random: Arc<dyn Random>,
        timeout: Duration,
        guard: Guard,
        tls: &ClientConfig,
    ) -> Self {
        let names = Names::new(Arc::clone(&clock), random);
        Self::resolving(clock, timeout, guard, tls, Arc::new(names))
    }

    /// Returns a sender that resolves names by `names`.
    pub(crate) fn resolving(
        clock: Arc<dyn Clock>,
        timeout: Duration,
        guard: Guard,
        tls: &ClientConfig,
        names: Arc<dyn Resolve>,
    ) -> Self {
        let guard = Arc::new(guard);
        let names = GuardedResolver { guard: Arc::clone(&guard), names };
        let client = Client::new(Dialer::new(names, tls), Arc::clone(&clock), MAX_ATTEMPTS);
        Self { client, guard, clock, timeout }
    }

    /// POSTs an event to an endpoint. An endpoint's failures are part of the answer. Errors if this process cannot open
    /// sockets: then there was no attempt.
    pub(crate) async fn post(
        &self,
        endpoint: &Endpoint,
        event_id: EventId,
        body: &Bytes,
    ) -> Result<Answer, NoSockets> {
        self.post_within(self.timeout, endpoint, event_id, body).await
    }

    /// The same, with `time` as the limit until the answer's status and headers have arrived. It starts with the
    /// attempt, not with the wait for a permit, which is not the endpoint's fault. Nor is a time in which this process
    /// is busy: each tenth of the limit counts once, however long it takes.
    pub(crate) async fn post_within(
        &self,
        time: Duration,
        endpoint: &Endpoint,
        event_id: EventId,
        body: &Bytes,
    ) -> Result<Answer, NoSockets> {
        let pace = if time < self.timeout { Pace::Brisk } else { Pace::Patient };
        let _turn = self.client.turn(pace).await;
        let at = self.clock.now();
        let started = Instant::now();
        let mut answer =
            Answer { attempt: Attempt::begun(at), body: String::new(), latency: None, retry_after: None };
        // The endpoint may be older than today's guard, and an address in a URL never gets to the resolver.
        let Ok(url) = self.guard.admit(&endpoint.url) else {
            answer.attempt.error = Some(AttemptError::Blocked);
            return Ok(answer);
        };
        let mut headers = headers(endpoint, event_id, at, body);
        if let Some(secret) = &endpoint.component_secret {
            component::sign(&mut headers, secret, url, at, body);
        }
        let post = Post { url, headers, body: body.clone(), tracer: Tracer::default() };
        match self.client.post(&post, time).await {
            Err(NoReply::NoSockets(missing)) => return Err(missing),
            Err(NoReply::Failed(error)) => answer.attempt.error = Some(error),
            Ok(reply) => {
                answer.latency = Some(reply.at - started);
                self.take(reply, &mut answer);
            }
        }
        answer.attempt.duration = started.elapsed();
        answer.attempt.trace = post.tracer.trace();
        Ok(answer)
    }

    fn take(&self, reply: Reply, answer: &mut Answer) {
        answer.attempt.code = Some(reply.code);
        answer.attempt.error = (!reply.is_whole).then_some(AttemptError::BodyIncomplete);
        answer.retry_after =
            reply.retry_after.and_then(|header| retry_after::parse(&header, self.clock.now()));
        answer.body = text(&reply.body);
    }

    /// Returns the full timeout of an attempt.
    pub(crate) fn timeout(&self) -> Duration {
        self.timeout
    }
}

/// Returns the headers of an attempt, with those that the endpoint's owner added. Their values may be secret, so HTTP/2
/// keeps none in its tables.
fn headers(endpoint: &Endpoint, event_id: EventId, at: Timestamp, body: &Bytes) -> HeaderMap {
    let value = |text: String| HeaderValue::try_from(text).expect("it is visible ASCII");
    let mut headers = HeaderMap::with_capacity(COMMON_HEADERS);
    headers.insert(ACCEPT, HeaderValue::from_static("*/*"));
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(USER_AGENT, HeaderValue::from_static(concat!("Posthorn/", env!("CARGO_PKG_VERSION"))));
    headers.insert(WEBHOOK_ID, value(event_id.to_string()));
    headers.insert(WEBHOOK_TIMESTAMP, at.as_seconds().into());
    headers.insert(WEBHOOK_SIGNATURE, value(sign(endpoint.signing_secrets(at), event_id, at, body)));
    for (name, text) in endpoint.headers.iter() {
        let name = HeaderName::from_bytes(name.as_bytes()).expect("its type allows only tokens");
        let mut value = HeaderValue::from_str(text).expect("its type allows only printable ASCII");
        value.set_sensitive(true);
        headers.insert(name, value);
    }
    headers
}

/// Returns the bytes as text, at most 1 KiB. A character cut in two at the end is dropped; other bytes that are not
/// UTF-8 become U+FFFD, which takes three bytes.
fn text(bytes: &[u8]) -> String {
    let text = match std::str::from_utf8(bytes) {
        Err(error) if error.error_len().is_none() => String::from_utf8_lossy(&bytes[..error.valid_up_to()]),
        _ => String::from_utf8_lossy(bytes),
    };
    text[..text.floor_char_boundary(KEPT_BODY_BYTES)].to_owned()
}

#[cfg(test)]
mod tests {
    use posthorn_domain::Trace;
    use posthorn_domain::testing::Fixed;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;

    use super::*;
    use crate::sending::answers::{TIMEOUT, endpoint, guard, tls};

    /// A server that accepts connections and sends nothing.
    async fn silent() -> (String, TcpListener) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        (format!("http://{}/", listener.local_addr().unwrap()), listener)
    }

    /// Returns a sender that makes two attempts of each pace at a time.
    fn sender() -> Sender {
        let guard = guard("127.0.0.0/8");
        let sender = Sender::new(Arc::new(Fixed), Arc::new(Fixed), TIMEOUT, guard.clone(), &tls());
        let names = GuardedResolver {
            guard: Arc::new(guard),
            names: Arc::new(Names::new(Arc::new(Fixed), Arc::new(Fixed))),
        };
        Sender { client: Client::new(Dialer::new(names, &tls()), Arc::new(Fixed), 2), ..sender }
    }

    fn event() -> EventId {
        "evt_01JDB5G8Z7M4X3W2V1T0S9R8Q7".parse().unwrap()
    }

    /// A burst's first attempts began together, each with a limit of a second. On a cold start, the processor was busy
    /// with their handshakes for longer, and endpoints that answer at once were recorded as slow.
    #[tokio::test]
    async fn the_time_of_an_attempt_begins_with_its_turn() {
        let (sender, (url, _listener)) = (sender(), silent().await);
        let (endpoint, body, began) = (endpoint(&url), Bytes::from_static(b"{}"), Instant::now());
        let post = || sender.post_within(TIMEOUT / 4, &endpoint, event(), &body);
        let answers = futures::future::join_all((0..5).map(|_| post())).await;
        assert!(began.elapsed() >= 3 * TIMEOUT / 4, "they took no turns: {:?}", began.elapsed());
        for answer in answers {
            let attempt = answer.unwrap().attempt;
            assert_eq!(attempt.error, Some(AttemptError::Timeout));
            assert!(attempt.duration < 2 * TIMEOUT / 4, "its wait counted: {:?}", attempt.duration);
        }
    }

    /// Posts to a server that answers in these pieces, a moment before each. Once it is connected, this process is busy for
    /// twice the time that the attempt may take.
    #[expect(clippy::disallowed_methods, reason = "a process that is busy blocks its executor")]
    async fn post_while_busy(pieces: &[&str]) -> Answer {
        let (sender, (url, listener)) = (sender(), silent().await);
        let (endpoint, body, began) = (endpoint(&url), Bytes::from_static(b"{}"), Instant::now());
        let server = async {
            let (mut stream, _) = listener.accept().await.unwrap();
            std::thread::sleep(2 * TIMEOUT);
            assert!(stream.read(&mut [0; 4096]).await.unwrap() > 0);
            for piece in pieces {
                tokio::time::sleep(TIMEOUT / 8).await;
                stream.write_all(piece.as_bytes()).await.unwrap();
            }
        };
        let (answer, ()) = futures::future::join(sender.post(&endpoint, event(), &body), server).await;
        assert!(began.elapsed() >= 2 * TIMEOUT, "it was not busy");
        answer.unwrap()
    }

    /// While this process had no time to look at its sockets, time ran out for endpoints that answer at once.
    #[tokio::test]
    async fn the_time_that_this_process_is_busy_with_something_else_is_not_the_endpoints() {
        let answer = post_while_busy(&["HTTP/1.1 204 No Content\r\n\r\n"]).await;
        assert_eq!(answer.attempt.code, Some(204));
    }

    /// The answer's head came late but in time; its body was then given up as late.
    #[tokio::test]
    async fn the_body_of_an_answer_has_the_rest_of_the_time_that_this_process_was_not_busy() {
        let answer = post_while_busy(&["HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n", "ok"]).await;
        assert_eq!((answer.attempt.code, answer.attempt.error), (Some(200), None));
        assert_eq!(answer.body, "ok");
    }

    #[tokio::test]
    async fn attempts_that_hang_take_no_turn_from_those_that_are_cut_short() {
        let (sender, (url, _listener)) = (sender(), silent().await);
        let (endpoint, body, began) = (endpoint(&url), Bytes::from_static(b"{}"), Instant::now());
        let hanging = || sender.post(&endpoint, event(), &body);
        let hanging = futures::future::join_all((0..4).map(|_| hanging()));
        let brisk = async {
            sender.post_within(TIMEOUT / 4, &endpoint, event(), &body).await.unwrap();
            began.elapsed()
        };
        let (_, brisk) = futures::future::join(hanging, brisk).await;
        assert!(brisk < TIMEOUT, "{brisk:?}");
        assert!(began.elapsed() >= 2 * TIMEOUT);
    }

    #[tokio::test]
    async fn an_attempt_that_opens_a_connection_notes_its_address_and_the_time_of_each_phase() {
        let (sender, (url, listener)) = (sender(), silent().await);
        let (endpoint, body) = (endpoint(&url), Bytes::from_static(b"{}"));
        let post = async || sender.post(&endpoint, event(), &body).await.unwrap().attempt.trace;
        let server = async {
            let (mut stream, _) = listener.accept().await.unwrap();
            for _ in 0..2 {
                assert!(stream.read(&mut [0; 4096]).await.unwrap() > 0);
                stream.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").await.unwrap();
            }
        };
        let ((first, second), ()) =
            futures::future::join(async { (post().await, post().await) }, server).await;
        let here = Some("127.0.0.1".parse().unwrap());
        assert_eq!((first.address, first.dns, first.tls), (here, None, None));
        assert!(first.connect.is_some() && first.first_byte.is_some(), "{first:?}");
        assert!(second.is_empty(), "it used the open connection: {second:?}");
        drop(listener);
        assert_eq!(post().await, Trace { address: here, ..Trace::default() }, "refused");
    }

    #[test]
    fn kept_text_never_ends_in_half_a_character() {
        assert_eq!(text("é".as_bytes()), "é");
        assert_eq!(text(&"aé".as_bytes()[..2]), "a");
        assert_eq!(text(b"a\xffb"), "a\u{fffd}b");
    }

    /// 1 KiB of Shift-JIS became three, and the record of fifty such answers no longer fitted into a row.
    #[test]
    fn a_kept_kilobyte_is_one_after_it_has_become_text() {
        let check = |bytes: &[u8], kept: usize| assert_eq!(text(bytes).len(), kept);
        check(&[b'x'; 1024], 1024);
        check(&[0x83; 1024], 1023);
        check("é".repeat(512).as_bytes(), 1024);
        check(&["x".as_bytes(), &[0xff; 1023]].concat(), 1024);
    }
}
