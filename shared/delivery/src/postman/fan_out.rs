//! One event to all endpoints that want it.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::future::join_all;
use posthorn_domain::{
    Delivery, DeliveryStatus, DeliveryWork, Endpoint, EndpointId, EventMessage, EventType, MAX_EVENT_BYTES,
    Tenant, Timestamp,
};
use posthorn_storage::{Chunk, EventRecord, RecordKey, StorageError, Written};

use tokio::time::Instant;

use crate::postman::dispatch::{DISPATCH, Dispatched};
use crate::postman::idempotency::Standing;
use crate::postman::outcome::Outcome;
use crate::postman::queueing::{Queueing, message};
use crate::postman::{Postman, endpoints_of};
use crate::queue_message::{QueueMessage, WorkError};
use crate::tally::Metric;

/// The most deliveries in one row of the event log.
const CHUNK: usize = 50;
/// From how many bytes on an event is large. Deflated, most are a third of it: writing the row for each further attempt costs
/// five units then, and one without the event.
const LARGE: usize = 16 * 1024;
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
        let sent = EventMessage::parse(&message.body)?;
        let (only, claimed, names_id) = (sent.endpoint_id, sent.claimed, sent.id.is_some());
        let (tenant, mut event) = sent.into_event(&message.id, message.sent_at, self.shards)?;
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
        if standing == Standing::New && !names_id && message.is_redelivered() {
            // Boxed for the same reason.
            if let Some((key, record)) = Box::pin(self.in_another_shard(&key)).await? {
                return Ok(self.resume(&key, &record).await?);
            }
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
            // Only now: what has been read since may have taken long.
            self.require_time(message, DISPATCH)?;
            Ok(self.fan_out_at_once(message, &key, event_type, record, endpoints).await?)
        }
    }

    /// What is on record of the event under an id that its message gave it when there was another number of shards.
    async fn in_another_shard(
        &self,
        key: &RecordKey,
    ) -> Result<Option<(RecordKey, EventRecord)>, StorageError> {
        let records = key.event_id.in_other_shards().map(|event_id| async move {
            let record = self.log.get(&key.tenant, event_id).await?;
            Ok(record.map(|record| (RecordKey { event_id, ..key.clone() }, record)))
        });
        let records: Result<Vec<_>, StorageError> = join_all(records).await.into_iter().collect();
        Ok(records?.into_iter().flatten().next())
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

    /// Sends to the endpoints that nothing speaks against; the others get the event from a queue, where they hold up nobody.
    /// An event is accepted when its queue has it: that is when its publisher gets a 202.
    async fn fan_out_at_once(
        &self,
        message: &QueueMessage,
        key: &RecordKey,
        event_type: &EventType,
        mut record: EventRecord,
        endpoints: Vec<Arc<Endpoint>>,
    ) -> Result<(), StorageError> {
        let now = self.clock.now();
        let due = |endpoint: Arc<Endpoint>| (Arc::clone(&endpoint), Delivery::due(endpoint.id, now));
        let (prompt, slow): (Vec<_>, Vec<_>) = endpoints
            .into_iter()
            .map(due)
            .partition(|(endpoint, _)| self.watch.is_worth_a_second(endpoint, now));
        let (detour, prompt): (Vec<_>, Vec<_>) = prompt.into_iter().partition(|(endpoint, _)| {
            message.is_redelivered() || self.watch.was_cut_short(endpoint.id, now)
        });
        let [slow, detour] = [slow, detour]
            .map(|deliveries| deliveries.into_iter().map(|(_, delivery)| delivery).collect::<Vec<_>>());
        // Of a message that was received before, the POSTs may have been made, and what they brought could not be written. Now
        // the record comes first, so that they are not made again each time.
        let body = Bytes::from(record.body.clone());
        let Dispatched { outcomes, mut postponed } =
            self.dispatch(key, prompt, &body, message.sent_at, None).await;
        postponed.extend(detour);
        let attempted = outcomes.iter().map(|outcome| &outcome.delivery);
        record.deliveries = attempted.clone().chain(&postponed).chain(&slow).cloned().collect();
        // Where nothing was POSTed, the message comes again in seconds, and its place is free for others meanwhile.
        let until = if outcomes.is_empty() { Instant::now() } else { self.last_write(message) };
        let row = self.put_aside(until, key, &mut record, now).await?;
        match self.persist(until, || self.log.create(key, event_type, &record, now)).await? {
            Written::Now => {
                self.tally.add(Metric::Events, 1);
                let soon = self.packed(&row, attempted.clone().chain(&postponed), Queueing::Once);
                self.send(until, soon.and(self.packed(&row, &slow, Queueing::AmongSlow))).await?;
            }
            Written::Before => self.join_record(until, key, &outcomes).await?,
        }
        self.enforce(&key.tenant, &outcomes, &endpoints_of(&slow)).await;
        Ok(())
    }

    /// Moves the deliveries of a large event into a row of their own, where any of them goes on: each further attempt is
    /// paid for with all of its row. Returns the row that has them.
    async fn put_aside(
        &self,
        until: Instant,
        key: &RecordKey,
        record: &mut EventRecord,
        now: Timestamp,
    ) -> Result<RecordKey, StorageError> {
        let goes_on = record.deliveries.iter().any(|delivery| delivery.status == DeliveryStatus::Pending);
        let first = record.deliveries.iter().map(|delivery| delivery.endpoint_id).min();
        let Some(first) = first.filter(|_| goes_on && record.body.len() > LARGE) else {
            return Ok(key.clone());
        };
        let number = self.chunk_numbers();
        let row = RecordKey { chunk: Some(number), ..key.clone() };
        let deliveries = std::mem::take(&mut record.deliveries);
        let _: Written = self.persist(until, || self.log.create_chunk(&row, &deliveries, now)).await?;
        record.chunks = vec![Chunk { number, first }];
        Ok(row)
    }

    /// Adds to the record that a twin of the message has made, or an earlier try of ours: what it has no result for
    /// yet, our attempts serve as well. Whatever is then pending is queued; that may be for the second time, of which
    /// the later one finds nothing left to do.
    async fn join_record(
        &self,
        until: Instant,
        key: &RecordKey,
        outcomes: &[Outcome],
    ) -> Result<(), StorageError> {
        let recorded = self.persist(until, || self.log.get(&key.tenant, key.event_id)).await?;
        let Some(recorded) = recorded else { return Err(StorageError::Conflict) };
        for row in recorded.rows(key) {
            let ours = outcomes.iter().map(|outcome| &outcome.delivery);
            let ours = ours.filter(|delivery| recorded.chunk_of(delivery.endpoint_id) == row.chunk);
            self.settle(until, &row, ours).await?;
            let all = self.persist(until, || self.log.deliveries(&row)).await?;
            self.send(until, self.packed(&row, &all, Queueing::Again)).await?;
        }
        Ok(())
    }

    /// The first of a run of numbers for chunks, which nobody else is likely to use for this event.
    #[expect(clippy::cast_possible_truncation, reason = "some random bits are as good as others")]
    fn chunk_numbers(&self) -> u32 {
        self.random.bits() as u32 >> CHUNK_INDEX_BITS << CHUNK_INDEX_BITS
    }

    async fn fan_out_in_chunks(
        &self,
        key: &RecordKey,
        event_type: &EventType,
        mut record: EventRecord,
        endpoints: &[Arc<Endpoint>],
    ) -> Result<(), StorageError> {
        let now = self.clock.now();
        let first = self.chunk_numbers();
        let chunks = || (first..).zip(endpoints.chunks(CHUNK));
        let written = join_all(chunks().map(|(number, endpoints)| async move {
            let chunk = RecordKey { chunk: Some(number), ..key.clone() };
            self.log.create_chunk(&chunk, &due(endpoints, now), now).await
        }));
        let _: Vec<Written> = written.await.into_iter().collect::<Result<_, _>>()?;
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
        self.queue_chunks(key, &record.chunks, Duration::ZERO).await
    }

    /// Finishes what an earlier receipt of the message began: whatever has no result yet gets its next attempt.
    async fn resume(&self, key: &RecordKey, record: &EventRecord) -> Result<(), StorageError> {
        self.queue(key, &record.deliveries, Queueing::Again).await?;
        self.queue_chunks(key, &record.chunks, self.copy_comes_later()).await
    }

    async fn queue_chunks(
        &self,
        key: &RecordKey,
        chunks: &[Chunk],
        wait: Duration,
    ) -> Result<(), StorageError> {
        let row = |chunk: &Chunk| RecordKey { chunk: Some(chunk.number), ..key.clone() };
        let messages = chunks.iter().map(|chunk| (message(&row(chunk), DeliveryWork::Chunk), wait));
        let messages: Vec<_> = messages.collect();
        self.first_attempts.send(&messages).await
    }
}

fn due(endpoints: &[Arc<Endpoint>], now: Timestamp) -> Vec<Delivery> {
    endpoints.iter().map(|endpoint| Delivery::due(endpoint.id, now)).collect()
}
