//! Which types of events a tenant has had: the log is in parts by type, and a list of all events reads all parts.
//! `pk = {tenant}#types`, `sk = {event type}`.

use std::fmt;
use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use aws_sdk_dynamodb::types::AttributeValue;
use lru::LruCache;
use posthorn_domain::{EventFilter, EventPattern, EventType, Partition, Tenant, Timestamp};

use super::{EventLog, row};
use crate::StorageError;

/// How many types are remembered to have been noted.
const REMEMBERED: NonZeroUsize = NonZeroUsize::new(10_000).expect("it is not zero");
/// After how long a type that still occurs is noted again.
const REFRESH: Duration = Duration::from_hours(12);
/// How much longer than an event its type is kept. It has to be longer than [`REFRESH`].
const SLACK: Duration = Duration::from_hours(24);

/// When this process has noted which type last.
#[derive(Clone)]
pub(super) struct NotedTypes(Arc<Mutex<LruCache<(Tenant, EventType), Timestamp>>>);

impl Default for NotedTypes {
    fn default() -> Self {
        Self(Arc::new(Mutex::new(LruCache::new(REMEMBERED))))
    }
}

impl fmt::Debug for NotedTypes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("NotedTypes")
    }
}

impl EventLog {
    /// Notes that the tenant has events of this type. Each process does so once in a while.
    pub(super) async fn note_type(
        &self,
        tenant: &Tenant,
        event_type: &EventType,
        now: Timestamp,
    ) -> Result<(), StorageError> {
        let known = (tenant.clone(), event_type.clone());
        let noted = self.noted.0.lock().unwrap_or_else(PoisonError::into_inner).get(&known).copied();
        if noted.is_some_and(|noted| now.since(noted) < REFRESH) {
            return Ok(());
        }
        self.client
            .put_item()
            .table_name(&self.table)
            .set_item(Some(row::place(pk(tenant), event_type.to_string())))
            .item(row::EXPIRES_AT, row::seconds(now.plus(self.retention + SLACK)))
            .send()
            .await
            .map_err(StorageError::from_call("PutItem"))?;
        self.noted.0.lock().unwrap_or_else(PoisonError::into_inner).put(known, now);
        Ok(())
    }

    /// The parts of the log that may have events which the filter takes, each once. Where the filter names no single
    /// type, this reads a row for each type that the tenant has had.
    pub async fn partitions(
        &self,
        tenant: &Tenant,
        filter: &EventFilter,
    ) -> Result<Vec<Partition>, StorageError> {
        if let Some(EventPattern::Exact(event_type)) = &filter.event_type {
            return Ok(vec![Partition::of(event_type)]);
        }
        self.partitions_where(tenant, |event_type| filter.takes_type(event_type)).await
    }

    /// The parts of the log that have events of the tenant's types which `wanted` takes, each once.
    pub async fn partitions_where(
        &self,
        tenant: &Tenant,
        wanted: impl Fn(&EventType) -> bool,
    ) -> Result<Vec<Partition>, StorageError> {
        let mut pages = self
            .client
            .query()
            .table_name(&self.table)
            .key_condition_expression("pk = :pk")
            .expression_attribute_values(":pk", AttributeValue::S(pk(tenant)))
            .consistent_read(true)
            .into_paginator()
            .items()
            .send();
        let mut partitions = Vec::new();
        while let Some(item) = pages.next().await {
            let item = item.map_err(StorageError::from_call("Query"))?;
            let name = item.get("sk").and_then(|sk| sk.as_s().ok()).map_or("", String::as_str);
            let event_type: EventType = name
                .parse()
                .map_err(|reason| StorageError::corrupt(&format!("{}/{name}", pk(tenant)), reason))?;
            if wanted(&event_type) {
                partitions.push(Partition::of(&event_type));
            }
        }
        partitions.sort_unstable();
        partitions.dedup();
        Ok(partitions)
    }
}

fn pk(tenant: &Tenant) -> String {
    format!("{tenant}#types")
}
