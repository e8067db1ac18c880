//! What became of an event at one endpoint.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::{EndpointId, Invalid, Timestamp};

/// One event on its way to one endpoint, with every attempt made so far.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    /// The endpoint.
    pub endpoint_id: EndpointId,
    /// Where it stands.
    pub status: DeliveryStatus,
    /// When the next attempt is due; `None` when there will be none.
    pub next_attempt_at: Option<Timestamp>,
    /// The attempts, first to last.
    pub attempts: Vec<Attempt>,
    /// The beginning of the last answer's body, at most 1 KiB; empty when there was none.
    pub last_answer: String,
}

impl Delivery {
    /// A delivery of which nothing has been tried, due at once.
    pub fn due(endpoint_id: EndpointId, now: Timestamp) -> Self {
        Self {
            endpoint_id,
            status: DeliveryStatus::Pending,
            next_attempt_at: Some(now),
            attempts: Vec::new(),
            last_answer: String::new(),
        }
    }

    /// How many attempts have failed that count as steps of the retry schedule.
    pub fn failures(&self) -> u32 {
        let counts = |attempt: &&Attempt| !attempt.succeeded() && attempt.error != Some(AttemptError::Slow);
        u32::try_from(self.attempts.iter().filter(counts).count()).unwrap_or(u32::MAX)
    }

    /// The number of the attempt that comes next: 1 for the first.
    pub fn next_attempt(&self) -> u32 {
        u32::try_from(self.attempts.len()).map_or(u32::MAX, |made| made.saturating_add(1))
    }
}

/// Where a delivery stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DeliveryStatus {
    /// An attempt is due or under way.
    Pending,
    /// The endpoint acknowledged the event.
    Succeeded,
    /// Every attempt was used up.
    Failed,
    /// The endpoint was deleted or disabled before it acknowledged.
    Canceled,
}

/// One POST of an event to an endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Attempt {
    /// When it began.
    pub at: Timestamp,
    /// How long it took, to the end of the answer's body.
    pub duration: Duration,
    /// The answer's status code, if there was an answer.
    pub code: Option<u16>,
    /// What went wrong besides the status code.
    pub error: Option<AttemptError>,
}

impl Attempt {
    /// Whether the endpoint acknowledged the event: a whole answer with a 2xx status.
    pub fn succeeded(&self) -> bool {
        self.error.is_none() && self.code.is_some_and(|code| (200..300).contains(&code))
    }
}

/// Why an attempt brought no whole answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum AttemptError {
    /// The host's name has no address.
    Dns,
    /// No connection could be opened.
    Connection,
    /// The TLS handshake failed.
    Tls,
    /// The whole answer did not arrive in time.
    Timeout,
    /// The connection broke, or what came was not HTTP.
    Protocol,
    /// There was no answer within the second that fan-out has; the attempt is made again at once, with all the time
    /// that an endpoint may take. It does not count as a step of the retry schedule.
    Slow,
}

impl AttemptError {
    const ALL: [Self; 6] =
        [Self::Dns, Self::Connection, Self::Tls, Self::Timeout, Self::Protocol, Self::Slow];

    /// The error as one word, for records and answers.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Dns => "dns",
            Self::Connection => "connection",
            Self::Tls => "tls",
            Self::Timeout => "timeout",
            Self::Protocol => "protocol",
            Self::Slow => "slow",
        }
    }
}

impl FromStr for AttemptError {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        let known = Self::ALL.into_iter().find(|error| error.as_str() == text);
        known.ok_or_else(|| Invalid::because(format!("is no error of an attempt: {text:?}")))
    }
}

impl TryFrom<String> for AttemptError {
    type Error = Invalid;

    fn try_from(text: String) -> Result<Self, Invalid> {
        text.parse()
    }
}

impl From<AttemptError> for String {
    fn from(error: AttemptError) -> Self {
        error.as_str().to_owned()
    }
}

impl fmt::Display for AttemptError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
