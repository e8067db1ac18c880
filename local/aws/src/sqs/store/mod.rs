//! The queues and messages in SQLite. Times are milliseconds since 1970, durations milliseconds.

mod messages;
mod moves;
mod queues;

use std::cell::Cell;
use std::time::Duration;

use rusqlite::{Connection, Transaction, TransactionBehavior};

pub(super) use messages::{Counts, Due, Message, NewMessage};
pub(super) use moves::{MoveTask, NewMoveTask};
pub(super) use queues::Queue;

/// The index `message_due` finds visible messages, the next one to become visible, and the counts, without reading the
/// messages themselves, so that hidden messages do not slow down a receive. `receives` counts from when the message
/// came into its present queue, `earlier_receives` before that. Ids are never reused (AUTOINCREMENT), so a stale
/// receipt handle cannot identify another message.
const SCHEMA: &str = "
    CREATE TABLE IF NOT EXISTS queue (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        name TEXT NOT NULL UNIQUE,
        created_at INTEGER NOT NULL,
        modified_at INTEGER NOT NULL,
        visibility_timeout INTEGER NOT NULL,
        delay INTEGER NOT NULL,
        retention INTEGER NOT NULL,
        receive_wait INTEGER NOT NULL,
        maximum_message_size INTEGER NOT NULL,
        dead_letter_queue TEXT,
        max_receive_count INTEGER
    ) STRICT;
    CREATE TABLE IF NOT EXISTS message (
        sequence INTEGER PRIMARY KEY AUTOINCREMENT,
        queue INTEGER NOT NULL REFERENCES queue (id) ON DELETE CASCADE,
        visible_at INTEGER NOT NULL,
        sent_at INTEGER NOT NULL,
        receives INTEGER NOT NULL DEFAULT 0,
        earlier_receives INTEGER NOT NULL DEFAULT 0,
        first_received_at INTEGER,
        message_id TEXT NOT NULL,
        group_id TEXT,
        trace_header TEXT,
        dead_letter_source TEXT,
        attributes TEXT NOT NULL,
        body TEXT NOT NULL
    ) STRICT;
    CREATE TABLE IF NOT EXISTS move_task (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        task_id TEXT NOT NULL UNIQUE,
        source INTEGER NOT NULL REFERENCES queue (id) ON DELETE CASCADE,
        destination TEXT,
        per_second INTEGER,
        to_move INTEGER NOT NULL,
        moved INTEGER NOT NULL DEFAULT 0,
        started_at INTEGER NOT NULL,
        status TEXT NOT NULL DEFAULT 'RUNNING',
        failure_reason TEXT
    ) STRICT;
    CREATE INDEX IF NOT EXISTS message_due ON message (queue, visible_at, sequence, receives);
    CREATE INDEX IF NOT EXISTS message_in_flight ON message (queue, group_id, visible_at) WHERE receives > 0;
    CREATE INDEX IF NOT EXISTS message_age ON message (queue, sent_at);
    CREATE UNIQUE INDEX IF NOT EXISTS move_task_running ON move_task (source) WHERE status = 'RUNNING';";

/// Makes a new or old database ready for [`Store`].
pub(super) fn prepare(connection: &Connection) -> rusqlite::Result<()> {
    // In memory, this does not change the journal, and there is nothing to recover.
    connection.pragma_update_and_check(None, "journal_mode", "wal", |_| Ok(()))?;
    connection.pragma_update(None, "synchronous", "normal")?;
    connection.pragma_update(None, "foreign_keys", true)?;
    connection.set_prepared_statement_cache_capacity(64);
    connection.execute_batch(SCHEMA)
}

/// One transaction at one moment.
pub(super) struct Store<'c> {
    transaction: Transaction<'c>,
    now: i64,
    arrived: Cell<bool>,
}

impl<'c> Store<'c> {
    pub(super) fn begin(connection: &'c mut Connection, now: i64) -> rusqlite::Result<Self> {
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        Ok(Self { transaction, now, arrived: Cell::new(false) })
    }

    /// Commits the transaction. Returns whether waiting receives must look again, because a message may have arrived or
    /// a queue was deleted.
    pub(super) fn commit(self) -> rusqlite::Result<bool> {
        self.transaction.commit()?;
        Ok(self.arrived.get())
    }
}

/// Converts a duration for the store. All stored durations are within weeks.
fn milliseconds(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

/// Converts a duration from the store.
fn duration(milliseconds: i64) -> Duration {
    Duration::from_millis(milliseconds.try_into().unwrap_or(0))
}
