//! Sends one event to all endpoints that subscribe to it.

use std::sync::Arc;
use std::time::Duration;

use bytestring::ByteString;
use futures::future::join_all;
use posthorn_domain::{
    Delivery, DeliveryWork, Endpoint, EndpointId, EventMessage, EventType, FEED_WRITE, MAX_EVENT_BYTES,
    Tenant, Timestamp, is_out_of_time,
};
use posthorn_storage::{Chunk, EventRecord, RecordKey, StorageError, Written};

use tokio::time::{Instant, timeout};

use crate::contained::each;
use crate::postman::dispatch::{DISPATCH, Dispatched};
use crate::postman::idempotency::Novelty;
use crate::postman::outcome::Outcome;
use crate::postman::queueing::{Queueing, message};
use crate::postman::{Postman, endpoints_of};
use crate::queue_message::{QueueMessage, WorkError};
use crate::tally::Metric;

/// The most events of one message that are sent at the same time.
const AT_ONCE: usize = 16;
/// The most deliveries in one row of the event log.
const CHUNK: usize = 50;
/// The size in bytes from which on an event is large. Compressed, most events are a third of it: then each further
/// attempt costs five write units with the event in the row, and one without.
const LARGE: usize = 16 * 1024;
/// The bits of a chunk's number that are its index; the others are random.
const CHUNK_INDEX_BITS: u32 = 12;

/// The age from which on an event is looked up first, because its message may be a duplicate of a handled one, or its
/// producer may have sent it twice.
pub(crate) const FRESH: Duration = Duration::from_secs(30);

impl Postman {
    /// Sends the events in a message of the events queue. `Ok` means that the message can be deleted: each endpoint has
    /// acknowledged its events, or their next attempts are queued, and all of it is on record. All events are tried, even if
    /// one fails; then the message comes again, and what is on record is skipped.
    pub async fn fan_out(&self, message: &QueueMessage) -> Result<(), WorkError> {
        let mut events = EventMessage::parse_all(&message.body)?;
        if events.len() == 1 {
            return self.fan_out_one(message, events.remove(0)).await;
        }
        each(events.into_iter().map(|event| self.fan_out_one(message, event)), AT_ONCE).await
    }

    /// Sends one event of a message, and adds it to the feed. The message comes again if that fails: then the event is on
    /// record, and only the rest is done.
    async fn fan_out_one(&self, message: &QueueMessage, sent: EventMessage) -> Result<(), WorkError> {
        let (key, event_type) = self.send_event(message, sent).await?;
        Ok(self.add_to_feed(message, &key, &event_type).await?)
    }

    /// Sends an event to every endpoint that subscribes to it, or to the one that the message names. Returns what is now on
    /// record.
    async fn send_event(
        &self,
        message: &QueueMessage,
        sent: EventMessage,
    ) -> Result<(RecordKey, EventType), WorkError> {
        let (only, claimed, names_id) = (sent.endpoint_id, sent.claimed, sent.id.is_some());
        let (tenant, mut event) = sent.into_event(&message.id, message.sent_at, self.shards)?;
        let mut body = ByteString::from(event.to_json());
        if body.len() > MAX_EVENT_BYTES {
            return Err(WorkError::Poison(format!("the event is larger than {MAX_EVENT_BYTES} bytes")));
        }
        let mut novelty = Novelty::New;
        if !claimed && event.draft.request.idempotency_key.is_some() {
            // Boxed, as hardly any message needs it, but all would reserve memory for it.
            novelty = Box::pin(self.claim(&tenant, &mut event)).await?;
            if novelty == Novelty::Duplicate {
                body = event.to_json().into();
            }
        }
        let key = RecordKey { tenant, event_id: event.id, chunk: None };
        let event_type = event.draft.event_type;
        let is_fresh = self.clock.now().since(event.id.at()) <= FRESH;
        let may_be_on_record = novelty != Novelty::New || message.is_redelivered() || !is_fresh;
        if may_be_on_record && let Some(record) = self.log.get(&key.tenant, key.event_id).await? {
            self.resume(&key, &record).await?;
            return Ok((key, event_type));
        }
        if novelty == Novelty::New && !names_id && message.is_redelivered() {
            // Boxed for the same reason.
            if let Some((key, record)) = Box::pin(self.in_another_shard(&key)).await? {
                self.resume(&key, &record).await?;
                return Ok((key, event_type));
            }
        }
        if novelty == Novelty::Duplicate && is_fresh {
            // The earlier event is on its way. When this message comes again, that event is on record, or lost.
            return Err(StorageError::Conflict.into());
        }
        let endpoints = self.recipients(&key.tenant, only, &event_type, message).await?;
        let record = EventRecord { body, chunks: Vec::new(), deliveries: Vec::new(), only, expires_at: None };
        if endpoints.len() > CHUNK {
            self.fan_out_in_chunks(&key, &event_type, record, &endpoints).await?;
        } else {
            // Checked only now, because the reads since may have taken long.
            self.require_time(message, DISPATCH)?;
            self.fan_out_at_once(message, &key, &event_type, record, endpoints).await?;
        }
        Ok((key, event_type))
    }

    /// Adds an event on record to the feed, if [somebody listens](posthorn_domain::Listening) or it comes late.
    async fn add_to_feed(
        &self,
        message: &QueueMessage,
        key: &RecordKey,
        event_type: &EventType,
    ) -> Result<(), StorageError> {
        let now = self.clock.now();
        if !is_out_of_time(key.event_id, now) {
            let listening = self.snapshots.listening(&key.tenant, message).await?;
            if !listening.is_some_and(|listening| listening.counts(now)) {
                return Ok(());
            }
        }
        self.persist(self.last_write(message), || async {
            let at = self.clock.now();
            let row = self.log.add_to_feed(&key.tenant, key.event_id, event_type, at);
            let written = timeout(FEED_WRITE, row).await;
            // A row that came late may be behind what readers have passed. It gets a later place.
            let is_late = self.clock.now().since(at) > FEED_WRITE;
            written
                .ok()
                .filter(|_| !is_late)
                .unwrap_or_else(|| Err(StorageError::timed_out("adding to the feed")))
        })
        .await
    }

    /// Returns the event's record under an id that its message gave it when there was another number of shards.
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

    /// Returns the endpoints that subscribe to the event, or only the one that a test event names, even if that is
    /// disabled.
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

    /// Sends to the endpoints that are neither slow nor failing; the others get the event from a queue, where they
    /// delay nobody. An event counts as accepted when it is on the queue, because its publisher then gets a 202.
    async fn fan_out_at_once(
        &self,
        message: &QueueMessage,
        key: &RecordKey,
        event_type: &EventType,
        mut record: EventRecord,
        endpoints: Vec<Arc<Endpoint>>,
    ) -> Result<(), StorageError> {
        let now = self.clock.now();
        // A test event is for this endpoint whatever its status.
        let (held, endpoints): (Vec<_>, Vec<_>) = endpoints
            .into_iter()
            .partition(|endpoint| record.only.is_none() && endpoint.held_since().is_some());
        let due = |endpoint: Arc<Endpoint>| (Arc::clone(&endpoint), Delivery::due(endpoint.id, now));
        let (prompt, slow): (Vec<_>, Vec<_>) = endpoints
            .into_iter()
            .map(due)
            .partition(|(endpoint, _)| self.seen.watch.is_worth_a_second(endpoint, now));
        let (detour, prompt): (Vec<_>, Vec<_>) = prompt.into_iter().partition(|(endpoint, _)| {
            message.is_redelivered() || self.seen.watch.was_cut_short(endpoint, now)
        });
        let [slow, detour] = [slow, detour]
            .map(|deliveries| deliveries.into_iter().map(|(_, delivery)| delivery).collect::<Vec<_>>());
        // If the message was received before, the POSTs may have been made, but their results could not be written. Now
        // the record comes first, so that they are not repeated each time.
        let body = record.body.clone().into_bytes();
        let Dispatched { outcomes, mut postponed } =
            self.dispatch(key, prompt, &body, message.sent_at, None).await;
        let doubted = [endpoints_of(&slow), endpoints_of(&detour)].concat();
        postponed.extend(detour);
        let attempted = outcomes.iter().map(|outcome| &outcome.delivery);
        record.deliveries = attempted.clone().chain(&postponed).chain(&slow).cloned().collect();
        record.deliveries.extend(first_deliveries(&held, now));
        // If nothing was POSTed, the message may come again in seconds, and frees its place for others meanwhile.
        let until = if outcomes.is_empty() { Instant::now() } else { self.last_write(message) };
        let row = self.put_aside(until, key, &mut record, now).await?;
        match self.persist(until, || self.log.create(key, event_type, &record, now)).await? {
            Written::Now => {
                self.tally.add(Metric::Events, 1);
                self.tally.add(Metric::DeliveriesHeld, held.len() as u64);
                let soon = self.packed(&row, attempted.clone().chain(&postponed), Queueing::Once);
                self.send(until, soon.and(self.packed(&row, &slow, Queueing::AmongSlow))).await?;
            }
            Written::Before => self.join_record(until, key, &outcomes).await?,
        }
        self.enforce(&key.tenant, &outcomes, &doubted).await;
        Ok(())
    }

    /// Moves the deliveries of a large event into a row of their own if any of them is pending, because each further
    /// attempt costs a write of the whole row. Returns the key of the row that has them.
    async fn put_aside(
        &self,
        until: Instant,
        key: &RecordKey,
        record: &mut EventRecord,
        now: Timestamp,
    ) -> Result<RecordKey, StorageError> {
        let goes_on = record.deliveries.iter().any(|delivery| delivery.status.is_open());
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

    /// Adds our attempts to a record written by a duplicate of the message, or by our own earlier try: they count for
    /// deliveries that have no result yet. Whatever is pending then is queued, perhaps for the second time. The later
    /// message finds its attempt on record, and does nothing.
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

    /// Returns the first of a range of chunk numbers that nobody else is likely to use for this event.
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
            self.log.create_chunk(&chunk, &first_deliveries(endpoints, now), now).await
        }));
        let _: Vec<Written> = written.await.into_iter().collect::<Result<_, _>>()?;
        record.chunks =
            chunks().map(|(number, endpoints)| Chunk { number, first: endpoints[0].id }).collect();
        match self.log.create(key, event_type, &record, now).await? {
            Written::Now => {
                let held = endpoints.iter().filter(|endpoint| endpoint.held_since().is_some()).count();
                self.tally.add(Metric::Events, 1);
                self.tally.add(Metric::DeliveriesHeld, held as u64);
            }
            Written::Before => {
                // The chunks on record count: those of a duplicate, or ours if the answer to an earlier try was lost.
                let recorded = self.log.get(&key.tenant, key.event_id).await?;
                record.chunks = recorded.map_or(Vec::new(), |record| record.chunks);
            }
        }
        self.queue_chunks(key, &record.chunks, Duration::ZERO).await
    }

    /// Finishes what an earlier receipt of the message began: each delivery without a result gets its next attempt.
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

/// Returns the deliveries to these endpoints: due now, or held.
fn first_deliveries(endpoints: &[Arc<Endpoint>], now: Timestamp) -> Vec<Delivery> {
    let delivery = |endpoint: &Arc<Endpoint>| {
        let due = Delivery::due(endpoint.id, now);
        match endpoint.held_since() {
            Some(since) => due.held(since),
            None => due,
        }
    };
    endpoints.iter().map(delivery).collect()
}
