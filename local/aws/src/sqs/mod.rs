//! A small SQS that speaks the AWS JSON 1.0 protocol and keeps its queues in SQLite.
//!
//! SQLite is the only store, in memory or in a file, so no second state can drift from it. Every operation is
//! a plain function over one transaction ([`store::Store`]); `server` carries it over HTTP, and only
//! ReceiveMessage ever waits.
//!
//! What the real service has and this one refuses: FIFO queues, policies, encryption, tags. What it does not
//! imitate: duplicates and reordering, the limit of 120,000 messages in flight, and the pauses of 60 s after deleting
//! or purging a queue. A message group is noisy as soon as it has 30 messages and more than a tenth of what is in flight. A move task without a
//! rate is done when it is started, and one that is canceled stops at once; there may be any number of them.
//! Signatures are not checked. One process at a time may own a directory.

mod clock;
mod error;
mod message;
mod operations;
mod queue_attributes;
mod receipt;
mod server;
mod site;
mod spec;
mod store;

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::Context;
use rusqlite::Connection;
use tokio::net::TcpListener;
use tokio::sync::Notify;

use error::SqsError;
use store::Store;

pub use clock::QueueClock;
pub use spec::{QueueSpec, Redrive};

/// All queues of one embedded SQS. Clones share them.
#[derive(Clone, Debug)]
pub struct Queues {
    connection: Arc<Mutex<Connection>>,
    /// Wakes whoever waits for a message of any queue. Each then looks again, which costs microseconds.
    arrivals: Arc<Notify>,
    clock: QueueClock,
}

impl Queues {
    /// Queues that are gone when the last clone is dropped.
    pub fn in_memory() -> anyhow::Result<Self> {
        Self::over(Connection::open_in_memory()?)
    }

    /// The queues kept in `sqs.sqlite` in `directory`, which is made if it isn't there. What a call has
    /// acknowledged survives the death of the process, though not every power cut.
    pub fn open(directory: &Path) -> anyhow::Result<Self> {
        std::fs::create_dir_all(directory).with_context(|| format!("cannot make {}", directory.display()))?;
        let file = directory.join("sqs.sqlite");
        let connection =
            Connection::open(&file).with_context(|| format!("cannot open {}", file.display()))?;
        Self::over(connection)
    }

    fn over(connection: Connection) -> anyhow::Result<Self> {
        store::prepare(&connection).context("cannot set up the queues' tables")?;
        let connection = Arc::new(Mutex::new(connection));
        Ok(Self { connection, arrivals: Arc::default(), clock: QueueClock::default() })
    }

    /// The same queues by another clock.
    #[must_use]
    pub fn with_clock(self, clock: QueueClock) -> Self {
        Self { clock, ..self }
    }

    /// Creates the queue, or gives an existing one of that name these attributes; its messages stay. The
    /// dead-letter queue may be created later. Fails if a name or number is outside the limits of SQS.
    pub fn create(&self, spec: &QueueSpec) -> anyhow::Result<()> {
        spec.check()?;
        self.transact(|store| Ok(store.save_queue(spec)?))?;
        Ok(())
    }

    /// In how long the next hidden message of this queue becomes visible, if there is any: what a test in which days
    /// pass need not wait out second by second. There must be such a queue.
    pub fn next_due(&self, queue: &str) -> anyhow::Result<Option<Duration>> {
        let due = self.transact(|store| {
            let queue = store.queue(queue)?;
            Ok(queue.map(|queue| store.next_due(&queue)).transpose()?)
        })?;
        due.with_context(|| format!("there is no queue {queue}"))
    }

    /// How many messages of this queue were received within the last `span`, for the queue's visibility timeout, and
    /// have not been deleted since. There must be such a queue.
    pub fn received_within(&self, queue: &str, span: Duration) -> anyhow::Result<usize> {
        let received = self.transact(|store| {
            let queue = store.queue(queue)?;
            Ok(queue.map(|queue| store.received_within(&queue, span)).transpose()?)
        })?;
        received.with_context(|| format!("there is no queue {queue}"))
    }

    /// Answers SQS's clients on `listener` until `shutdown` completes; receives still waiting then come back empty.
    pub async fn serve(
        self,
        listener: TcpListener,
        shutdown: impl Future<Output = ()> + Send + 'static,
    ) -> anyhow::Result<()> {
        server::serve(self, listener, shutdown).await
    }

    /// Does `work` in one transaction, undone if it fails, and wakes the waiting receives if messages arrived.
    fn transact<T>(&self, work: impl FnOnce(&Store<'_>) -> Result<T, SqsError>) -> Result<T, SqsError> {
        // A panic rolled its transaction back, so the connection behind a poisoned lock is sound.
        let mut connection = self.connection.lock().unwrap_or_else(PoisonError::into_inner);
        let store = Store::begin(&mut connection, self.clock.now())?;
        store.advance_move_tasks()?;
        let done = work(&store)?;
        if store.commit()? {
            self.arrivals.notify_waiters();
        }
        Ok(done)
    }

    /// [`Self::transact`] away from the executor's threads: most transactions take microseconds, but a batch
    /// of a mebibyte or a checkpoint may wait for the disk.
    async fn transact_aside<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Store<'_>) -> Result<T, SqsError> + Send + 'static,
    ) -> Result<T, SqsError> {
        let queues = self.clone();
        tokio::task::spawn_blocking(move || queues.transact(work)).await?
    }
}
