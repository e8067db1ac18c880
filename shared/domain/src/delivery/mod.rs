//! The delivery of one event to one endpoint: its attempts, its retry schedule, and its queue messages.
//!
//! The crate that makes attempts decides what follows one.

mod attempt_status;
mod explanation;
mod message;
mod schedule;
mod trace;

pub use self::attempt_status::AttemptStatus;
pub use self::explanation::{Explanation, Reason};
pub use self::message::{DeliveryMessage, DeliveryWork, ProbeMessage, RecoveryMessage, WorkMessage};
pub use self::schedule::RetrySchedule;
pub use self::trace::{Millis, Trace};

use std::time::Duration;

use serde::{Deserialize, Serialize};
use strum::{Display, EnumString, IntoStaticStr, VariantArray};

use crate::id::EndpointId;
use crate::invalid::Invalid;
use crate::time::Timestamp;

/// The delivery of one event to one endpoint, with every attempt made so far.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    /// The endpoint.
    pub endpoint_id: EndpointId,
    /// The delivery's status.
    pub status: DeliveryStatus,
    /// When the next attempt is due; `None` when there will be none.
    pub next_attempt_at: Option<Timestamp>,
    /// The attempts, first to last.
    pub attempts: Vec<Attempt>,
    /// The number of attempts before the last recovery. The retry schedule counts only those after it.
    pub recovered_after: usize,
    /// Whether it was recovered even if the endpoint does not want the event's type. Then its retries do not check
    /// that.
    pub insisted: bool,
    /// If it is held, since when its endpoint's deliveries are held.
    pub held_since: Option<Timestamp>,
    /// The beginning of the last answer's body, at most 1 KiB; empty if there was none.
    pub last_answer: String,
}

impl Delivery {
    /// Returns a delivery without attempts, due now.
    pub fn due(endpoint_id: EndpointId, now: Timestamp) -> Self {
        Self {
            endpoint_id,
            status: DeliveryStatus::Pending,
            next_attempt_at: Some(now),
            attempts: Vec::new(),
            recovered_after: 0,
            insisted: false,
            held_since: None,
            last_answer: String::new(),
        }
    }

    /// Returns the number of failed attempts that count as steps of the retry schedule.
    pub fn failures(&self) -> u32 {
        let since_recovery = self.attempts.iter().skip(self.recovered_after);
        count(since_recovery.filter(|attempt| attempt.is_scheduled() && attempt.failed()))
    }

    /// Returns the number of the next attempt of the retry schedule, 1 for the first. Manual retries do not count.
    pub fn next_attempt(&self) -> u32 {
        count(self.attempts.iter().filter(|attempt| attempt.is_scheduled())).saturating_add(1)
    }

    /// Returns the number of manual retries.
    pub fn resends(&self) -> u32 {
        count(self.attempts.iter().filter(|attempt| !attempt.is_scheduled()))
    }

    /// Returns whether at least one attempt had the full timeout or got an answer.
    pub fn was_tried(&self) -> bool {
        self.attempts.iter().any(|attempt| attempt.error != Some(AttemptError::Slow))
    }

    /// Returns whether an attempt was made since the delivery was created, or since it was last recovered.
    pub fn has_begun(&self) -> bool {
        self.attempts.len() > self.recovered_after
    }

    /// Returns whether an attempt has failed, or the delivery was canceled.
    pub fn has_failed(&self) -> bool {
        self.status == DeliveryStatus::Canceled || self.attempts.iter().any(Attempt::failed)
    }

    /// Returns whether the last step is the first that went wrong: an attempt that was not acknowledged, or the
    /// cancellation.
    pub fn has_just_gone_wrong(&self) -> bool {
        let went_wrong = |attempt: &Attempt| !attempt.succeeded();
        match self.attempts.split_last() {
            _ if self.status == DeliveryStatus::Canceled => !self.attempts.iter().any(went_wrong),
            Some((last, earlier)) => went_wrong(last) && !earlier.iter().any(went_wrong),
            None => false,
        }
    }

    /// Returns the delivery as held, by an endpoint whose deliveries are held since this time.
    #[must_use]
    pub fn held(self, since: Timestamp) -> Self {
        Self { status: DeliveryStatus::Held, next_attempt_at: None, held_since: Some(since), ..self }
    }

    /// Returns the delivery as it is after a recovery: due at `at`, with the whole retry schedule ahead.
    #[must_use]
    pub fn recovered(&self, at: Timestamp) -> Self {
        Self {
            status: DeliveryStatus::Pending,
            next_attempt_at: Some(at),
            recovered_after: self.attempts.len(),
            held_since: None,
            ..self.clone()
        }
    }
}

fn count<'a>(attempts: impl Iterator<Item = &'a Attempt>) -> u32 {
    u32::try_from(attempts.count()).unwrap_or(u32::MAX)
}

/// The status of a delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DeliveryStatus {
    /// An attempt is due or under way.
    Pending,
    /// The endpoint gets no attempts for now. The delivery is sent when the endpoint's hold ends.
    Held,
    /// The endpoint acknowledged the event.
    Succeeded,
    /// All attempts have failed, or the record expires before the next one could be made.
    Failed,
    /// The endpoint was deleted or disabled before it acknowledged, or no longer wanted the event's type.
    Canceled,
}

impl DeliveryStatus {
    /// Returns whether attempts may follow without a request for them: the delivery is pending or held.
    pub fn is_open(self) -> bool {
        matches!(self, Self::Pending | Self::Held)
    }
}

/// One POST of an event to an endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Attempt {
    /// When it began.
    pub at: Timestamp,
    /// How long it took, until the last byte that was read of the answer's body.
    pub duration: Duration,
    /// The answer's status code, if there was an answer.
    pub code: Option<u16>,
    /// What went wrong, apart from the status code.
    pub error: Option<AttemptError>,
    /// The token of the request for a manual retry; `None` for an attempt of the retry schedule.
    pub resend: Option<u32>,
    /// How it reached the endpoint.
    pub trace: Trace,
}

impl Attempt {
    /// Returns an attempt of the retry schedule that begins now, of which nothing more is known.
    pub fn begun(at: Timestamp) -> Self {
        Self { at, duration: Duration::ZERO, code: None, error: None, resend: None, trace: Trace::default() }
    }

    /// Returns whether the endpoint acknowledged the event: it answered with a 2xx status, even if the body was
    /// incomplete.
    pub fn succeeded(&self) -> bool {
        let is_answered = matches!(self.error, None | Some(AttemptError::BodyIncomplete));
        is_answered && self.code.is_some_and(|code| (200..300).contains(&code))
    }

    /// Returns whether the attempt failed: it was not acknowledged, and not just cut short.
    pub fn failed(&self) -> bool {
        !self.succeeded() && self.error != Some(AttemptError::Slow)
    }

    /// Returns for how many failures in a row it counts, if it failed. A timeout counts for four, because it takes a place
    /// for as long as many others.
    pub fn weight(&self) -> u32 {
        if self.error == Some(AttemptError::Timeout) { 4 } else { 1 }
    }

    /// Returns how long it took, in whole milliseconds.
    pub fn duration_ms(&self) -> u64 {
        u64::try_from(self.duration.as_millis()).unwrap_or(u64::MAX)
    }

    /// Returns whether it is an attempt of the retry schedule, not a manual retry.
    fn is_scheduled(&self) -> bool {
        self.resend.is_none()
    }
}

/// What went wrong with an attempt, apart from its status code.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    Serialize,
    Deserialize,
    Display,
    EnumString,
    IntoStaticStr,
    VariantArray,
)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case", parse_err_ty = Invalid, parse_err_fn = Invalid::none_of::<AttemptError>)]
pub enum AttemptError {
    /// The host name has no address, or could not be resolved in time.
    Dns,
    /// The URL, or an address of its host name, is forbidden; no connection was opened.
    Blocked,
    /// No connection could be opened.
    Connection,
    /// The TLS handshake failed.
    Tls,
    /// The certificate has expired, is for another name, or is from an untrusted issuer.
    TlsCertificate,
    /// The server refused the handshake, most often because the two sides share no TLS version, cipher, or key type.
    /// Certificates may have RSA keys of 2,048 to 8,192 bits, ECDSA keys on P-256 or P-384, or Ed25519 keys; keys on
    /// P-521 cannot be verified.
    TlsUnsupported,
    /// The answer's status line and headers did not arrive in time.
    Timeout,
    /// The connection broke, the answer was not HTTP, or its headers were too large; or the receiver said twice that it
    /// had not processed the request.
    Protocol,
    /// The answer's body ended early, was malformed, or did not end in time. The status code counts all the same.
    BodyIncomplete,
    /// No answer came within the short time limit of first attempts, at most a second. The attempt is made again from
    /// the deliveries queue, with the full timeout. It does not count as a step of the retry schedule.
    Slow,
}

impl AttemptError {
    /// Returns the error as one word, for records and answers.
    pub fn as_str(self) -> &'static str {
        self.into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn attempt(code: Option<u16>, error: Option<AttemptError>, resend: Option<u32>) -> Attempt {
        Attempt { code, error, resend, ..Attempt::begun(Timestamp::from_millis(0)) }
    }

    fn delivery(attempts: &[Attempt]) -> Delivery {
        let id = "wh_01JDB5G8Z7M4X3W2V1T0S9R8Q7".parse().unwrap();
        Delivery { attempts: attempts.to_vec(), ..Delivery::due(id, Timestamp::from_millis(0)) }
    }

    #[test]
    fn what_was_asked_for_by_hand_is_no_step_of_the_schedule() {
        let (failed, resent) = (attempt(Some(500), None, None), attempt(Some(500), None, Some(7)));
        let delivery = delivery(&[failed, resent, failed, resent]);
        assert_eq!((delivery.failures(), delivery.next_attempt(), delivery.resends()), (2, 3, 2));
        let recovered = delivery.recovered(Timestamp::from_millis(5));
        assert_eq!((recovered.failures(), recovered.next_attempt()), (0, 3));
    }

    #[test]
    fn a_delivery_goes_wrong_first_once() {
        let (failed, succeeded) = (attempt(Some(500), None, None), attempt(Some(200), None, None));
        let slow = attempt(None, Some(AttemptError::Slow), None);
        let check = |attempts: &[Attempt], failed, just| {
            let delivery = delivery(attempts);
            assert_eq!(
                (delivery.has_failed(), delivery.has_just_gone_wrong()),
                (failed, just),
                "{attempts:?}"
            );
        };
        check(&[], false, false);
        check(&[succeeded], false, false);
        check(&[slow], false, true);
        check(&[failed], true, true);
        check(&[slow, failed], true, false);
        check(&[failed, failed], true, false);
        check(&[failed, succeeded], true, false);
        let canceled =
            |attempts: &[Attempt]| Delivery { status: DeliveryStatus::Canceled, ..delivery(attempts) };
        assert!(canceled(&[]).has_just_gone_wrong() && canceled(&[]).has_failed());
        assert!(!canceled(&[failed]).has_just_gone_wrong() && canceled(&[failed]).has_failed());
    }
}
