//! Queues: one row each.

use rusqlite::{OptionalExtension, Row, params};

use super::{Store, duration, milliseconds};
use crate::sqs::{QueueSpec, Redrive};

/// A stored queue.
#[derive(Clone, Debug)]
pub(in crate::sqs) struct Queue {
    pub(in crate::sqs) id: i64,
    pub(in crate::sqs) created_at: i64,
    pub(in crate::sqs) modified_at: i64,
    pub(in crate::sqs) spec: QueueSpec,
}

impl Store<'_> {
    /// The queue of that name, if there is one.
    pub(in crate::sqs) fn queue(&self, name: &str) -> rusqlite::Result<Option<Queue>> {
        let mut query = self.transaction.prepare_cached("SELECT * FROM queue WHERE name = ?1")?;
        query.query_one([name], read_queue).optional()
    }

    /// Up to `limit` names that begin with `prefix` and come after `after`, sorted.
    pub(in crate::sqs) fn queue_names(
        &self,
        prefix: &str,
        after: &str,
        limit: usize,
    ) -> rusqlite::Result<Vec<String>> {
        let mut query = self.transaction.prepare_cached(
            "SELECT name FROM queue WHERE name > ?1 AND substr(name, 1, length(?2)) = ?2 ORDER BY name LIMIT ?3",
        )?;
        query.query_map(params![after, prefix, limit], |row| row.get(0))?.collect()
    }

    /// Whether this is the dead-letter queue of another queue.
    pub(in crate::sqs) fn is_dead_letter_queue(&self, queue: &Queue) -> rusqlite::Result<bool> {
        let mut query =
            self.transaction.prepare_cached("SELECT 1 FROM queue WHERE dead_letter_queue = ?1 LIMIT 1")?;
        query.exists([&queue.spec.name])
    }

    /// Creates the queue, or sets these attributes on the existing one with that name.
    pub(in crate::sqs) fn save_queue(&self, spec: &QueueSpec) -> rusqlite::Result<()> {
        let mut save = self.transaction.prepare_cached(
            "INSERT INTO queue (name, created_at, modified_at, visibility_timeout, delay, retention,
                                receive_wait, maximum_message_size, dead_letter_queue, max_receive_count)
             VALUES (?1, ?2, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)
             ON CONFLICT (name) DO UPDATE SET
                 modified_at = excluded.modified_at,
                 visibility_timeout = excluded.visibility_timeout,
                 delay = excluded.delay,
                 retention = excluded.retention,
                 receive_wait = excluded.receive_wait,
                 maximum_message_size = excluded.maximum_message_size,
                 dead_letter_queue = excluded.dead_letter_queue,
                 max_receive_count = excluded.max_receive_count",
        )?;
        save.execute(params![
            spec.name,
            self.now,
            milliseconds(spec.visibility_timeout),
            milliseconds(spec.delay),
            milliseconds(spec.retention),
            milliseconds(spec.receive_wait),
            spec.maximum_message_size,
            spec.redrive.as_ref().map(|redrive| &redrive.dead_letter_queue),
            spec.redrive.as_ref().map(|redrive| redrive.max_receive_count),
        ])?;
        Ok(())
    }

    /// Deletes the queue with its messages.
    pub(in crate::sqs) fn delete_queue(&self, queue: &Queue) -> rusqlite::Result<()> {
        self.transaction.prepare_cached("DELETE FROM queue WHERE id = ?1")?.execute([queue.id])?;
        self.arrived.set(true);
        Ok(())
    }
}

fn read_queue(row: &Row<'_>) -> rusqlite::Result<Queue> {
    let dead_letter_queue: Option<String> = row.get("dead_letter_queue")?;
    let max_receive_count: Option<u32> = row.get("max_receive_count")?;
    let redrive = dead_letter_queue
        .zip(max_receive_count)
        .map(|(dead_letter_queue, max_receive_count)| Redrive { dead_letter_queue, max_receive_count });
    let spec = QueueSpec {
        name: row.get("name")?,
        visibility_timeout: duration(row.get("visibility_timeout")?),
        delay: duration(row.get("delay")?),
        retention: duration(row.get("retention")?),
        receive_wait: duration(row.get("receive_wait")?),
        maximum_message_size: row.get("maximum_message_size")?,
        redrive,
    };
    Ok(Queue {
        id: row.get("id")?,
        created_at: row.get("created_at")?,
        modified_at: row.get("modified_at")?,
        spec,
    })
}
