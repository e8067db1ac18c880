//! A queue's attributes in the format of the protocol: names and texts.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Deserialize;
use serde_json::{Value, json};

use super::error::{Fault, SqsError};
use super::location::{Location, queue_of_arn};
use super::store::{Counts, Queue};
use super::{QueueSpec, Redrive};

/// The attributes that a client sets.
pub(super) type QueueAttributes = BTreeMap<String, String>;

/// Attributes of the real service that queues do not have here. A request for them returns the others only.
const ABSENT: [&str; 6] = [
    "All",
    "Policy",
    "KmsMasterKeyId",
    "KmsDataKeyReusePeriodSeconds",
    "RedriveAllowPolicy",
    "SqsManagedSseEnabled",
];

/// Sets the named attributes, and leaves the others unchanged.
pub(super) fn apply(attributes: &QueueAttributes, spec: &mut QueueSpec) -> Result<(), SqsError> {
    for (name, value) in attributes {
        match name.as_str() {
            "VisibilityTimeout" => spec.visibility_timeout = seconds(name, value)?,
            "DelaySeconds" => spec.delay = seconds(name, value)?,
            "MessageRetentionPeriod" => spec.retention = seconds(name, value)?,
            "ReceiveMessageWaitTimeSeconds" => spec.receive_wait = seconds(name, value)?,
            "MaximumMessageSize" => spec.maximum_message_size = number(name, value)?,
            "RedrivePolicy" => spec.redrive = redrive(value)?,
            "FifoQueue" | "ContentBasedDeduplication" | "DeduplicationScope" | "FifoThroughputLimit" => {
                return Err(SqsError::unsupported("FIFO queues are not emulated."));
            }
            _ => return Err(unknown(name)),
        }
    }
    spec.check()
}

fn unknown(name: &str) -> SqsError {
    SqsError::new(Fault::InvalidAttributeName, format!("Unknown Attribute {name}."))
}

fn number(name: &str, value: &str) -> Result<u32, SqsError> {
    value.parse().map_err(|_| SqsError::attribute_value(name))
}

fn seconds(name: &str, value: &str) -> Result<Duration, SqsError> {
    Ok(Duration::from_secs(number(name, value)?.into()))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RedrivePolicy {
    dead_letter_target_arn: String,
    /// A number, or a number in quotes. CloudFormation and clients use both.
    max_receive_count: Value,
}

/// An empty policy removes the redrive.
fn redrive(policy: &str) -> Result<Option<Redrive>, SqsError> {
    if policy.is_empty() {
        return Ok(None);
    }
    let parse = || {
        let policy: RedrivePolicy = serde_json::from_str(policy).ok()?;
        let count = match policy.max_receive_count {
            Value::String(text) => text.parse().ok()?,
            other => other.as_u64()?.try_into().ok()?,
        };
        let dead_letter_queue = queue_of_arn(&policy.dead_letter_target_arn)?.to_owned();
        Some(Redrive { dead_letter_queue, max_receive_count: count })
    };
    parse().map(Some).ok_or_else(|| SqsError::attribute_value("RedrivePolicy"))
}

/// Returns the queue's attributes that `names` asks for.
pub(super) fn describe(
    queue: &Queue,
    counts: &Counts,
    location: &Location,
    names: &[String],
) -> Result<BTreeMap<&'static str, String>, SqsError> {
    let mut attributes = all(queue, counts, location);
    let redrive_policy = |name: &str| name == "RedrivePolicy";
    let known = |name: &str| attributes.contains_key(name) || ABSENT.contains(&name) || redrive_policy(name);
    if let Some(name) = names.iter().find(|name| !known(name)) {
        return Err(unknown(name));
    }
    if !names.iter().any(|name| name == "All") {
        attributes.retain(|attribute, _| names.iter().any(|name| name == attribute));
    }
    Ok(attributes)
}

fn all(queue: &Queue, counts: &Counts, location: &Location) -> BTreeMap<&'static str, String> {
    let spec = &queue.spec;
    let mut attributes = BTreeMap::from([
        ("ApproximateNumberOfMessages", counts.visible.to_string()),
        ("ApproximateNumberOfMessagesDelayed", counts.delayed.to_string()),
        ("ApproximateNumberOfMessagesNotVisible", counts.in_flight.to_string()),
        ("CreatedTimestamp", (queue.created_at / 1000).to_string()),
        ("DelaySeconds", spec.delay.as_secs().to_string()),
        ("LastModifiedTimestamp", (queue.modified_at / 1000).to_string()),
        ("MaximumMessageSize", spec.maximum_message_size.to_string()),
        ("MessageRetentionPeriod", spec.retention.as_secs().to_string()),
        ("QueueArn", location.arn(&spec.name)),
        ("ReceiveMessageWaitTimeSeconds", spec.receive_wait.as_secs().to_string()),
        ("VisibilityTimeout", spec.visibility_timeout.as_secs().to_string()),
    ]);
    if let Some(redrive) = &spec.redrive {
        let policy = json!({
            "deadLetterTargetArn": location.arn(&redrive.dead_letter_queue),
            "maxReceiveCount": redrive.max_receive_count,
        });
        attributes.insert("RedrivePolicy", policy.to_string());
    }
    attributes
}
