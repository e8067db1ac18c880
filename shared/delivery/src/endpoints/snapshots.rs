//! Keeps endpoints in memory, so that an event does not need to read all of them.
//!
//! An event uses an endpoint as it was when the event was accepted, or later, never as it was before. So a snapshot is
//! valid for a message only if its version was read again after the message was received. That is one small read per
//! account and invocation, as the messages of a batch share it. If the version has moved, only the changed endpoints
//! are read.
//!
//! An endpoint's health is not part of the version. Each process trusts what it has read and seen, and rereads an
//! endpoint when an attempt contradicts that.

use std::collections::{BTreeSet, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use lru::LruCache;
use posthorn_domain::{Clock, Endpoint, EndpointId, Listening, Tenant, Timestamp};
use posthorn_storage::{EndpointStore, StorageError, Version};

use crate::endpoints::subscriptions::Subscriptions;
use crate::moment::Moment;
use crate::queue_message::QueueMessage;

/// The memory of a tenant without its endpoints, in bytes.
const TENANT_BYTES: usize = 2_000;
/// The most by which this process's clock may be ahead of SQS's clock, which stamps messages. NTP keeps both right to
/// milliseconds.
const SKEW: Duration = Duration::from_secs(1);
/// How long a read is valid for messages that were sent before it began. Each of them was accepted before the read, so
/// any read after that would do; but messages may wait in their queue for hours, and an endpoint that is disabled
/// meanwhile should stop getting them.
const SPARES_OTHERS: Duration = Duration::from_secs(1);
/// The same while the next read is running or failing.
const STANDS_IN: Duration = Duration::from_mins(1);
/// The most endpoints that are read in one call to check their health.
const AT_ONCE: usize = 100;
/// The number of the last changes that are read again after all endpoints were read.
const LAST_CHANGES: usize = 10;

/// The subscriptions of each tenant, reread when their version has moved.
pub struct Snapshots {
    store: EndpointStore,
    clock: Arc<dyn Clock>,
    /// The most memory that the subscriptions of all tenants may take together, in bytes.
    most_bytes: usize,
    tenants: Mutex<LruCache<Tenant, Arc<Slot>>>,
}

/// One tenant's snapshot.
#[derive(Default)]
struct Slot {
    subscriptions: Arc<Subscriptions>,
    read: Mutex<Option<Read>>,
    /// The last read that failed.
    failed: Mutex<Option<(Moment, StorageError)>>,
    /// Held while the snapshot is reread: those who wait meanwhile share the next read.
    reading: tokio::sync::Mutex<()>,
}

/// What a read of the version finds.
#[derive(Clone, Copy, Default)]
struct Known {
    version: Version,
    listening: Option<Listening>,
}

/// What is known, and when the read that found it began: in this process's order, and by its clock.
#[derive(Clone, Copy)]
struct Read {
    known: Known,
    began: Moment,
    began_at: Timestamp,
}

impl Snapshots {
    /// Returns snapshots of this store, which take at most about `most_bytes`; a single tenant's may take more.
    pub fn new(store: EndpointStore, clock: Arc<dyn Clock>, most_bytes: usize) -> Self {
        Self { store, clock, most_bytes, tenants: Mutex::new(LruCache::unbounded()) }
    }

    /// Returns the tenant's subscriptions as they were when the message was received, or later. If the message has
    /// waited in its queue, they may be older, but not older than the message.
    pub async fn get(
        &self,
        tenant: &Tenant,
        message: &QueueMessage,
    ) -> Result<Arc<Subscriptions>, StorageError> {
        let slot = self.slot(tenant);
        let (is_new, weight) = (slot.known().is_none(), slot.subscriptions.weight());
        let read = |known| self.read(tenant, &slot.subscriptions, known);
        let subscriptions = slot.get(message, self.clock.as_ref(), read).await?;
        if is_new || subscriptions.weight() > weight {
            self.make_room(tenant);
        }
        Ok(subscriptions)
    }

    /// Returns when somebody listens to the tenant's feed, as it was known when the message was received, or later; for a
    /// message that has waited in its queue, at most a minute before. Reads no endpoints.
    pub(crate) async fn listening(
        &self,
        tenant: &Tenant,
        message: &QueueMessage,
    ) -> Result<Option<Listening>, StorageError> {
        let known = self.tenants().peek(tenant).and_then(|slot| *slot.known());
        match known.filter(|read| read.counts_for(message, self.clock.as_ref(), STANDS_IN)) {
            Some(read) => Ok(read.known.listening),
            None => Ok(self.store.latest(tenant).await?.listening),
        }
    }

    /// Brings the subscriptions up to date, and returns their version.
    async fn read(
        &self,
        tenant: &Tenant,
        subscriptions: &Subscriptions,
        known: Option<Version>,
    ) -> Result<Known, StorageError> {
        // The version is read before the endpoints: if they change in between, the next read finds it moved.
        let latest = self.store.latest(tenant).await?;
        let changed = known.and_then(|known| latest.changed_since(known));
        if changed.is_none() {
            self.read_all(tenant, subscriptions).await?;
        }
        let changed = changed.unwrap_or_else(|| latest.last_changes(LAST_CHANGES));
        self.read_changed(tenant, subscriptions, changed).await?;
        Ok(Known { version: latest.version, listening: latest.listening })
    }

    /// Reads endpoints as their last transaction has left them, and drops those that no longer exist.
    async fn read_changed(
        &self,
        tenant: &Tenant,
        subscriptions: &Subscriptions,
        changed: BTreeSet<EndpointId>,
    ) -> Result<(), StorageError> {
        let now = self.clock.now();
        for (id, endpoint) in self.store.get_settled(tenant, &Vec::from_iter(changed)).await? {
            match endpoint {
                Some(endpoint) => subscriptions.put(endpoint, now),
                None => subscriptions.remove(id),
            }
        }
        Ok(())
    }

    async fn read_all(&self, tenant: &Tenant, subscriptions: &Subscriptions) -> Result<(), StorageError> {
        let now = self.clock.now();
        let mut found = HashSet::new();
        let take = |endpoint: Endpoint| {
            found.insert(endpoint.id);
            subscriptions.put(endpoint, now);
        };
        self.store.read_all(tenant, take).await?;
        subscriptions.retain(&found);
        Ok(())
    }

    /// Rereads those of these endpoints whose health may be outdated, at most a hundred. Each comes with a flag:
    /// whether an attempt contradicted its known health. Returns those that were reread and are not disabled, as they
    /// are now.
    pub(crate) async fn check(
        &self,
        tenant: &Tenant,
        endpoints: impl IntoIterator<Item = (EndpointId, bool)>,
    ) -> Result<Vec<Arc<Endpoint>>, StorageError> {
        let Some(subscriptions) = self.in_memory(tenant) else { return Ok(Vec::new()) };
        let now = self.clock.now();
        let doubtful = subscriptions.doubtful(endpoints, AT_ONCE, now);
        if !doubtful.is_empty() {
            for endpoint in self.store.get_all(tenant, &doubtful).await? {
                subscriptions.renew(endpoint, now);
            }
        }
        Ok(doubtful.into_iter().filter_map(|id| subscriptions.get(id)).collect())
    }

    /// Reads the endpoint as it is on record now, and updates the snapshot with it.
    pub(crate) async fn fresh(
        &self,
        tenant: &Tenant,
        id: EndpointId,
    ) -> Result<Option<Endpoint>, StorageError> {
        let now = self.clock.now();
        let found = self.store.get(tenant, id).await?;
        if let Some(endpoint) = &found {
            self.renew(tenant, endpoint.clone(), now);
        }
        Ok(found)
    }

    /// Updates the snapshot with an endpoint that was just written.
    pub(crate) fn renew(&self, tenant: &Tenant, endpoint: Endpoint, at: Timestamp) {
        if let Some(subscriptions) = self.in_memory(tenant) {
            subscriptions.renew(endpoint, at);
        }
    }

    /// Returns the store that endpoints are read from.
    pub(crate) fn store(&self) -> &EndpointStore {
        &self.store
    }

    fn slot(&self, tenant: &Tenant) -> Arc<Slot> {
        Arc::clone(self.tenants().get_or_insert_ref(tenant, Arc::default))
    }

    /// Returns the tenant's subscriptions, unless they are not in memory or were evicted.
    fn in_memory(&self, tenant: &Tenant) -> Option<Arc<Subscriptions>> {
        self.tenants().peek(tenant).map(|slot| Arc::clone(&slot.subscriptions))
    }

    /// Evicts the tenants without an event for longest, until the others fit. This tenant stays.
    fn make_room(&self, tenant: &Tenant) {
        let mut tenants = self.tenants();
        tenants.promote(tenant);
        let weight = |slot: &Slot| TENANT_BYTES + slot.subscriptions.weight();
        let mut bytes: usize = tenants.iter().map(|(_, slot)| weight(slot)).sum();
        while bytes > self.most_bytes
            && let Some((oldest, _)) = tenants.peek_lru().filter(|(oldest, _)| *oldest != tenant)
        {
            let oldest = oldest.clone();
            bytes -= tenants.pop(&oldest).map_or(0, |slot| weight(&slot));
        }
    }

    fn tenants(&self) -> MutexGuard<'_, LruCache<Tenant, Arc<Slot>>> {
        self.tenants.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Slot {
    /// Returns the snapshot if it is valid for the message; otherwise reads it again by `read`. There is one read at a
    /// time: a caller that needs a later one starts it, and all who wait share its result, even a failure.
    async fn get<Reading>(
        &self,
        message: &QueueMessage,
        clock: &dyn Clock,
        read: impl FnOnce(Option<Version>) -> Reading,
    ) -> Result<Arc<Subscriptions>, StorageError>
    where
        Reading: Future<Output = Result<Known, StorageError>>,
    {
        let counts = |for_long| {
            let read = *self.known();
            let counts = read.is_some_and(|read| read.counts_for(message, clock, for_long));
            counts.then(|| Arc::clone(&self.subscriptions))
        };
        if let Some(subscriptions) = counts(SPARES_OTHERS) {
            return Ok(subscriptions);
        }
        let _reading = match self.reading.try_lock() {
            Ok(reading) => reading,
            Err(_) => match counts(STANDS_IN) {
                Some(subscriptions) => return Ok(subscriptions),
                None => self.reading.lock().await,
            },
        };
        if let Some(subscriptions) = counts(SPARES_OTHERS) {
            return Ok(subscriptions);
        }
        let known = self.known().map(|read| read.known.version);
        let (began, began_at) = (Moment::now(), clock.now());
        let answer = match self.failed_since(message) {
            Some(failure) => Err(failure),
            None => read(known).await.inspect_err(|failure| *self.failed() = Some((began, failure.copied()))),
        };
        match answer {
            Ok(known) => {
                *self.known() = Some(Read { known, began, began_at });
                Ok(Arc::clone(&self.subscriptions))
            }
            Err(failure) => {
                let Some(subscriptions) = counts(STANDS_IN) else { return Err(failure) };
                tracing::warn!(
                    error = &failure as &dyn std::error::Error,
                    "endpoints could not be read again, so older ones are used"
                );
                Ok(subscriptions)
            }
        }
    }

    /// Returns the error of a failed read that would have been valid for the message.
    fn failed_since(&self, message: &QueueMessage) -> Option<StorageError> {
        let failed = self.failed();
        failed.as_ref().filter(|(began, _)| *began > message.received).map(|(_, failure)| failure.copied())
    }

    fn known(&self) -> MutexGuard<'_, Option<Read>> {
        self.read.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn failed(&self) -> MutexGuard<'_, Option<(Moment, StorageError)>> {
        self.failed.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Read {
    /// Returns whether this read is recent enough for the message: it began after the message was received or, if the
    /// message has waited in its queue, after it was sent. The first is certain. The second compares our clock with
    /// SQS's, with a second of tolerance.
    fn counts_for(self, message: &QueueMessage, clock: &dyn Clock, for_long: Duration) -> bool {
        let stands = self.began_at..self.began_at.plus(for_long);
        self.began > message.received
            || (self.began_at > message.sent_at.plus(SKEW) && stands.contains(&clock.now()))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

    use futures::FutureExt as _;
    use futures::future::{join_all, poll_immediate};
    use tokio::sync::Semaphore;

    use super::*;

    /// A tenant's snapshot. A read ends when it gets a permit of `let_go`, and fails once that is closed.
    struct Tried {
        slot: Slot,
        now: AtomicI64,
        reads: AtomicU64,
        let_go: Semaphore,
    }

    impl Clock for Tried {
        fn now(&self) -> Timestamp {
            Timestamp::from_millis(self.now.load(Ordering::SeqCst))
        }
    }

    impl Tried {
        /// Returns one at 12 seconds, with permits for this many reads.
        fn with(let_go: usize) -> Self {
            let (now, reads) = (AtomicI64::new(12_000), AtomicU64::new(0));
            Self { slot: Slot::default(), now, reads, let_go: Semaphore::new(let_go) }
        }

        /// Returns a message that is received now and was sent at this time.
        fn message(sent_at: i64) -> QueueMessage {
            QueueMessage {
                id: "1".to_owned(),
                body: String::new(),
                sent_at: Timestamp::from_millis(sent_at),
                received: Moment::now(),
                receive_count: 1,
                deadline: Timestamp::from_millis(i64::MAX),
            }
        }

        /// Returns the number of reads so far, once a message has its subscriptions.
        async fn reads_after(&self, message: &QueueMessage) -> u64 {
            self.read_for(message).await.unwrap();
            self.reads.load(Ordering::SeqCst)
        }

        async fn read_for(&self, message: &QueueMessage) -> Result<(), StorageError> {
            let read = |_| async {
                self.reads.fetch_add(1, Ordering::SeqCst);
                self.let_go.acquire().await.map_err(|_| StorageError::Interrupted)?.forget();
                Ok(Known::default())
            };
            self.slot.get(message, self, read).await.map(drop)
        }
    }

    #[tokio::test]
    async fn a_read_counts_for_what_was_received_before_it_and_for_nothing_later() {
        let tried = Tried::with(2);
        let [early, late] = [12_000, 12_000].map(Tried::message);
        assert_eq!(tried.reads_after(&early).await, 1);
        assert_eq!(tried.reads_after(&late).await, 1, "a batch shares it");
        assert_eq!(tried.reads_after(&Tried::message(12_000)).await, 2);
    }

    #[tokio::test]
    async fn a_read_counts_for_what_waits_in_its_queue_if_it_was_sent_a_second_earlier() {
        for (sent_at, spared) in
            [(0, true), (10_999, true), (11_000, false), (12_000, false), (13_000, false)]
        {
            let tried = Tried::with(2);
            tried.reads_after(&Tried::message(12_000)).await;
            let reads = tried.reads_after(&Tried::message(sent_at)).await;
            assert_eq!(reads == 1, spared, "sent at {sent_at}");
        }
    }

    #[tokio::test]
    async fn a_read_counts_for_what_waits_in_its_queue_for_a_second_and_not_when_the_clock_is_set_back() {
        for (now, spared) in [(12_000, true), (12_999, true), (13_000, false), (11_999, false)] {
            let tried = Tried::with(2);
            tried.reads_after(&Tried::message(12_000)).await;
            tried.now.store(now, Ordering::SeqCst);
            assert_eq!(tried.reads_after(&Tried::message(0)).await == 1, spared, "at {now}");
        }
    }

    #[tokio::test]
    async fn those_who_wait_for_a_read_that_began_too_early_share_the_next() {
        let tried = Tried::with(0);
        let first = Tried::message(12_000);
        let mut first = Box::pin(tried.reads_after(&first));
        assert_eq!(poll_immediate(&mut first).await, None, "it reads");
        let later: Vec<_> = (0..5).map(|_| Tried::message(12_000)).collect();
        let mut later = join_all(later.iter().map(|message| tried.reads_after(message))).boxed();
        assert_eq!(poll_immediate(&mut later).await, None, "they wait");
        tried.let_go.add_permits(2);
        assert_eq!(first.await, 1);
        assert_eq!(later.await, [2; 5]);
    }

    #[tokio::test]
    async fn what_counts_already_does_not_wait_for_a_read_that_others_need() {
        let tried = Tried::with(1);
        let waiting = Tried::message(12_000);
        tried.reads_after(&waiting).await;
        let new = Tried::message(12_000);
        let mut new = Box::pin(tried.reads_after(&new));
        assert_eq!(poll_immediate(&mut new).await, None, "it reads");
        assert_eq!(tried.reads_after(&waiting).await, 2, "the second has begun, and is not waited for");
    }

    #[tokio::test]
    async fn a_read_that_is_given_up_leaves_the_next_to_others() {
        let tried = Tried::with(0);
        let message = Tried::message(12_000);
        assert_eq!(poll_immediate(Box::pin(tried.reads_after(&message))).await, None, "it reads");
        tried.let_go.add_permits(1);
        assert_eq!(tried.reads_after(&message).await, 2);
    }

    #[tokio::test]
    async fn a_read_that_fails_fails_for_all_that_wait_for_it_and_the_next_is_tried_anew() {
        let tried = Tried::with(0);
        let waiting: Vec<_> = (0..5).map(|_| Tried::message(12_000)).collect();
        let mut waiting = join_all(waiting.iter().map(|message| tried.read_for(message))).boxed();
        assert_eq!(poll_immediate(&mut waiting).await.map(drop), None, "they wait");
        tried.let_go.close();
        assert!(waiting.await.iter().all(Result::is_err));
        assert_eq!(tried.reads.load(Ordering::SeqCst), 1);
        assert!(tried.read_for(&Tried::message(12_000)).await.is_err());
        assert_eq!(tried.reads.load(Ordering::SeqCst), 2);
    }

    #[tokio::test]
    async fn while_a_read_is_under_way_or_fails_the_one_before_stands_in_for_a_minute() {
        for (sent_at, now, stands_in) in
            [(10_999, 71_999, true), (10_999, 72_000, false), (11_000, 71_999, false)]
        {
            let tried = Tried::with(1);
            tried.reads_after(&Tried::message(12_000)).await;
            tried.now.store(now, Ordering::SeqCst);
            let new = Tried::message(now);
            let mut reading = Box::pin(tried.read_for(&new));
            assert!(poll_immediate(&mut reading).await.is_none(), "it reads");
            let old = Tried::message(sent_at);
            let meanwhile = poll_immediate(Box::pin(tried.read_for(&old))).await;
            assert_eq!(meanwhile.is_some(), stands_in, "meanwhile: sent at {sent_at}, at {now}");
            tried.let_go.close();
            assert!(reading.await.is_err(), "what came later needs the read");
            let afterwards = tried.read_for(&old).await;
            assert_eq!(afterwards.is_ok(), stands_in, "afterwards: sent at {sent_at}, at {now}");
        }
    }
}
