//! Move tasks: one row each, which stays when the task has ended. A task with a rate continues in each transaction that
//! looks for messages.

use std::time::Duration;

use rusqlite::{OptionalExtension, Row, params};

use super::{Queue, Store, duration};

/// A task to start.
pub(in crate::sqs) struct NewMoveTask<'a> {
    pub(in crate::sqs) source: &'a Queue,
    /// The name of the queue that gets all messages; `None` sends each back to its source queue.
    pub(in crate::sqs) destination: Option<&'a str>,
    /// Maximum number of messages to move per second; `None` moves all at once.
    pub(in crate::sqs) per_second: Option<u32>,
}

/// A stored task.
pub(in crate::sqs) struct MoveTask {
    pub(in crate::sqs) id: String,
    pub(in crate::sqs) destination: Option<String>,
    pub(in crate::sqs) per_second: Option<i64>,
    /// Number of messages that could be received from the source when the task started.
    pub(in crate::sqs) to_move: i64,
    pub(in crate::sqs) moved: i64,
    pub(in crate::sqs) started_at: i64,
    /// The status, with the protocol's name.
    pub(in crate::sqs) status: String,
    pub(in crate::sqs) failure_reason: Option<String>,
    source: String,
}

const NO_QUEUE: &str = "AWS.SimpleQueueService.NonExistentQueue";
const NO_SOURCE: &str = "CouldNotDetermineMessageSource";

impl MoveTask {
    pub(in crate::sqs) fn is_running(&self) -> bool {
        self.status == "RUNNING"
    }

    /// Number of messages that may have moved by `now`.
    fn allowed(&self, now: i64) -> i64 {
        let by_rate = |per_second: i64| (now - self.started_at).max(0).saturating_mul(per_second) / 1000;
        self.per_second.map_or(self.to_move, by_rate).min(self.to_move)
    }
}

impl Store<'_> {
    /// Starts a task, and moves the messages that may move now. No other task may be running on this source. Returns
    /// the task's id.
    pub(in crate::sqs) fn start_move_task(&self, new: &NewMoveTask<'_>) -> rusqlite::Result<String> {
        self.expire(new.source)?;
        let id = self.random_uuid()?;
        let mut insert = self.transaction.prepare_cached(
            "INSERT INTO move_task (task_id, source, destination, per_second, to_move, started_at)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        )?;
        let to_move = self.counts(new.source)?.visible;
        insert.execute(params![id, new.source.id, new.destination, new.per_second, to_move, self.now])?;
        self.advance_move_tasks()?;
        // Waiting receives must learn when the task moves its next message.
        self.arrived.set(true);
        Ok(id)
    }

    /// Up to `limit` tasks of this source, the latest first.
    pub(in crate::sqs) fn move_tasks(&self, source: &Queue, limit: u64) -> rusqlite::Result<Vec<MoveTask>> {
        let mut query = self.transaction.prepare_cached(
            "SELECT move_task.*, queue.name AS source_name FROM move_task JOIN queue ON queue.id = source
             WHERE source = ?1 ORDER BY move_task.id DESC LIMIT ?2",
        )?;
        query.query_map(params![source.id, limit], read_move_task)?.collect()
    }

    /// The task of this source with this id, if there is one.
    pub(in crate::sqs) fn move_task(&self, source: &Queue, id: &str) -> rusqlite::Result<Option<MoveTask>> {
        let mut query = self.transaction.prepare_cached(
            "SELECT move_task.*, queue.name AS source_name FROM move_task JOIN queue ON queue.id = source
             WHERE source = ?1 AND task_id = ?2",
        )?;
        query.query_one(params![source.id, id], read_move_task).optional()
    }

    /// Stops a task. Messages that it has moved stay moved.
    pub(in crate::sqs) fn cancel_move_task(&self, task: &MoveTask) -> rusqlite::Result<()> {
        self.save_progress(&task.id, task.moved, "CANCELLED", None)
    }

    /// Moves the messages that the running tasks may have moved by now.
    pub(in crate::sqs) fn advance_move_tasks(&self) -> rusqlite::Result<()> {
        let mut query = self.transaction.prepare_cached(
            "SELECT move_task.*, queue.name AS source_name FROM move_task JOIN queue ON queue.id = source
             WHERE status = 'RUNNING'",
        )?;
        let running: Vec<MoveTask> = query.query_map([], read_move_task)?.collect::<Result<_, _>>()?;
        running.iter().try_for_each(|task| self.advance(task))
    }

    /// Time until a running task moves its next message, if there is one.
    pub(super) fn next_move(&self) -> rusqlite::Result<Option<Duration>> {
        let mut query = self.transaction.prepare_cached(
            "SELECT min(started_at + ((moved + 1) * 1000 + per_second - 1) / per_second) FROM move_task
             WHERE status = 'RUNNING'",
        )?;
        let at: Option<i64> = query.query_one([], |row| row.get(0))?;
        Ok(at.map(|at| duration(at - self.now)))
    }

    fn advance(&self, task: &MoveTask) -> rusqlite::Result<()> {
        let Some(source) = self.queue(&task.source)? else { return Ok(()) };
        let allowed = usize::try_from(task.allowed(self.now) - task.moved).unwrap_or(0);
        let due = self.due(&source, allowed)?;
        let mut moved = task.moved;
        for message in &due {
            match self.destination(task, message.sequence)? {
                Ok(to) => self.send_anew(message.sequence, &to)?,
                Err(reason) => return self.save_progress(&task.id, moved, "FAILED", Some(reason)),
            }
            moved += 1;
        }
        let is_over = moved >= task.to_move || due.len() < allowed;
        self.save_progress(&task.id, moved, if is_over { "COMPLETED" } else { "RUNNING" }, None)
    }

    /// Where a message goes, or why the task fails.
    fn destination(&self, task: &MoveTask, sequence: i64) -> rusqlite::Result<Result<Queue, &'static str>> {
        let mut query =
            self.transaction.prepare_cached("SELECT dead_letter_source FROM message WHERE sequence = ?1")?;
        let came_from: Option<String> = query.query_one([sequence], |row| row.get(0))?;
        match task.destination.as_ref().or(came_from.as_ref()) {
            Some(name) => Ok(self.queue(name)?.ok_or(NO_QUEUE)),
            None => Ok(Err(NO_SOURCE)),
        }
    }

    fn save_progress(
        &self,
        task_id: &str,
        moved: i64,
        status: &str,
        failure_reason: Option<&str>,
    ) -> rusqlite::Result<()> {
        let mut update = self.transaction.prepare_cached(
            "UPDATE move_task SET moved = ?2, status = ?3, failure_reason = ?4 WHERE task_id = ?1",
        )?;
        update.execute(params![task_id, moved, status, failure_reason])?;
        Ok(())
    }
}

fn read_move_task(row: &Row<'_>) -> rusqlite::Result<MoveTask> {
    Ok(MoveTask {
        id: row.get("task_id")?,
        source: row.get("source_name")?,
        destination: row.get("destination")?,
        per_second: row.get("per_second")?,
        to_move: row.get("to_move")?,
        moved: row.get("moved")?,
        started_at: row.get("started_at")?,
        status: row.get("status")?,
        failure_reason: row.get("failure_reason")?,
    })
}
