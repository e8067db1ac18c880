//! An event's record as a row: `pk = {tenant}#{partition}`, `sk = {event id}`, or `{event id}#{chunk}` for a
//! chunk. As a row is paid for by the kilobyte, and most deliveries need one attempt, names are short.

use std::collections::HashMap;
use std::time::Duration;

use aws_sdk_dynamodb::types::AttributeValue;
use posthorn_domain::{Attempt, AttemptError, Delivery, DeliveryStatus, Timestamp};
use serde::{Deserialize, Serialize};

use super::RecordKey;
use crate::StorageError;

/// The payload: text, or bytes when it is compressed.
pub(super) const BODY: &str = "b";
/// The numbers of the chunks that hold the deliveries; absent when there are none.
pub(super) const CHUNKS: &str = "c";
/// The deliveries, by endpoint id.
pub(super) const DELIVERIES: &str = "d";
/// When DynamoDB may delete the row: seconds since the Unix epoch.
pub(super) const EXPIRES_AT: &str = "expires_at";
/// The `s` of a pending delivery.
pub(super) const PENDING: &str = "p";

/// A delivery: `s`tatus, `n`ext attempt, `a`ttempts, last answe`r`. Times are milliseconds since the Unix epoch.
#[derive(Serialize, Deserialize)]
struct DeliveryRow {
    s: Status,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    n: Option<i64>,
    a: Vec<AttemptRow>,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    r: String,
}

#[derive(Clone, Copy, Serialize, Deserialize)]
enum Status {
    #[serde(rename = "p")]
    Pending,
    #[serde(rename = "s")]
    Succeeded,
    #[serde(rename = "f")]
    Failed,
    #[serde(rename = "c")]
    Canceled,
}

/// An attempt: when it began (`t`), how many `m`illiseconds it took, its status `c`ode, its `e`rror.
#[derive(Serialize, Deserialize)]
struct AttemptRow {
    t: i64,
    m: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    c: Option<u16>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    e: Option<AttemptError>,
}

pub(super) fn key(key: &RecordKey) -> HashMap<String, AttributeValue> {
    let partition = format!("{}#{}", key.tenant, key.event_id.partition());
    let sort_key = match key.chunk {
        None => key.event_id.to_string(),
        Some(chunk) => format!("{}#{chunk:08x}", key.event_id),
    };
    HashMap::from([
        ("pk".to_owned(), AttributeValue::S(partition)),
        ("sk".to_owned(), AttributeValue::S(sort_key)),
    ])
}

/// The row's name in an error.
pub(super) fn label(key: &RecordKey) -> String {
    format!("{}/{}", key.tenant, key.event_id)
}

pub(super) fn delivery(delivery: &Delivery) -> Result<AttributeValue, StorageError> {
    let row = DeliveryRow {
        s: delivery.status.into(),
        n: delivery.next_attempt_at.map(Timestamp::as_millis),
        a: delivery.attempts.iter().map(AttemptRow::from).collect(),
        r: delivery.last_answer.clone(),
    };
    serde_dynamo::to_attribute_value(row)
        .map_err(|error| StorageError::corrupt(&delivery.endpoint_id.to_string(), error))
}

pub(super) fn deliveries(
    key: &RecordKey,
    mut item: HashMap<String, AttributeValue>,
) -> Result<Vec<Delivery>, StorageError> {
    let corrupt = |reason: String| StorageError::corrupt(&label(key), reason);
    let rows = item.remove(DELIVERIES).ok_or_else(|| corrupt("it has no deliveries".to_owned()))?;
    let rows: HashMap<String, DeliveryRow> =
        serde_dynamo::from_attribute_value(rows).map_err(|error| corrupt(error.to_string()))?;
    rows.into_iter()
        .map(|(endpoint_id, row)| {
            Ok(Delivery {
                endpoint_id: endpoint_id
                    .parse()
                    .map_err(|reason| corrupt(format!("its delivery {reason}")))?,
                status: row.s.into(),
                next_attempt_at: row.n.map(Timestamp::from_millis),
                attempts: row.a.iter().map(Attempt::from).collect(),
                last_answer: row.r,
            })
        })
        .collect()
}

impl From<DeliveryStatus> for Status {
    fn from(status: DeliveryStatus) -> Self {
        match status {
            DeliveryStatus::Pending => Self::Pending,
            DeliveryStatus::Succeeded => Self::Succeeded,
            DeliveryStatus::Failed => Self::Failed,
            DeliveryStatus::Canceled => Self::Canceled,
        }
    }
}

impl From<Status> for DeliveryStatus {
    fn from(status: Status) -> Self {
        match status {
            Status::Pending => Self::Pending,
            Status::Succeeded => Self::Succeeded,
            Status::Failed => Self::Failed,
            Status::Canceled => Self::Canceled,
        }
    }
}

impl From<&Attempt> for AttemptRow {
    fn from(attempt: &Attempt) -> Self {
        Self {
            t: attempt.at.as_millis(),
            m: u64::try_from(attempt.duration.as_millis()).unwrap_or(u64::MAX),
            c: attempt.code,
            e: attempt.error,
        }
    }
}

impl From<&AttemptRow> for Attempt {
    fn from(row: &AttemptRow) -> Self {
        Self {
            at: Timestamp::from_millis(row.t),
            duration: Duration::from_millis(row.m),
            code: row.c,
            error: row.e,
        }
    }
}
