//! An event's record as a row: `pk = {tenant}#{partition}`, `sk = {event id}`. Its chunks have `pk =
//! {tenant}#{partition}#chunks`, `sk = {event id}#{chunk}`, so that they don't lie between events. Names are short,
//! because rows are paid for by the kilobyte, and most deliveries need one attempt.

use std::collections::HashMap;
use std::time::Duration;

use aws_sdk_dynamodb::types::AttributeValue;
use posthorn_domain::{
    Attempt, AttemptError, Delivery, DeliveryStatus, EndpointId, EventId, Partition, Tenant, Timestamp,
};
use serde::{Deserialize, Serialize};

use super::{Chunk, EventRecord, RecordKey};
use crate::codec;
use crate::error::StorageError;
use crate::items::{primary_key, seconds, text};

/// The payload: text, or bytes when it is compressed.
pub(super) const BODY: &str = "b";
/// The chunks that contain the deliveries, each with its `n`umber and the `f`irst of its endpoints; absent if there are
/// none.
const CHUNKS: &str = "c";
/// The only endpoint that the event is for; absent if it is for all that want it.
const ONLY: &str = "o";
/// The deliveries, by endpoint id.
pub(super) const DELIVERIES: &str = "d";
/// When DynamoDB may delete the row: seconds since the Unix epoch.
pub(super) const EXPIRES_AT: &str = "expires_at";

/// A delivery: `s`tatus, `n`ext attempt, `a`ttempts, how many of them precede its recover`y`, whether it is made
/// `w`hatever its endpoint wants, since when it is `h`eld, last answe`r`. Times are milliseconds since the Unix epoch. A
/// held delivery has the status of a pending one, because 0.1.0 knows no other, and no next attempt.
#[derive(Serialize, Deserialize)]
struct DeliveryRow {
    s: Status,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    n: Option<i64>,
    a: Vec<AttemptRow>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    y: Option<usize>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    w: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    h: Option<i64>,
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

/// A chunk, as the record names it.
#[derive(Serialize, Deserialize)]
struct ChunkRow {
    n: u32,
    f: EndpointId,
}

/// An attempt: start `t`ime, duration in `m`illiseconds, status `c`ode, `e`rror in words that 0.1.0 knows, the e`x`act
/// error if that is another, the to`k`en of the manual retry that asked for it, its trace, of which `p`hases are a part.
#[derive(Serialize, Deserialize)]
struct AttemptRow {
    t: i64,
    m: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    c: Option<u16>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    e: Option<AttemptError>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    x: Option<AttemptError>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    k: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    p: Option<String>,
}

pub(super) fn key(key: &RecordKey) -> HashMap<String, AttributeValue> {
    let partition = key.event_id.partition();
    match key.chunk {
        None => primary_key(log(&key.tenant, partition), key.event_id.to_string()),
        Some(chunk) => {
            primary_key(format!("{}#{partition}#chunks", key.tenant), format!("{}#{chunk:08x}", key.event_id))
        }
    }
}

/// Returns the partition key of a tenant's records in a partition.
pub(super) fn log(tenant: &Tenant, partition: Partition) -> String {
    format!("{tenant}#{partition}")
}

/// Returns the event that a row's sort key names.
pub(super) fn event_id(item: &HashMap<String, AttributeValue>) -> Result<EventId, StorageError> {
    let sort_key = text(item, "sk");
    sort_key.parse().map_err(|reason| StorageError::corrupt(sort_key, reason))
}

/// Returns a record's row.
pub(super) fn item(
    key: &RecordKey,
    record: &EventRecord,
    expires_at: Timestamp,
) -> Result<HashMap<String, AttributeValue>, StorageError> {
    let mut item = chunk_item(key, &record.deliveries, expires_at)?;
    item.insert(BODY.to_owned(), codec::pack(&record.body));
    if !record.chunks.is_empty() {
        let chunks: Vec<_> =
            record.chunks.iter().map(|chunk| ChunkRow { n: chunk.number, f: chunk.first }).collect();
        let chunks = serde_dynamo::to_attribute_value(chunks)
            .map_err(|error| StorageError::corrupt(&label(key), error))?;
        item.insert(CHUNKS.to_owned(), chunks);
    }
    if let Some(only) = record.only {
        item.insert(ONLY.to_owned(), AttributeValue::S(only.to_string()));
    }
    Ok(item)
}

/// Returns a chunk's row.
pub(super) fn chunk_item(
    key: &RecordKey,
    deliveries: &[Delivery],
    expires_at: Timestamp,
) -> Result<HashMap<String, AttributeValue>, StorageError> {
    let mut item = self::key(key);
    let rows = deliveries.iter().map(|entry| Ok((entry.endpoint_id.to_string(), delivery(entry)?)));
    item.insert(DELIVERIES.to_owned(), AttributeValue::M(rows.collect::<Result<_, StorageError>>()?));
    item.insert(EXPIRES_AT.to_owned(), seconds(expires_at));
    Ok(item)
}

/// Reads the record in a row.
pub(super) fn record(
    key: &RecordKey,
    mut item: HashMap<String, AttributeValue>,
) -> Result<EventRecord, StorageError> {
    let corrupt = |reason: String| StorageError::corrupt(&label(key), reason);
    let body = item.remove(BODY).ok_or_else(|| corrupt("it has no payload".to_owned()))?;
    let chunks: Vec<ChunkRow> = match item.remove(CHUNKS) {
        Some(chunks) => {
            serde_dynamo::from_attribute_value(chunks).map_err(|error| corrupt(error.to_string()))?
        }
        None => Vec::new(),
    };
    let only = match item.remove(ONLY) {
        Some(only) => {
            Some(serde_dynamo::from_attribute_value(only).map_err(|error| corrupt(error.to_string()))?)
        }
        None => None,
    };
    // A row without it was written by hand, and does not expire.
    let expires_at = item.get(EXPIRES_AT).and_then(|at| at.as_n().ok()?.parse::<i64>().ok());
    Ok(EventRecord {
        body: codec::unpack(&body).map_err(corrupt)?.into(),
        chunks: chunks.into_iter().map(|chunk| Chunk { number: chunk.n, first: chunk.f }).collect(),
        deliveries: deliveries(key, item)?,
        only,
        expires_at: expires_at.map(|at| Timestamp::from_millis(at.saturating_mul(1_000))),
    })
}

/// Returns the row's name for error messages.
pub(super) fn label(key: &RecordKey) -> String {
    format!("{}/{}", key.tenant, key.event_id)
}

/// Returns a delivery's status as its row has it.
pub(super) fn status(status: DeliveryStatus) -> Result<AttributeValue, StorageError> {
    serde_dynamo::to_attribute_value(Status::from(status))
        .map_err(|error| StorageError::corrupt("a delivery's status", error))
}

pub(super) fn delivery(delivery: &Delivery) -> Result<AttributeValue, StorageError> {
    let held_since = delivery.held_since.filter(|_| delivery.status == DeliveryStatus::Held);
    let row = DeliveryRow {
        s: delivery.status.into(),
        n: delivery.next_attempt_at.map(Timestamp::as_millis),
        a: delivery.attempts.iter().map(AttemptRow::from).collect(),
        y: (delivery.recovered_after > 0).then_some(delivery.recovered_after),
        w: delivery.insisted,
        h: held_since.map(Timestamp::as_millis),
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
                    .map_err(|reason| corrupt(format!("the endpoint id of a delivery {reason}")))?,
                status: if row.h.is_some() { DeliveryStatus::Held } else { row.s.into() },
                next_attempt_at: row.n.map(Timestamp::from_millis),
                attempts: row.a.iter().map(Attempt::from).collect(),
                recovered_after: row.y.unwrap_or_default(),
                insisted: row.w,
                held_since: row.h.map(Timestamp::from_millis),
                last_answer: row.r,
            })
        })
        .collect()
}

impl From<DeliveryStatus> for Status {
    fn from(status: DeliveryStatus) -> Self {
        match status {
            DeliveryStatus::Pending | DeliveryStatus::Held => Self::Pending,
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
        let known = attempt.error.and_then(|error| in_words_of_0_1_0(error, attempt));
        Self {
            t: attempt.at.as_millis(),
            m: attempt.duration_ms(),
            c: attempt.code,
            e: known,
            x: attempt.error.filter(|_| known != attempt.error),
            k: attempt.resend,
            p: (!attempt.trace.is_empty()).then(|| attempt.trace.to_string()),
        }
    }
}

/// Returns what 0.1.0 called an error: after a rollback, 0.1.0 has to read what this release wrote.
fn in_words_of_0_1_0(error: AttemptError, attempt: &Attempt) -> Option<AttemptError> {
    match error {
        AttemptError::TlsCertificate | AttemptError::TlsUnsupported => Some(AttemptError::Tls),
        AttemptError::BodyIncomplete if attempt.succeeded() => None,
        AttemptError::BodyIncomplete => Some(AttemptError::Protocol),
        error => Some(error),
    }
}

impl From<&AttemptRow> for Attempt {
    fn from(row: &AttemptRow) -> Self {
        Self {
            at: Timestamp::from_millis(row.t),
            duration: Duration::from_millis(row.m),
            code: row.c,
            error: row.x.or(row.e),
            resend: row.k,
            // It decides nothing, so what cannot be read counts as unknown.
            trace: row.p.as_deref().and_then(|text| text.parse().ok()).unwrap_or_default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_that_0_1_0_has_no_word_for_is_one_that_it_knows_to_it() {
        let check = |code, error: AttemptError, known: Option<AttemptError>| {
            let begun = Attempt::begun(Timestamp::from_millis(0));
            let attempt = Attempt { code, error: Some(error), ..begun };
            let row = AttemptRow::from(&attempt);
            assert_eq!(row.e, known, "{error}");
            assert_eq!(Attempt::from(&row), attempt);
        };
        check(None, AttemptError::TlsCertificate, Some(AttemptError::Tls));
        check(None, AttemptError::TlsUnsupported, Some(AttemptError::Tls));
        check(Some(200), AttemptError::BodyIncomplete, None);
        check(Some(500), AttemptError::BodyIncomplete, Some(AttemptError::Protocol));
        check(None, AttemptError::Dns, Some(AttemptError::Dns));
    }
}
