//! A queue's settings.

use std::ops::RangeInclusive;
use std::time::Duration;

use super::error::SqsError;
use super::message::MAXIMUM_SIZE;

/// A queue's name and attributes. `QueueSpec::default()` has SQS's default attributes, and no name.
///
/// Durations may be shorter than the protocol's whole seconds, so that tests need not wait as long.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueueSpec {
    /// 1 to 80 letters, digits, hyphens and underscores.
    pub name: String,
    /// How long a received message stays hidden: 0 s to 12 h.
    pub visibility_timeout: Duration,
    /// How long a new message stays hidden: 0 to 900 s.
    pub delay: Duration,
    /// How long a message is kept: 60 s to 14 days.
    pub retention: Duration,
    /// How long a receive waits for a first message, unless the request says otherwise: 0 to 20 s.
    pub receive_wait: Duration,
    /// Maximum bytes of a message with its attributes: 1,024 to 1,048,576.
    pub maximum_message_size: u32,
    /// What happens to messages that were received too often.
    pub redrive: Option<Redrive>,
}

/// When a message becomes a dead letter, and where it goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Redrive {
    /// The name of the dead-letter queue. While there is no such queue, messages stay and are received again.
    pub dead_letter_queue: String,
    /// Number of receives after which a message moves: 1 to 1,000.
    pub max_receive_count: u32,
}

impl Default for QueueSpec {
    fn default() -> Self {
        Self {
            name: String::new(),
            visibility_timeout: Duration::from_secs(30),
            delay: Duration::ZERO,
            retention: Duration::from_hours(4 * 24),
            receive_wait: Duration::ZERO,
            maximum_message_size: MAXIMUM_SIZE,
            redrive: None,
        }
    }
}

impl QueueSpec {
    /// Refuses settings outside SQS's limits, and FIFO queues.
    pub(super) fn check(&self) -> Result<(), SqsError> {
        check_name(&self.name)?;
        check_duration("VisibilityTimeout", self.visibility_timeout, 0..=43_200)?;
        check_duration("DelaySeconds", self.delay, 0..=900)?;
        check_duration("MessageRetentionPeriod", self.retention, 60..=1_209_600)?;
        check_duration("ReceiveMessageWaitTimeSeconds", self.receive_wait, 0..=20)?;
        if !(1024..=MAXIMUM_SIZE).contains(&self.maximum_message_size) {
            return Err(SqsError::attribute_value("MaximumMessageSize"));
        }
        let Some(redrive) = &self.redrive else { return Ok(()) };
        let receivable = (1..=1000).contains(&redrive.max_receive_count);
        if receivable {
            check_name(&redrive.dead_letter_queue)
        } else {
            Err(SqsError::attribute_value("RedrivePolicy"))
        }
    }
}

fn check_name(name: &str) -> Result<(), SqsError> {
    if name.split_once('.').is_some_and(|(_, suffix)| suffix == "fifo") {
        return Err(SqsError::unsupported("FIFO queues are not emulated."));
    }
    if is_identifier(name) {
        return Ok(());
    }
    Err(SqsError::parameter_value(
        "Can only include alphanumeric characters, hyphens, or underscores. 1 to 80 in length",
    ))
}

/// Whether `text` can be the name of a queue or the id of a batch's entry.
pub(super) fn is_identifier(text: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    (1..=80).contains(&text.len()) && text.bytes().all(allowed)
}

fn check_duration(name: &str, duration: Duration, seconds: RangeInclusive<u64>) -> Result<(), SqsError> {
    let range = Duration::from_secs(*seconds.start())..=Duration::from_secs(*seconds.end());
    if range.contains(&duration) { Ok(()) } else { Err(SqsError::attribute_value(name)) }
}
