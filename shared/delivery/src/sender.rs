//! POSTs to strangers, on their best and their worst behaviour.

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use posthorn_domain::{Attempt, AttemptError, Clock, Endpoint, EventId, Guard, Timestamp};
use reqwest::dns::Resolve;
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, RETRY_AFTER, USER_AGENT};
use reqwest::{Client, Method, Request, Response, redirect, retry};
use rustls::ClientConfig;
use tokio::time::{Instant, timeout_at};

use crate::resolver::{BlockedError, GuardedResolver, ResolveError, SystemResolver};
use crate::{retry_after, sign};

/// The most bytes of an answer's body that are read.
const MAX_ANSWER_BYTES: u32 = 64 * 1024;
/// The most bytes of an answer's body that are kept.
const KEPT_ANSWER_BYTES: usize = 1024;

const WEBHOOK_ID: HeaderName = HeaderName::from_static("webhook-id");
const WEBHOOK_TIMESTAMP: HeaderName = HeaderName::from_static("webhook-timestamp");
const WEBHOOK_SIGNATURE: HeaderName = HeaderName::from_static("webhook-signature");

/// How many headers most requests have, with those that the HTTP client adds.
const COMMON_HEADERS: usize = 8;

/// Sends signed events over pooled connections, to where the guard lets it. Redirects are not followed, no proxy is
/// used, and nothing is sent twice.
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
    /// How long the endpoint asks to be left alone.
    pub(crate) retry_after: Option<Duration>,
}

impl Sender {
    /// A sender that gives each attempt `timeout`, from name resolution to the end of the answer's body.
    /// `tls` says whom it trusts.
    pub fn new(clock: Arc<dyn Clock>, timeout: Duration, guard: Guard, tls: ClientConfig) -> Self {
        Self::resolving(clock, timeout, guard, tls, Arc::new(SystemResolver))
    }

    /// A sender that has names resolved by `names`.
    pub(crate) fn resolving(
        clock: Arc<dyn Clock>,
        timeout: Duration,
        guard: Guard,
        mut tls: ClientConfig,
        names: Arc<dyn Resolve>,
    ) -> Self {
        tls.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        let guard = Arc::new(guard);
        let client = Client::builder()
            .tls_backend_preconfigured(tls)
            .redirect(redirect::Policy::none())
            .retry(retry::never())
            .no_proxy()
            .referer(false)
            .dns_resolver(GuardedResolver { guard: Arc::clone(&guard), names })
            .pool_idle_timeout(Duration::from_mins(1))
            // HTTP/2 sends this much ahead of being read; HTTP/1 stops by itself.
            .http2_initial_stream_window_size(MAX_ANSWER_BYTES)
            .build()
            .expect("the settings agree with each other");
        Self { client, guard, clock, timeout }
    }

    /// POSTs an event to an endpoint. What goes wrong is part of the answer.
    pub(crate) async fn post(&self, endpoint: &Endpoint, event_id: EventId, body: &Bytes) -> Answer {
        let at = self.clock.now();
        let started = Instant::now();
        let deadline = started + self.timeout;
        let mut answer = Answer {
            attempt: Attempt { at, duration: Duration::ZERO, code: None, error: None, resend: None },
            body: String::new(),
            retry_after: None,
        };
        // The endpoint may be older than what is allowed now, and the address in a URL never gets to the resolver.
        let Ok(url) = self.guard.admit(&endpoint.url) else {
            answer.attempt.error = Some(AttemptError::Blocked);
            return answer;
        };
        let mut request = Request::new(Method::POST, url.clone());
        *request.headers_mut() = headers(endpoint, event_id, at, body);
        *request.body_mut() = Some(body.clone().into());
        match timeout_at(deadline, self.client.execute(request)).await {
            Err(_) => answer.attempt.error = Some(AttemptError::Timeout),
            Ok(Err(error)) => answer.attempt.error = Some(classify(&error)),
            Ok(Ok(mut response)) => {
                answer.attempt.code = Some(response.status().as_u16());
                answer.retry_after = self.retry_after(&response);
                (answer.body, answer.attempt.error) = read_body(&mut response, deadline).await;
            }
        }
        answer.attempt.duration = started.elapsed();
        answer
    }

    fn retry_after(&self, response: &Response) -> Option<Duration> {
        let header = response.headers().get(RETRY_AFTER)?.to_str().ok()?;
        retry_after::parse(header, self.clock.now())
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

/// Reads the beginning of a body, and what kept it from being read whole. A body longer than
/// [`MAX_ANSWER_BYTES`] is no error; its rest is left unread and the connection is dropped.
async fn read_body(response: &mut Response, deadline: Instant) -> (String, Option<AttemptError>) {
    let mut kept = Vec::new();
    let mut read = 0;
    let error = loop {
        match timeout_at(deadline, response.chunk()).await {
            Err(_) => break Some(AttemptError::Timeout),
            Ok(Err(_)) => break Some(AttemptError::Protocol),
            Ok(Ok(None)) => break None,
            Ok(Ok(Some(chunk))) => {
                let room = KEPT_ANSWER_BYTES - kept.len();
                kept.extend_from_slice(&chunk[..chunk.len().min(room)]);
                read += chunk.len();
                if read > MAX_ANSWER_BYTES as usize {
                    break None;
                }
            }
        }
    };
    (text(&kept), error)
}

/// The bytes as text. A character cut in two at the end is dropped; other bytes that are no UTF-8 become U+FFFD.
fn text(bytes: &[u8]) -> String {
    match std::str::from_utf8(bytes) {
        Err(error) if error.error_len().is_none() => String::from_utf8_lossy(&bytes[..error.valid_up_to()]),
        _ => String::from_utf8_lossy(bytes),
    }
    .into_owned()
}

/// Finds out from an error's chain of causes what went wrong.
fn classify(error: &reqwest::Error) -> AttemptError {
    let mut cause: Option<&(dyn Error + 'static)> = Some(error);
    while let Some(error) = cause {
        if error.is::<ResolveError>() {
            return AttemptError::Dns;
        }
        if error.is::<BlockedError>() {
            return AttemptError::Blocked;
        }
        if error.is::<rustls::Error>() {
            return AttemptError::Tls;
        }
        // An I/O error shows what it wraps through `get_ref`, and only that thing's cause through `source`.
        let wrapped = error.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref);
        cause = wrapped.map(|inner| inner as &(dyn Error + 'static)).or_else(|| error.source());
    }
    if error.is_connect() { AttemptError::Connection } else { AttemptError::Protocol }
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
