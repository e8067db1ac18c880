//! Notes that somebody reads a tenant's feed: `feed_since` and `feed_until` in the tenant's `meta` row, in milliseconds
//! since the Unix epoch. Fan-out reads that row for each batch anyway.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::AttributeValue;
use posthorn_domain::{Listening, Tenant, Timestamp};

use super::{EndpointStore, key, meta, number};
use crate::error::StorageError;
use crate::items::millis;
use crate::transaction::retrying;
use crate::written::Written;

const SINCE: &str = "feed_since";
const UNTIL: &str = "feed_until";

impl EndpointStore {
    /// Notes that somebody reads the tenant's feed now. Writes only if that is not known for long enough.
    pub async fn listen(&self, tenant: &Tenant, now: Timestamp) -> Result<Listening, StorageError> {
        // No client can do anything about other readers' writes.
        retrying(|| self.renew(tenant, now)).await.map_err(|error| match error {
            StorageError::Conflict => StorageError::timed_out("UpdateItem"),
            other => other,
        })
    }

    async fn renew(&self, tenant: &Tenant, now: Timestamp) -> Result<Listening, StorageError> {
        let before = self.latest(tenant).await?.listening;
        let listening = match (Listening::renewed(before, now), before) {
            (Some(renewed), _) => renewed,
            (None, Some(before)) => return Ok(before),
            (None, None) => return Err(StorageError::Conflict),
        };
        // A tenant without endpoints gets a row like that of one whose endpoints never changed.
        let mut update = self
            .client
            .update_item()
            .table_name(&self.table)
            .set_key(Some(key(tenant, meta::SORT_KEY)))
            .update_expression(
                "SET feed_since = :since, feed_until = :until, version = if_not_exists(version, :zero), \
                 logged = if_not_exists(logged, :zero)",
            )
            .expression_attribute_values(":since", millis(listening.since))
            .expression_attribute_values(":until", millis(listening.until))
            .expression_attribute_values(":zero", number(0))
            .condition_expression("attribute_not_exists(feed_until)");
        if let Some(before) = before {
            update = update
                .condition_expression("feed_until = :before")
                .expression_attribute_values(":before", millis(before.until));
        }
        match Written::read("UpdateItem", update.send().await)? {
            Written::Now => Ok(listening),
            Written::Before => Err(StorageError::Conflict),
        }
    }
}

/// Reads the time of listening in a `meta` row; `None` if nobody ever listened.
pub(super) fn read(item: &HashMap<String, AttributeValue>) -> Option<Listening> {
    let time = |name| Some(Timestamp::from_millis(item.get(name)?.as_n().ok()?.parse().ok()?));
    Some(Listening { since: time(SINCE)?, until: time(UNTIL)? })
}
