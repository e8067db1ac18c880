//! Reads events of several partitions of the log in order.

use std::collections::VecDeque;

use aws_sdk_dynamodb::types::AttributeValue;
use futures::{StreamExt as _, TryStreamExt as _, stream};
use posthorn_domain::{EventId, EventSpan, Partition, Tenant, TimeOrder};

use super::{EventLog, EventRecord, RecordKey, row};
use crate::error::StorageError;
use crate::error::readable;
use crate::items::Item;

/// Minimum number of rows in the first read of a partition.
const FEWEST: usize = 4;
/// Maximum number of rows in one read. DynamoDB itself returns fewer if the events are large.
const MOST: usize = 200;
/// How many partitions are read concurrently.
const AT_ONCE: usize = 16;

/// The events of some partitions of the log, one by one. Reads about as many rows as are taken from it, and a few more
/// of each partition.
pub struct EventScan {
    log: EventLog,
    tenant: Tenant,
    order: TimeOrder,
    runs: Vec<Run>,
}

impl EventLog {
    /// Returns the events of these partitions that lie in the span. The caller is expected to take about `expected` of
    /// them.
    pub fn scan(
        &self,
        tenant: &Tenant,
        partitions: &[Partition],
        span: EventSpan,
        order: TimeOrder,
        expected: usize,
    ) -> EventScan {
        let each = expected.div_ceil(partitions.len().max(1));
        let runs =
            partitions.iter().map(|partition| Run::new(row::log(tenant, *partition), span, order, each));
        EventScan { log: self.clone(), tenant: tenant.clone(), order, runs: runs.collect() }
    }
}

impl EventScan {
    pub(super) fn tenant(&self) -> &Tenant {
        &self.tenant
    }

    /// Returns the next event and its record, without the deliveries in its chunks. Skips records that cannot be read.
    pub async fn next(&mut self) -> Result<Option<(EventId, EventRecord)>, StorageError> {
        loop {
            match self.next_row().await? {
                None => return Ok(None),
                Some((event_id, item)) => {
                    let key = RecordKey { tenant: self.tenant.clone(), event_id, chunk: None };
                    if let Some(record) = readable(row::record(&key, item))? {
                        return Ok(Some((event_id, record)));
                    }
                }
            }
        }
    }

    async fn next_row(&mut self) -> Result<Option<(EventId, Item)>, StorageError> {
        let dry = self.runs.iter_mut().filter(|run| run.is_dry());
        let filled: Vec<_> = dry.map(|run| run.fill(&self.log)).collect();
        stream::iter(filled).buffer_unordered(AT_ONCE).try_collect::<()>().await?;
        let heads = self.runs.iter_mut().filter_map(|run| Some((run.head()?, run)));
        let next = match self.order {
            TimeOrder::NewestFirst => heads.max_by_key(|(id, _)| *id),
            TimeOrder::OldestFirst => heads.min_by_key(|(id, _)| *id),
        };
        Ok(next.and_then(|(_, run)| run.take()))
    }
}

/// The rows with one partition key, sorted by event.
pub(super) struct Run {
    pk: String,
    /// The first and last event; `None` when there are no more.
    ends: Option<(EventId, EventId)>,
    order: TimeOrder,
    page: usize,
    start: Option<Item>,
    rows: VecDeque<(EventId, Item)>,
}

impl Run {
    pub(super) fn new(pk: String, span: EventSpan, order: TimeOrder, expected: usize) -> Self {
        let page = expected.clamp(FEWEST, MOST);
        Self { pk, ends: span.ends(), order, page, start: None, rows: VecDeque::new() }
    }

    /// Returns whether more rows have to be read to know the next one.
    pub(super) fn is_dry(&self) -> bool {
        self.rows.is_empty() && self.ends.is_some()
    }

    /// Returns whether there may be another row.
    pub(super) fn has_more(&self) -> bool {
        !self.rows.is_empty() || self.ends.is_some()
    }

    fn head(&self) -> Option<EventId> {
        self.rows.front().map(|(id, _)| *id)
    }

    pub(super) fn take(&mut self) -> Option<(EventId, Item)> {
        self.rows.pop_front()
    }

    /// Reads the next rows: each time twice as many as before, up to [`MOST`].
    pub(super) async fn fill(&mut self, log: &EventLog) -> Result<(), StorageError> {
        let Some((first, last)) = self.ends else { return Ok(()) };
        let answer = log
            .client
            .query()
            .table_name(&log.table)
            .key_condition_expression("pk = :pk AND sk BETWEEN :first AND :last")
            .expression_attribute_values(":pk", AttributeValue::S(self.pk.clone()))
            .expression_attribute_values(":first", AttributeValue::S(first.to_string()))
            .expression_attribute_values(":last", AttributeValue::S(last.to_string()))
            .scan_index_forward(self.order == TimeOrder::OldestFirst)
            .consistent_read(true)
            .limit(i32::try_from(self.page).unwrap_or(i32::MAX))
            .set_exclusive_start_key(self.start.take())
            .send()
            .await
            .map_err(StorageError::from_call("Query"))?;
        for item in answer.items.unwrap_or_default() {
            if let Some(event_id) = readable(row::event_id(&item))? {
                self.rows.push_back((event_id, item));
            }
        }
        self.page = (self.page * 2).min(MOST);
        self.start = answer.last_evaluated_key;
        if self.start.is_none() {
            self.ends = None;
        }
        Ok(())
    }
}
