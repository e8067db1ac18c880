//! POSTs to strangers, on their best and their worst behaviour.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{ACCEPT, CONTENT_TYPE, USER_AGENT};
use http::{HeaderMap, HeaderName, HeaderValue};
use posthorn_domain::{Attempt, AttemptError, Clock, Endpoint, EventId, Guard, Timestamp};
use rustls::ClientConfig;
use tokio::time::Instant;

use crate::http::{Client, Dialer, Post, Reply};
use crate::resolver::{GuardedResolver, Resolve, SystemResolver};
use crate::{retry_after, sign};

const WEBHOOK_ID: HeaderName = HeaderName::from_static("webhook-id");
const WEBHOOK_TIMESTAMP: HeaderName = HeaderName::from_static("webhook-timestamp");
const WEBHOOK_SIGNATURE: HeaderName = HeaderName::from_static("webhook-signature");

/// How many headers most requests have, with those that the HTTP client adds.
const COMMON_HEADERS: usize = 8;

/// Sends signed events over pooled connections, to where the guard lets it. Redirects are not followed, and no proxy is
/// used.
pub struct Sender {
    client: Client,
    guard: Arc<Guard>,
    clock: Arc<dyn Clock>,
    timeout: Duration,
}

/// What an attempt brought back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) attempt: Attempt,
    /// The beginning of the body.
    pub(crate) body: String,
    /// How long it took to the end of the headers; `None` where there was no answer.
    pub(crate) latency: Option<Duration>,
    /// How long the endpoint asks to be left alone.
    pub(crate) retry_after: Option<Duration>,
}

impl Sender {
    /// A sender that gives each attempt `timeout`, from name resolution to the end of the answer's headers.
    /// `tls` says whom it trusts.
    pub fn new(clock: Arc<dyn Clock>, timeout: Duration, guard: Guard, tls: &ClientConfig) -> Self {
        Self::resolving(clock, timeout, guard, tls, Arc::new(SystemResolver))
    }

    /// A sender that has names resolved by `names`.
    pub(crate) fn resolving(
        clock: Arc<dyn Clock>,
        timeout: Duration,
        guard: Guard,
        tls: &ClientConfig,
        names: Arc<dyn Resolve>,
    ) -> Self {
        let guard = Arc::new(guard);
        let names = GuardedResolver { guard: Arc::clone(&guard), names };
        Self { client: Client::new(Dialer::new(names, tls), Arc::clone(&clock)), guard, clock, timeout }
    }

    /// POSTs an event to an endpoint. What goes wrong is part of the answer.
    pub(crate) async fn post(&self, endpoint: &Endpoint, event_id: EventId, body: &Bytes) -> Answer {
        self.post_within(self.timeout, endpoint, event_id, body).await
    }

    /// The same, where the answer's status and headers have to arrive within `time`.
    pub(crate) async fn post_within(
        &self,
        time: Duration,
        endpoint: &Endpoint,
        event_id: EventId,
        body: &Bytes,
    ) -> Answer {
        let at = self.clock.now();
        let started = Instant::now();
        let mut answer = Answer {
            attempt: Attempt { at, duration: Duration::ZERO, code: None, error: None, resend: None },
            body: String::new(),
            latency: None,
            retry_after: None,
        };
        // The endpoint may be older than what is allowed now, and the address in a URL never gets to the resolver.
        let Ok(url) = self.guard.admit(&endpoint.url) else {
            answer.attempt.error = Some(AttemptError::Blocked);
            return answer;
        };
        let post = Post { url, headers: headers(endpoint, event_id, at, body), body: body.clone() };
        match self.client.post(&post, started + time).await {
            Err(error) => answer.attempt.error = Some(error),
            Ok(reply) => {
                answer.latency = Some(reply.at - started);
                self.take(reply, &mut answer);
            }
        }
        answer.attempt.duration = started.elapsed();
        answer
    }

    fn take(&self, reply: Reply, answer: &mut Answer) {
        answer.attempt.code = Some(reply.code);
        answer.attempt.error = (!reply.is_whole).then_some(AttemptError::BodyIncomplete);
        answer.retry_after =
            reply.retry_after.and_then(|header| retry_after::parse(&header, self.clock.now()));
        answer.body = text(&reply.body);
    }

    /// The time that an attempt may take.
    pub(crate) fn timeout(&self) -> Duration {
        self.timeout
    }
}

/// What an attempt says of itself, and the headers that the endpoint's owner wants. The values of these may be secret, so
/// HTTP/2 keeps none in its tables.
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
        let name = HeaderName::from_bytes(name.as_bytes()).expect("its type takes tokens only");
        let mut value = HeaderValue::from_str(text).expect("its type takes visible ASCII only");
        value.set_sensitive(true);
        headers.insert(name, value);
    }
    headers
}

/// The bytes as text. A character cut in two at the end is dropped; other bytes that are no UTF-8 become U+FFFD.
fn text(bytes: &[u8]) -> String {
    match std::str::from_utf8(bytes) {
        Err(error) if error.error_len().is_none() => String::from_utf8_lossy(&bytes[..error.valid_up_to()]),
        _ => String::from_utf8_lossy(bytes),
    }
    .into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kept_text_never_ends_in_half_a_character() {
        assert_eq!(text("é".as_bytes()), "é");
        assert_eq!(text(&"aé".as_bytes()[..2]), "a");
        assert_eq!(text(b"a\xffb"), "a\u{fffd}b");
    }
}
