//! The deliveries to one endpoint.

use std::collections::VecDeque;

use futures::future::join_all;
use posthorn_domain::{
    DeliveredEvent, Delivery, Endpoint, EndpointId, EventId, EventSpan, EventType, Tenant, TimeOrder,
};

use super::scan::Run;
use super::{EventLog, EventRecord, EventScan, RecordKey, failures};
use crate::error::StorageError;
use crate::error::readable;

/// How many failed deliveries are read concurrently.
const AT_ONCE: usize = 25;

/// The deliveries to an endpoint, one by one in the order of their events.
pub struct DeliveriesOf {
    log: EventLog,
    endpoint_id: EndpointId,
    source: Source,
}

enum Source {
    /// The log itself: the partitions that may have events for the endpoint.
    Log(EventScan),
    /// The rows that name failed deliveries.
    Failures { tenant: Tenant, run: Run, ready: VecDeque<Found> },
}

/// An event that may have been sent to the endpoint.
#[derive(Debug)]
pub struct Found {
    /// The row that has the delivery, or would have it.
    pub key: RecordKey,
    /// The delivery, if there is one.
    pub delivery: Option<Delivery>,
    /// The event's type, if the event is not for one endpoint only. `None` if it is, or has expired.
    pub open_type: Option<EventType>,
}

impl Found {
    /// Returns the event's id.
    pub fn event_id(&self) -> EventId {
        self.key.event_id
    }
}

impl EventLog {
    /// Returns all deliveries to the endpoint. It also returns the events between them that were not sent to it,
    /// because it reads whole partitions. The caller is expected to take about `expected` of them.
    pub async fn deliveries_of(
        &self,
        tenant: &Tenant,
        endpoint: &Endpoint,
        span: EventSpan,
        order: TimeOrder,
        expected: usize,
    ) -> Result<DeliveriesOf, StorageError> {
        let wanted = |event_type: &EventType| endpoint.may_have_received(event_type);
        self.deliveries_to(tenant, endpoint.id, wanted, span, order, expected).await
    }

    /// The same for an endpoint that may have received events of these types.
    pub(super) async fn deliveries_to(
        &self,
        tenant: &Tenant,
        endpoint_id: EndpointId,
        wanted: impl Fn(&EventType) -> bool,
        span: EventSpan,
        order: TimeOrder,
        expected: usize,
    ) -> Result<DeliveriesOf, StorageError> {
        let partitions = self.partitions_where(tenant, wanted).await?;
        let source = Source::Log(self.scan(tenant, &partitions, span, order, expected));
        Ok(DeliveriesOf { log: self.clone(), endpoint_id, source })
    }

    /// Returns the deliveries to the endpoint that have failed at least once, or were canceled.
    pub fn failures_of(
        &self,
        tenant: &Tenant,
        endpoint_id: EndpointId,
        span: EventSpan,
        order: TimeOrder,
        expected: usize,
    ) -> DeliveriesOf {
        let run = Run::new(failures::pk(tenant, endpoint_id), span, order, expected);
        let source = Source::Failures { tenant: tenant.clone(), run, ready: VecDeque::new() };
        DeliveriesOf { log: self.clone(), endpoint_id, source }
    }
}

impl DeliveriesOf {
    /// Returns the next one. Skips records that cannot be read.
    pub async fn next(&mut self) -> Result<Option<Found>, StorageError> {
        let Self { log, endpoint_id, source } = self;
        match source {
            Source::Log(scan) => loop {
                let Some((event_id, record)) = scan.next().await? else { return Ok(None) };
                let found = log.found(scan.tenant(), event_id, record, *endpoint_id).await;
                if let Some(found) = readable(found)? {
                    return Ok(Some(found));
                }
            },
            Source::Failures { tenant, run, ready } => {
                while ready.is_empty() && run.has_more() {
                    ready.extend(log.next_failures(tenant, *endpoint_id, run).await?);
                }
                Ok(ready.pop_front())
            }
        }
    }
}

impl EventLog {
    async fn found(
        &self,
        tenant: &Tenant,
        event_id: EventId,
        record: EventRecord,
        endpoint_id: EndpointId,
    ) -> Result<Found, StorageError> {
        let key = RecordKey { tenant: tenant.clone(), event_id, chunk: record.chunk_of(endpoint_id) };
        let event_type = DeliveredEvent::read(&record.body).and_then(|event| event.event_type());
        let event_type = event_type.map_err(|error| StorageError::corrupt(&event_id.to_string(), error))?;
        let open_type = record.only.is_none().then_some(event_type);
        Ok(Found { delivery: self.pick(&key, record.deliveries, endpoint_id).await?, key, open_type })
    }

    async fn next_failures(
        &self,
        tenant: &Tenant,
        endpoint_id: EndpointId,
        run: &mut Run,
    ) -> Result<Vec<Found>, StorageError> {
        if run.is_dry() {
            run.fill(self).await?;
        }
        let rows = std::iter::from_fn(|| run.take()).take(AT_ONCE).collect::<Vec<_>>();
        let found = join_all(rows.into_iter().map(|(_, item)| async move {
            let key = failures::record_key(tenant, &item)?;
            match self.get(tenant, key.event_id).await? {
                Some(record) => self.found(tenant, key.event_id, record, endpoint_id).await,
                None => Ok(Found { key, delivery: None, open_type: None }),
            }
        }));
        let found = found.await.into_iter().map(readable);
        Ok(found.collect::<Result<Vec<_>, _>>()?.into_iter().flatten().collect())
    }
}
