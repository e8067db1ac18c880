//! Rows that name the deliveries to an endpoint that have a failed attempt, were canceled, or are held although their event
//! is older than the hold, so that they can be found among all others. `pk = {tenant}#{endpoint id}`, `sk = {event id}`. The row is written before the failure is on
//! record; the record has the delivery's current state.

use aws_sdk_dynamodb::types::AttributeValue;
use futures::future::join_all;
use posthorn_domain::{Delivery, EndpointId, EventId, Tenant, Timestamp};

use super::{EventLog, RecordKey, row};
use crate::error::StorageError;
use crate::items::{Item, primary_key, seconds};

/// The chunk that contains the delivery; absent if the record itself does.
const CHUNK: &str = "c";

impl EventLog {
    /// Writes a row for each of these deliveries that has just failed for the first time, by an unsuccessful attempt or by
    /// being canceled without one, or that is held although its event is older than the hold.
    pub(super) async fn note_failures<'a>(
        &self,
        key: &RecordKey,
        deliveries: impl Iterator<Item = &'a Delivery>,
        now: Timestamp,
    ) -> Result<(), StorageError> {
        let is_older =
            |delivery: &Delivery| delivery.held_since.is_some_and(|since| key.event_id.at() < since);
        let failed = deliveries.filter(|delivery| delivery.has_just_gone_wrong() || is_older(delivery));
        let noted = join_all(failed.map(|delivery| self.note_failure(key, delivery.endpoint_id, now)));
        noted.await.into_iter().collect()
    }

    async fn note_failure(
        &self,
        key: &RecordKey,
        endpoint_id: EndpointId,
        now: Timestamp,
    ) -> Result<(), StorageError> {
        let mut put = self
            .client
            .put_item()
            .table_name(&self.table)
            .set_item(Some(primary_key(pk(&key.tenant, endpoint_id), key.event_id.to_string())))
            .item(row::EXPIRES_AT, seconds(now.plus(self.retention)));
        if let Some(chunk) = key.chunk {
            put = put.item(CHUNK, AttributeValue::N(chunk.to_string()));
        }
        put.send().await.map_err(StorageError::from_call("PutItem"))?;
        Ok(())
    }
}

pub(super) fn pk(tenant: &Tenant, endpoint_id: EndpointId) -> String {
    format!("{tenant}#{endpoint_id}")
}

/// Returns the key of the row that contains the delivery of an index row.
pub(super) fn record_key(tenant: &Tenant, item: &Item) -> Result<RecordKey, StorageError> {
    let event_id: EventId = row::event_id(item)?;
    let corrupt = || StorageError::corrupt(&format!("{tenant}/{event_id}"), "its chunk number is invalid");
    let number = |chunk: &AttributeValue| chunk.as_n().ok()?.parse().ok();
    let chunk = item.get(CHUNK).map(|chunk| number(chunk).ok_or_else(corrupt)).transpose()?;
    Ok(RecordKey { tenant: tenant.clone(), event_id, chunk })
}
