//! A small SQS that speaks the AWS JSON 1.0 protocol and keeps its queues in SQLite.
//!
//! SQLite is the only store, in memory or in a file, so no second state can drift from it. Every operation is a plain
//! function on one transaction ([`store::Store`]). `server` serves the operations over HTTP; only ReceiveMessage ever
//! waits.
//!
//! Refused, although the real service has them: FIFO queues, policies, encryption, tags. Not imitated: duplicates and
//! reordering, the limit of 120,000 messages in flight, and the pauses of 60 s after deleting or purging a queue.
//! Different: a message group is noisy as soon as it has 30 messages and more than a tenth of all messages in flight. A
//! move task without a rate is finished when it is started, and a canceled one stops at once; there may be any number
//! of them. Signatures are not checked. Only one process at a time may use a directory.

mod clock;
mod error;
mod location;
mod message;
mod operations;
mod queue_attributes;
mod receipt;
mod server;
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
    /// Wakes every receive that waits, for any queue. Each then looks again, which takes microseconds.
    arrivals: Arc<Notify>,
    clock: QueueClock,
}

impl Queues {
    /// Creates queues in memory. They are lost when the last clone is dropped.
    pub fn in_memory() -> anyhow::Result<Self> {
        Self::from_connection(Connection::open_in_memory()?)
    }

    /// Opens the queues in `sqs.sqlite` in `directory`, which is created if necessary. What a call has confirmed
    /// survives a crash of the process, but not every power cut.
    pub fn open(directory: &Path) -> anyhow::Result<Self> {
        std::fs::create_dir_all(directory)
            .with_context(|| format!("cannot create {}", directory.display()))?;
        let file = directory.join("sqs.sqlite");
        let connection =
            Connection::open(&file).with_context(|| format!("cannot open {}", file.display()))?;
        Self::from_connection(connection)
    }

    fn from_connection(connection: Connection) -> anyhow::Result<Self> {
        store::prepare(&connection).context("cannot create the queues' tables")?;
        let connection = Arc::new(Mutex::new(connection));
        Ok(Self { connection, arrivals: Arc::default(), clock: QueueClock::default() })
    }

    /// Returns the same queues with another clock.
    #[must_use]
    pub fn with_clock(self, clock: QueueClock) -> Self {
        Self { clock, ..self }
    }

    /// Creates the queue, or sets these attributes on an existing one with that name and keeps its messages. The
    /// dead-letter queue may be created later. Errors if a name or number is outside SQS's limits.
    pub fn create(&self, spec: &QueueSpec) -> anyhow::Result<()> {
        spec.check()?;
        self.transact(|store| Ok(store.save_queue(spec)?))?;
        Ok(())
    }

    /// Returns the time until the next hidden message of this queue becomes visible, or `None` if there is none. A test
    /// can then move its clock forward by as much. Errors if there is no such queue.
    pub fn next_due(&self, queue: &str) -> anyhow::Result<Option<Duration>> {
        let due = self.transact(|store| {
            let queue = store.queue(queue)?;
            Ok(queue.map(|queue| store.next_due(&queue)).transpose()?)
        })?;
        due.with_context(|| format!("there is no queue {queue}"))
    }

    /// Returns how many messages of this queue were received within the last `span`, for the queue's visibility
    /// timeout, and have not been deleted since. Errors if there is no such queue.
    pub fn received_within(&self, queue: &str, span: Duration) -> anyhow::Result<usize> {
        let received = self.transact(|store| {
            let queue = store.queue(queue)?;
            Ok(queue.map(|queue| store.received_within(&queue, span)).transpose()?)
        })?;
        received.with_context(|| format!("there is no queue {queue}"))
    }

    /// Serves SQS clients on `listener` until `shutdown` completes. Receives that still wait then return no messages.
    pub async fn serve(
        self,
        listener: TcpListener,
        shutdown: impl Future<Output = ()> + Send + 'static,
    ) -> anyhow::Result<()> {
        server::serve(self, listener, shutdown).await
    }

    /// Does `work` in one transaction, which is rolled back if it fails. Wakes waiting receives if messages arrived.
    fn transact<T>(&self, work: impl FnOnce(&Store<'_>) -> Result<T, SqsError>) -> Result<T, SqsError> {
        // A panic rolls back its transaction, so the connection behind a poisoned lock is still usable.
        let mut connection = self.connection.lock().unwrap_or_else(PoisonError::into_inner);
        let store = Store::begin(&mut connection, self.clock.now())?;
        store.advance_move_tasks()?;
        let done = work(&store)?;
        if store.commit()? {
            self.arrivals.notify_waiters();
        }
        Ok(done)
    }

    /// [`Self::transact`] on a blocking thread. Most transactions take microseconds, but a batch of a mebibyte or a
    /// checkpoint may wait for the disk.
    async fn transact_aside<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Store<'_>) -> Result<T, SqsError> + Send + 'static,
    ) -> Result<T, SqsError> {
        let queues = self.clone();
        tokio::task::spawn_blocking(move || queues.transact(work)).await?
    }
}
