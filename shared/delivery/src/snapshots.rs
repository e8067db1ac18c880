//! Endpoints kept in memory, so that an event does not read them all.
//!
//! An endpoint counts for an event as it was when the event was accepted, or as it is later: never as it was before. So
//! what is in memory counts only once its version has been read again, by a read that began after the event's message was
//! received. That is one small read for each account in each invocation, as the messages of a batch share it.

use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use lru::LruCache;
use posthorn_domain::{Clock, Tenant, Timestamp};
use posthorn_storage::{EndpointStore, StorageError};

use crate::{Moment, QueueMessage, Subscriptions};

/// How many tenants' subscriptions are kept; the least recently used are forgotten.
const MAX_TENANTS: NonZeroUsize = NonZeroUsize::new(1_000).expect("it is not zero");
/// How far this process's clock may be ahead of the one that SQS stamps messages with. Both are kept right by NTP, to
/// milliseconds.
const SKEW: Duration = Duration::from_secs(1);
/// For how long a read counts for messages that were sent before it began. Each of them was accepted earlier than the
/// read, however long ago that was; but they may wait in their queue for hours, and an endpoint that its owner disables
/// meanwhile should not go on getting them.
const SPARES_OTHERS: Duration = Duration::from_secs(1);

/// The subscriptions of each tenant, read again when their version has moved.
pub struct Snapshots {
    store: EndpointStore,
    clock: Arc<dyn Clock>,
    tenants: Mutex<LruCache<Tenant, Arc<Slot>>>,
}

/// One tenant's snapshot.
#[derive(Default)]
struct Slot {
    snapshot: Mutex<Option<Snapshot>>,
    /// Held while the snapshot is read again: those who wait meanwhile share the next read.
    reading: tokio::sync::Mutex<()>,
}

/// What was read, and when that began: in this process, and by its clock.
struct Snapshot {
    read: Versioned,
    began: Moment,
    began_at: Timestamp,
}

#[derive(Clone)]
struct Versioned {
    version: u64,
    subscriptions: Arc<Subscriptions>,
}

impl Snapshots {
    /// Snapshots of this store.
    pub fn new(store: EndpointStore, clock: Arc<dyn Clock>) -> Self {
        Self { store, clock, tenants: Mutex::new(LruCache::new(MAX_TENANTS)) }
    }

    /// The tenant's subscriptions, as they were when the message was received, or later. Those of a message that has
    /// waited in its queue may be a second older, but not older than the message.
    pub async fn get(
        &self,
        tenant: &Tenant,
        message: &QueueMessage,
    ) -> Result<Arc<Subscriptions>, StorageError> {
        let slot = self.slot(tenant);
        slot.get(message, self.clock.as_ref(), |known| self.read(tenant, known)).await
    }

    /// What is known already, unless its version has moved.
    async fn read(&self, tenant: &Tenant, known: Option<Versioned>) -> Result<Versioned, StorageError> {
        // The version is read before the endpoints: if they change in between, the next read finds it moved.
        let version = self.store.version(tenant).await?;
        if let Some(known) = known.filter(|known| known.version == version) {
            return Ok(known);
        }
        let subscriptions = Arc::new(Subscriptions::new(self.store.list(tenant).await?));
        Ok(Versioned { version, subscriptions })
    }

    /// Where endpoints are kept.
    pub(crate) fn store(&self) -> &EndpointStore {
        &self.store
    }

    fn slot(&self, tenant: &Tenant) -> Arc<Slot> {
        let mut tenants = self.tenants.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(tenants.get_or_insert_ref(tenant, Arc::default))
    }
}

impl Slot {
    /// What is in memory, if it counts for the message; otherwise what `read` makes of it. There is one read at a time, and
    /// whoever has waited for one that began too early for him reads again, once for all who wait with him.
    async fn get<Read>(
        &self,
        message: &QueueMessage,
        clock: &dyn Clock,
        read: impl FnOnce(Option<Versioned>) -> Read,
    ) -> Result<Arc<Subscriptions>, StorageError>
    where
        Read: Future<Output = Result<Versioned, StorageError>>,
    {
        if let Some(subscriptions) = self.known(message, clock) {
            return Ok(subscriptions);
        }
        let _reading = self.reading.lock().await;
        if let Some(subscriptions) = self.known(message, clock) {
            return Ok(subscriptions);
        }
        let (began, began_at) = (Moment::now(), clock.now());
        let known = self.snapshot().as_ref().map(|snapshot| snapshot.read.clone());
        let read = read(known).await?;
        let subscriptions = Arc::clone(&read.subscriptions);
        *self.snapshot() = Some(Snapshot { read, began, began_at });
        Ok(subscriptions)
    }

    /// What is in memory, if it counts for the message.
    fn known(&self, message: &QueueMessage, clock: &dyn Clock) -> Option<Arc<Subscriptions>> {
        let snapshot = self.snapshot();
        let counts = |snapshot: &&Snapshot| snapshot.counts_for(message, clock);
        snapshot.as_ref().filter(counts).map(|snapshot| Arc::clone(&snapshot.read.subscriptions))
    }

    fn snapshot(&self) -> std::sync::MutexGuard<'_, Option<Snapshot>> {
        self.snapshot.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Snapshot {
    /// Whether this was read late enough for the message: after it was received or, where it has waited in its queue, after
    /// it was sent. The first is certain. The second compares our clock with SQS's, and is given a second for that.
    fn counts_for(&self, message: &QueueMessage, clock: &dyn Clock) -> bool {
        self.began > message.received
            || (self.began_at > message.sent_at.plus(SKEW) && self.spares_others_at(clock.now()))
    }

    fn spares_others_at(&self, now: Timestamp) -> bool {
        (self.began_at..self.began_at.plus(SPARES_OTHERS)).contains(&now)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

    use futures::FutureExt as _;
    use futures::future::{join_all, poll_immediate};
    use tokio::sync::Semaphore;

    use super::*;

    /// A tenant's snapshot, whose endpoints have another version at each read. A read takes until it is let go.
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
        /// At 12 seconds, with so many reads that end at once.
        fn with(let_go: usize) -> Self {
            let (now, reads) = (AtomicI64::new(12_000), AtomicU64::new(0));
            Self { slot: Slot::default(), now, reads, let_go: Semaphore::new(let_go) }
        }

        /// A message that is received now, and was sent at this time.
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

        /// How many reads there have been once a message has its subscriptions.
        async fn reads_after(&self, message: &QueueMessage) -> u64 {
            let read = |_| async {
                let version = self.reads.fetch_add(1, Ordering::SeqCst);
                self.let_go.acquire().await.unwrap().forget();
                Ok(Versioned { version, subscriptions: Arc::default() })
            };
            self.slot.get(message, self, read).await.unwrap();
            self.reads.load(Ordering::SeqCst)
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
}
