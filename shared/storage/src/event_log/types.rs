//! The partitions of the log in which a tenant has events. The log is partitioned by event type, and a type's partition
//! may have several shards. A list reads only the partitions that may have what it wants.
//!
//! `pk = {tenant}#types`. `sk = {event type}`: the tenant has had events of this type; shard 0 needs no other row. `sk
//! = _shard.{partition}`: it has had events in another shard. All information is in the keys, and no row replaces
//! another. So processes with other numbers of shards cannot undo what is recorded, nor can 0.1.0, which knows no
//! shards and writes a type's row as a whole. A row expires after the last event that it stands for.

use std::collections::BTreeSet;
use std::fmt;
use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use aws_sdk_dynamodb::types::AttributeValue;
use lru::LruCache;
use posthorn_domain::{EventFilter, EventPattern, EventType, Partition, Tenant, Timestamp};

use super::{EventLog, RecordKey, row};
use crate::error::StorageError;
use crate::items::{primary_key, seconds};

/// Prefix of the sort keys of shards' rows. 0.1.0 takes each sort key here for an event type, and its lists fail if one
/// is not a valid type. These are valid: 0.1.0 looks for their events and finds none. Events of a type with such a name
/// appear only in lists that name the type.
const SHARD: &str = "_shard.";
/// How many rows a process remembers as written.
const REMEMBERED: NonZeroUsize = NonZeroUsize::new(10_000).expect("it is not zero");
/// How long until a type or shard that still occurs is written again.
const REFRESH: Duration = Duration::from_hours(12);
/// How much longer the row of a type or shard is kept than its events. Must be longer than [`REFRESH`].
const SLACK: Duration = Duration::from_hours(24);

/// When this process last wrote each row.
#[derive(Clone)]
pub(super) struct Noted(Arc<Mutex<LruCache<(Tenant, String), Timestamp>>>);

impl Default for Noted {
    fn default() -> Self {
        Self(Arc::new(Mutex::new(LruCache::new(REMEMBERED))))
    }
}

impl fmt::Debug for Noted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Noted")
    }
}

impl EventLog {
    /// Records where the tenant has events of this type. This must be on record before the event is, so that a list
    /// which has to show the event knows where to look. Each process writes a row once per [`REFRESH`].
    pub(super) async fn note_partition(
        &self,
        key: &RecordKey,
        event_type: &EventType,
        now: Timestamp,
    ) -> Result<(), StorageError> {
        let partition = key.event_id.partition();
        let of_type = self.note(&key.tenant, event_type.to_string(), now);
        let of_shard = async {
            if partition == partition.first() {
                return Ok(());
            }
            self.note(&key.tenant, shard(partition), now).await
        };
        let (of_type, of_shard) = tokio::join!(of_type, of_shard);
        of_type.and(of_shard)
    }

    async fn note(&self, tenant: &Tenant, sort_key: String, now: Timestamp) -> Result<(), StorageError> {
        let known = (tenant.clone(), sort_key);
        let noted = self.noted.0.lock().unwrap_or_else(PoisonError::into_inner).get(&known).copied();
        if noted.is_some_and(|noted| now.since(noted) < REFRESH) {
            return Ok(());
        }
        self.client
            .put_item()
            .table_name(&self.table)
            .set_item(Some(primary_key(pk(tenant), known.1.clone())))
            .item(row::EXPIRES_AT, seconds(now.plus(self.retention + SLACK)))
            .send()
            .await
            .map_err(StorageError::from_call("PutItem"))?;
        self.noted.0.lock().unwrap_or_else(PoisonError::into_inner).put(known, now);
        Ok(())
    }

    /// Returns the partitions that may have events which the filter accepts, each once. If the filter names one type,
    /// this reads a row for each of the type's shards in use, except the first. Otherwise it reads the rows of all
    /// types that the tenant has had, and of all their shards.
    pub async fn partitions(
        &self,
        tenant: &Tenant,
        filter: &EventFilter,
    ) -> Result<Vec<Partition>, StorageError> {
        let Some(EventPattern::Exact(event_type)) = &filter.event_type else {
            return self.partitions_where(tenant, |event_type| filter.takes_type(event_type)).await;
        };
        let first = Partition::of(event_type);
        let shards = self.sort_keys(tenant, Some([shard(first), shard(first.last())])).await?;
        let shards = shards.iter().filter_map(|sort_key| shard_in(sort_key));
        Ok([first].into_iter().chain(shards).collect())
    }

    /// Returns the partitions of the tenant's types for which `wanted` is true, each once.
    pub async fn partitions_where(
        &self,
        tenant: &Tenant,
        wanted: impl Fn(&EventType) -> bool,
    ) -> Result<Vec<Partition>, StorageError> {
        let (mut firsts, mut shards) = (BTreeSet::new(), BTreeSet::new());
        for name in self.sort_keys(tenant, None).await? {
            if let Some(shard) = shard_in(&name) {
                shards.insert(shard);
                continue;
            }
            let event_type: EventType = name
                .parse()
                .map_err(|reason| StorageError::corrupt(&format!("{}/{name}", pk(tenant)), reason))?;
            if wanted(&event_type) {
                firsts.insert(Partition::of(&event_type));
            }
        }
        shards.retain(|shard| firsts.contains(&shard.first()));
        Ok(firsts.into_iter().chain(shards).collect())
    }

    /// Returns the sort keys of the tenant's rows, or of a range of them. The read is consistent: it sees what was
    /// recorded before an event was.
    async fn sort_keys(
        &self,
        tenant: &Tenant,
        ends: Option<[String; 2]>,
    ) -> Result<Vec<String>, StorageError> {
        let mut query = self
            .client
            .query()
            .table_name(&self.table)
            .key_condition_expression("pk = :pk")
            .expression_attribute_values(":pk", AttributeValue::S(pk(tenant)))
            .consistent_read(true);
        if let Some([first, last]) = ends {
            query = query
                .key_condition_expression("pk = :pk AND sk BETWEEN :first AND :last")
                .expression_attribute_values(":first", AttributeValue::S(first))
                .expression_attribute_values(":last", AttributeValue::S(last));
        }
        let mut pages = query.into_paginator().items().send();
        let mut sort_keys = Vec::new();
        while let Some(item) = pages.next().await {
            let mut item = item.map_err(StorageError::from_call("Query"))?;
            sort_keys.push(match item.remove("sk") {
                Some(AttributeValue::S(sort_key)) => sort_key,
                _ => String::new(),
            });
        }
        Ok(sort_keys)
    }
}

fn pk(tenant: &Tenant) -> String {
    format!("{tenant}#types")
}

/// Returns the sort key of a shard's row.
fn shard(partition: Partition) -> String {
    format!("{SHARD}{partition}")
}

/// Returns the shard of a sort key; `None` if it is a type's.
fn shard_in(sort_key: &str) -> Option<Partition> {
    let partition: Partition = sort_key.strip_prefix(SHARD)?.parse().ok()?;
    (partition != partition.first()).then_some(partition)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_notes_a_shard_is_an_event_type_to_0_1_0() {
        let partition: Partition = "3f2e".parse().unwrap();
        assert!(shard(partition).parse::<EventType>().is_ok());
        assert_eq!(shard_in(&shard(partition)), Some(partition));
        for of_type in ["order.paid", "_shard.paid", "_shard.3f20", "_shard.3f2e.paid"] {
            assert_eq!(shard_in(of_type), None, "{of_type}");
        }
    }
}
