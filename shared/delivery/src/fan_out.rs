//! One event to all endpoints that want it.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::future::try_join_all;
use posthorn_domain::{
    Delivery, DeliveryMessage, DeliveryWork, Endpoint, EndpointId, EventMessage, EventType, MAX_EVENT_BYTES,
    Tenant, Timestamp,
};
use posthorn_storage::{Chunk, EventRecord, RecordKey, StorageError, Written};

use crate::dispatch::PATIENCE;
use crate::idempotency::Standing;
use crate::postman::Outcome;
use crate::{Metric, Postman, QueueMessage, WorkError};

/// The most deliveries in one row of the event log.
const CHUNK: usize = 50;
/// The bits of a chunk's number that count; those above are chance.
const CHUNK_INDEX_BITS: u32 = 12;

/// How old an event may be before it is looked up first: its message may be a duplicate of one that was handled, or
/// its producer may have sent it twice.
pub(crate) const FRESH: Duration = Duration::from_secs(30);

impl Postman {
    /// Carries the event in a message of the events queue to every endpoint that wants it, or to the one that the
    /// message names. `Ok` means that the message may go: every one of them has answered well, or its next attempt is
    /// queued, and it is all on record.
    pub async fn fan_out(&self, message: &QueueMessage) -> Result<(), WorkError> {
        self.require_time(message, PATIENCE)?;
        let sent = EventMessage::parse(&message.body)?;
        let (only, claimed) = (sent.endpoint_id, sent.claimed);
        let (tenant, mut event) = sent.into_event(&message.id, message.sent_at)?;
        let mut body = event.to_json();
        if body.len() > MAX_EVENT_BYTES {
            return Err(WorkError::Poison(format!("the event is larger than {MAX_EVENT_BYTES} bytes")));
        }
        let mut standing = Standing::New;
        if !claimed && event.draft.request.idempotency_key.is_some() {
            // Boxed, as hardly any message needs it, and each would make room for it.
            standing = Box::pin(self.claim(&tenant, &mut event)).await?;
            if standing == Standing::Twin {
                body = event.to_json();
            }
        }
        let key = RecordKey { tenant, event_id: event.id, chunk: None };
        let is_fresh = self.clock.now().since(event.created_at()) <= FRESH;
        let may_be_on_record = standing != Standing::New || message.is_redelivered() || !is_fresh;
        if may_be_on_record && let Some(record) = self.log.get(&key.tenant, key.event_id).await? {
            return Ok(self.resume(&key, &record).await?);
        }
        if standing == Standing::Twin && is_fresh {
            // The one published before is on its way. When this message comes again, it is on record, or it is lost.
            return Err(StorageError::Conflict.into());
        }
        let event_type = &event.draft.event_type;
        let endpoints = self.recipients(&key.tenant, only, event_type, message).await?;
        let record = EventRecord { body, chunks: Vec::new(), deliveries: Vec::new(), only, expires_at: None };
        if endpoints.len() > CHUNK {
            Ok(self.fan_out_in_chunks(&key, event_type, record, &endpoints).await?)
        } else {
            Ok(self.fan_out_at_once(&key, event_type, record, endpoints, message.sent_at).await?)
        }
    }

    /// The endpoints that want the event, or the only one that it is for: that is tried even where it is disabled.
    async fn recipients(
        &self,
        tenant: &Tenant,
        only: Option<EndpointId>,
        event_type: &EventType,
        message: &QueueMessage,
    ) -> Result<Vec<Arc<Endpoint>>, StorageError> {
        match only {
            Some(id) => Ok(self.snapshots.store().get(tenant, id).await?.map(Arc::new).into_iter().collect()),
            None => Ok(self.snapshots.get(tenant, message).await?.matching(event_type)),
        }
    }

    /// Sends to the endpoints that are known to answer promptly; the others get the event from the deliveries queue,
    /// where they hold up nobody. An event is accepted when its queue has it: that is when its publisher gets a 202.
    async fn fan_out_at_once(
        &self,
        key: &RecordKey,
        event_type: &EventType,
        mut record: EventRecord,
        endpoints: Vec<Arc<Endpoint>>,
        accepted_at: Timestamp,
    ) -> Result<(), StorageError> {
        let now = self.clock.now();
        let due = |endpoint: Arc<Endpoint>| (Arc::clone(&endpoint), Delivery::due(endpoint.id, now));
        let (prompt, slow): (Vec<_>, Vec<_>) =
            endpoints.into_iter().map(due).partition(|(endpoint, _)| self.watch.is_prompt(endpoint, now));
        let outcomes = self.dispatch(key, prompt, &Bytes::from(record.body.clone()), accepted_at).await;
        let attempted = outcomes.iter().map(|outcome| outcome.delivery.clone());
        record.deliveries = attempted.chain(slow.into_iter().map(|(_, delivery)| delivery)).collect();
        match self.log.create(key, event_type, &record, now).await? {
            Written::Now => {
                self.tally.add(Metric::Events, 1);
                self.queue_next(key, &record.deliveries).await?;
            }
            Written::Before => self.join_record(key, &outcomes).await?,
        }
        self.enforce(&key.tenant, &outcomes).await;
        Ok(())
    }

    /// Adds to the record that a twin of the message has made, or an earlier try of ours: what it has no result for
    /// yet, our attempts serve as well. Whatever is then pending is queued; that may be for the second time, of which
    /// the later one finds nothing left to do.
    async fn join_record(&self, key: &RecordKey, outcomes: &[Outcome]) -> Result<(), StorageError> {
        self.settle(key, outcomes.iter().map(|outcome| &outcome.delivery)).await?;
        self.queue_next(key, &self.log.deliveries(key).await?).await
    }

    #[expect(clippy::cast_possible_truncation, reason = "some random bits are as good as others")]
    async fn fan_out_in_chunks(
        &self,
        key: &RecordKey,
        event_type: &EventType,
        mut record: EventRecord,
        endpoints: &[Arc<Endpoint>],
    ) -> Result<(), StorageError> {
        let now = self.clock.now();
        let chance = self.random.bits() as u32 >> CHUNK_INDEX_BITS << CHUNK_INDEX_BITS;
        let chunks = || (chance..).zip(endpoints.chunks(CHUNK));
        try_join_all(chunks().map(|(number, endpoints)| async move {
            let chunk = RecordKey { chunk: Some(number), ..key.clone() };
            self.log.create_chunk(&chunk, &due(endpoints, now), now).await
        }))
        .await?;
        record.chunks =
            chunks().map(|(number, endpoints)| Chunk { number, first: endpoints[0].id }).collect();
        match self.log.create(key, event_type, &record, now).await? {
            Written::Now => self.tally.add(Metric::Events, 1),
            Written::Before => {
                // The chunks on record count: a twin's, or ours where the answer to an earlier try was lost.
                let recorded = self.log.get(&key.tenant, key.event_id).await?;
                record.chunks = recorded.map_or(Vec::new(), |record| record.chunks);
            }
        }
        self.queue_chunks(key, &record.chunks).await
    }

    /// Finishes what an earlier receipt of the message began: whatever has no result yet gets its next attempt.
    async fn resume(&self, key: &RecordKey, record: &EventRecord) -> Result<(), StorageError> {
        self.queue_next(key, &record.deliveries).await?;
        self.queue_chunks(key, &record.chunks).await
    }

    async fn queue_chunks(&self, key: &RecordKey, chunks: &[Chunk]) -> Result<(), StorageError> {
        let message = |chunk: &Chunk| DeliveryMessage {
            tenant: key.tenant.clone(),
            event_id: key.event_id,
            chunk: Some(chunk.number),
            work: DeliveryWork::Chunk,
        };
        let messages: Vec<_> = chunks.iter().map(|chunk| (message(chunk), Duration::ZERO)).collect();
        self.outbox.send(&messages).await
    }
}

fn due(endpoints: &[Arc<Endpoint>], now: Timestamp) -> Vec<Delivery> {
    endpoints.iter().map(|endpoint| Delivery::due(endpoint.id, now)).collect()
}
