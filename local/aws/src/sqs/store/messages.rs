//! Messages: one row each. `visible_at` says from when on a message can be received.

use std::time::Duration;

use rusqlite::{OptionalExtension, Row, params};

use super::{Queue, Store, duration, milliseconds};

/// A message to send to a queue.
pub(in crate::sqs) struct NewMessage {
    pub(in crate::sqs) body: String,
    /// [`MessageAttributes`](crate::sqs::message::MessageAttributes) in JSON.
    pub(in crate::sqs) attributes: String,
    pub(in crate::sqs) group_id: Option<String>,
    pub(in crate::sqs) trace_header: Option<String>,
    pub(in crate::sqs) delay: Duration,
}

/// A message as it is after a receive.
pub(in crate::sqs) struct Message {
    pub(in crate::sqs) id: String,
    pub(in crate::sqs) body: String,
    pub(in crate::sqs) attributes: String,
    pub(in crate::sqs) group_id: Option<String>,
    pub(in crate::sqs) trace_header: Option<String>,
    pub(in crate::sqs) sent_at: i64,
    pub(in crate::sqs) first_received_at: i64,
    /// Number of receives, in all queues that the message has been in.
    pub(in crate::sqs) receive_count: i64,
    /// The name of the queue from which it became a dead letter.
    pub(in crate::sqs) dead_letter_source: Option<String>,
}

/// A message that may be received.
pub(in crate::sqs) struct Due {
    pub(in crate::sqs) sequence: i64,
    pub(in crate::sqs) receives: u32,
}

/// A queue's number of messages of each kind.
pub(in crate::sqs) struct Counts {
    pub(in crate::sqs) visible: i64,
    pub(in crate::sqs) in_flight: i64,
    pub(in crate::sqs) delayed: i64,
}

/// A message group is noisy if it has at least this many messages in flight, and more than a tenth of all messages in
/// flight
/// ([SQS fair queues](https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-fair-queues.html)).
const NOISY: usize = 30;
const NOISY_SHARE: usize = 10;
/// Number of messages to search for those of quiet groups.
const LOOKED_AT: usize = 5_000;

impl Store<'_> {
    /// Adds a message to the queue. Returns its id, a UUID.
    pub(in crate::sqs) fn send(&self, queue: &Queue, message: &NewMessage) -> rusqlite::Result<String> {
        let message_id = self.random_uuid()?;
        let mut insert = self.transaction.prepare_cached(
            "INSERT INTO message (queue, visible_at, sent_at, message_id, group_id, trace_header, attributes, body)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
        )?;
        insert.execute(params![
            queue.id,
            self.now + milliseconds(message.delay),
            self.now,
            message_id,
            message.group_id,
            message.trace_header,
            message.attributes,
            message.body,
        ])?;
        self.arrived.set(true);
        Ok(message_id)
    }

    /// SQLite's random numbers are good enough: an id must be unique, but it protects nothing.
    pub(super) fn random_uuid(&self) -> rusqlite::Result<String> {
        let mut query = self.transaction.prepare_cached("SELECT lower(hex(randomblob(16)))")?;
        let hex: String = query.query_one([], |row| row.get(0))?;
        Ok(format!("{}-{}-4{}-a{}-{}", &hex[..8], &hex[8..12], &hex[13..16], &hex[17..20], &hex[20..]))
    }

    /// Deletes the messages that are older than the queue's retention.
    pub(in crate::sqs) fn expire(&self, queue: &Queue) -> rusqlite::Result<()> {
        let oldest = self.now - milliseconds(queue.spec.retention);
        let mut delete =
            self.transaction.prepare_cached("DELETE FROM message WHERE queue = ?1 AND sent_at <= ?2")?;
        delete.execute(params![queue.id, oldest])?;
        Ok(())
    }

    /// Up to `limit` messages that may be received. Those that have been visible longest come first, but those of noisy
    /// groups last, as in SQS's fair queues.
    pub(in crate::sqs) fn due(&self, queue: &Queue, limit: usize) -> rusqlite::Result<Vec<Due>> {
        let noisy = self.noisy_groups(queue)?;
        let mut query = self.transaction.prepare_cached(
            "SELECT sequence, receives FROM
                 (SELECT sequence, receives, group_id, visible_at FROM message
                  WHERE queue = ?1 AND visible_at <= ?2 ORDER BY visible_at, sequence LIMIT ?3)
             ORDER BY coalesce(instr(?4, ' ' || group_id || ' ') > 0, 0), visible_at, sequence LIMIT ?5",
        )?;
        let due = |row: &Row<'_>| Ok(Due { sequence: row.get(0)?, receives: row.get(1)? });
        let looked_at = if noisy.is_empty() { limit } else { LOOKED_AT };
        query.query_map(params![queue.id, self.now, looked_at, noisy, limit], due)?.collect()
    }

    /// The names of the noisy groups, with spaces around each. No group has a space in its name.
    fn noisy_groups(&self, queue: &Queue) -> rusqlite::Result<String> {
        let mut query = self.transaction.prepare_cached(
            "SELECT group_id, count(*) FROM message
             WHERE queue = ?1 AND receives > 0 AND visible_at > ?2 GROUP BY group_id",
        )?;
        let in_flight: Vec<(Option<String>, usize)> = query
            .query_map(params![queue.id, self.now], |row| Ok((row.get(0)?, row.get(1)?)))?
            .collect::<rusqlite::Result<_>>()?;
        let all: usize = in_flight.iter().map(|(_, messages)| messages).sum();
        let is_noisy = |messages: usize| messages >= NOISY && messages * NOISY_SHARE > all;
        let noisy = in_flight.into_iter().filter(|(_, messages)| is_noisy(*messages));
        let names: Vec<_> = noisy.filter_map(|(group, _)| group).collect();
        Ok(if names.is_empty() { String::new() } else { format!(" {} ", names.join("  ")) })
    }

    /// Time until the next hidden message becomes visible or a move task moves one, if there is any.
    pub(in crate::sqs) fn next_due(&self, queue: &Queue) -> rusqlite::Result<Option<Duration>> {
        let mut query = self
            .transaction
            .prepare_cached("SELECT min(visible_at) FROM message WHERE queue = ?1 AND visible_at > ?2")?;
        let visible_at: Option<i64> = query.query_one(params![queue.id, self.now], |row| row.get(0))?;
        let visible = visible_at.map(|visible_at| duration(visible_at - self.now));
        Ok(visible.into_iter().chain(self.next_move()?).min())
    }

    /// Number of messages that were received within the last `span` and are still hidden.
    pub(in crate::sqs) fn received_within(&self, queue: &Queue, span: Duration) -> rusqlite::Result<usize> {
        let mut query = self.transaction.prepare_cached(
            "SELECT count(*) FROM message WHERE queue = ?1 AND receives > 0 AND visible_at > ?2",
        )?;
        let earliest = self.now + milliseconds(queue.spec.visibility_timeout) - milliseconds(span);
        query.query_one(params![queue.id, earliest], |row| row.get(0))
    }

    /// Returns a message, and hides it for `hidden`.
    pub(in crate::sqs) fn receive(&self, sequence: i64, hidden: Duration) -> rusqlite::Result<Message> {
        let mut update = self.transaction.prepare_cached(
            "UPDATE message SET visible_at = ?2, receives = receives + 1,
                 first_received_at = coalesce(first_received_at, ?3)
             WHERE sequence = ?1
             RETURNING *, receives + earlier_receives AS receive_count",
        )?;
        update.query_one(params![sequence, self.now + milliseconds(hidden), self.now], read_message)
    }

    /// Moves a message to its dead-letter queue, where it is visible at once. It keeps its id.
    pub(in crate::sqs) fn move_to_dead_letter_queue(
        &self,
        sequence: i64,
        from: &Queue,
        to: &Queue,
    ) -> rusqlite::Result<()> {
        let mut update = self.transaction.prepare_cached(
            "UPDATE message SET queue = ?2, visible_at = ?3, dead_letter_source = ?4,
                 earlier_receives = earlier_receives + receives, receives = 0
             WHERE sequence = ?1",
        )?;
        update.execute(params![sequence, to.id, self.now, from.spec.name])?;
        self.arrived.set(true);
        Ok(())
    }

    /// Replaces a message by a new one in another queue, with everything that it was sent with.
    pub(super) fn send_anew(&self, sequence: i64, to: &Queue) -> rusqlite::Result<()> {
        let mut insert = self.transaction.prepare_cached(
            "INSERT INTO message (queue, visible_at, sent_at, message_id, group_id, trace_header, attributes, body)
             SELECT ?2, ?3, ?4, ?5, group_id, trace_header, attributes, body FROM message WHERE sequence = ?1",
        )?;
        let visible_at = self.now + milliseconds(to.spec.delay);
        insert.execute(params![sequence, to.id, visible_at, self.now, self.random_uuid()?])?;
        self.transaction.prepare_cached("DELETE FROM message WHERE sequence = ?1")?.execute([sequence])?;
        self.arrived.set(true);
        Ok(())
    }

    /// Whether the message was received and is still hidden. `None` if the queue does not have it.
    pub(in crate::sqs) fn is_in_flight(
        &self,
        queue: &Queue,
        sequence: i64,
    ) -> rusqlite::Result<Option<bool>> {
        let mut query = self.transaction.prepare_cached(
            "SELECT receives > 0 AND visible_at > ?3 FROM message WHERE sequence = ?1 AND queue = ?2",
        )?;
        query.query_one(params![sequence, queue.id, self.now], |row| row.get(0)).optional()
    }

    /// Hides the message for `hidden`, from now on.
    pub(in crate::sqs) fn hide(&self, sequence: i64, hidden: Duration) -> rusqlite::Result<()> {
        let mut update =
            self.transaction.prepare_cached("UPDATE message SET visible_at = ?2 WHERE sequence = ?1")?;
        update.execute(params![sequence, self.now + milliseconds(hidden)])?;
        self.arrived.set(true);
        Ok(())
    }

    /// Deletes the message if the queue has it.
    pub(in crate::sqs) fn delete(&self, queue: &Queue, sequence: i64) -> rusqlite::Result<()> {
        let mut delete =
            self.transaction.prepare_cached("DELETE FROM message WHERE sequence = ?1 AND queue = ?2")?;
        delete.execute(params![sequence, queue.id])?;
        Ok(())
    }

    /// Deletes all messages of the queue.
    pub(in crate::sqs) fn purge(&self, queue: &Queue) -> rusqlite::Result<()> {
        self.transaction.prepare_cached("DELETE FROM message WHERE queue = ?1")?.execute([queue.id])?;
        Ok(())
    }

    /// Counts the queue's messages. Unlike everything else here, this takes longer the more messages there are.
    pub(in crate::sqs) fn counts(&self, queue: &Queue) -> rusqlite::Result<Counts> {
        let mut query = self.transaction.prepare_cached(
            "SELECT count(*) FILTER (WHERE visible_at <= ?2),
                    count(*) FILTER (WHERE visible_at > ?2 AND receives > 0),
                    count(*) FILTER (WHERE visible_at > ?2 AND receives = 0)
             FROM message WHERE queue = ?1",
        )?;
        query.query_one(params![queue.id, self.now], |row| {
            Ok(Counts { visible: row.get(0)?, in_flight: row.get(1)?, delayed: row.get(2)? })
        })
    }
}

fn read_message(row: &Row<'_>) -> rusqlite::Result<Message> {
    Ok(Message {
        id: row.get("message_id")?,
        body: row.get("body")?,
        attributes: row.get("attributes")?,
        group_id: row.get("group_id")?,
        trace_header: row.get("trace_header")?,
        sent_at: row.get("sent_at")?,
        first_received_at: row.get("first_received_at")?,
        receive_count: row.get("receive_count")?,
        dead_letter_source: row.get("dead_letter_source")?,
    })
}
