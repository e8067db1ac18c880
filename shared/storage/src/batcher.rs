//! Combines messages of several senders into one call to SQS: a call costs the same for one message as for ten.

use futures::future::join_all;
use tokio::select;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;

use crate::error::StorageError;
use crate::queue::{Entry, MAX_BATCH, Queue};

/// Maximum number of concurrent calls.
const MAX_CALLS: usize = 8;

/// An entry, and the channel for its result.
type Waiting = (Entry, oneshot::Sender<Result<(), StorageError>>);

/// Sends entries together that arrive at about the same time, from any sender.
#[derive(Debug, Clone)]
pub(crate) struct Batcher(mpsc::UnboundedSender<Waiting>);

impl Batcher {
    /// Sends to this queue. Must be called within a tokio runtime. It works until its last clone is dropped.
    pub(crate) fn new(queue: Queue) -> Self {
        let (sender, waiting) = mpsc::unbounded_channel();
        tokio::spawn(run(queue, waiting));
        Self(sender)
    }

    /// Sends the entries. Returns the results in the same order.
    pub(crate) async fn send(&self, entries: impl Iterator<Item = Entry>) -> Vec<Result<(), StorageError>> {
        let sent = entries.map(|entry| {
            let (reply, told) = oneshot::channel();
            // If the batcher's task has ended, the error returns the reply channel and drops it, so `told` fails, too.
            let _ = self.0.send((entry, reply));
            async { told.await.unwrap_or(Err(StorageError::Interrupted)) }
        });
        join_all(sent.collect::<Vec<_>>()).await
    }
}

/// While a call is under way, messages gather for the next one; only a full batch does not wait. If no call is under
/// way, nothing waits.
async fn run(queue: Queue, mut waiting: mpsc::UnboundedReceiver<Waiting>) {
    let (mut calls, mut batch) = (JoinSet::new(), Vec::new());
    loop {
        let room = MAX_BATCH - batch.len();
        select! {
            received = waiting.recv_many(&mut batch, room), if room > 0 => if received == 0 { return },
            Some(_) = calls.join_next() => {}
        }
        let is_full = batch.len() == MAX_BATCH && calls.len() < MAX_CALLS;
        if calls.is_empty() && !batch.is_empty() || is_full {
            calls.spawn(call(queue.clone(), std::mem::take(&mut batch)));
        }
    }
}

async fn call(queue: Queue, batch: Vec<Waiting>) {
    let (entries, replies): (Vec<_>, Vec<_>) = batch.into_iter().unzip();
    for (reply, sent) in replies.into_iter().zip(queue.send(entries).await) {
        // A sender that no longer waits does not need the result.
        let _ = reply.send(sent);
    }
}
