//! Messages of several senders in one call to SQS: a call costs the same for one message as for ten.

use futures::future::try_join_all;
use tokio::sync::{mpsc, oneshot};

use crate::StorageError;
use crate::queue::{Entry, MAX_BATCH, Queue};

/// An entry, and where to tell its sender what became of it.
type Waiting = (Entry, oneshot::Sender<Result<(), StorageError>>);

/// Sends entries together that are handed over at about the same time, whoever hands them over.
#[derive(Debug, Clone)]
pub(crate) struct Carrier(mpsc::UnboundedSender<Waiting>);

impl Carrier {
    /// A carrier to this queue. Has to be made within a tokio runtime; it works until its last clone is dropped.
    pub(crate) fn new(queue: Queue) -> Self {
        let (sender, waiting) = mpsc::unbounded_channel();
        tokio::spawn(carry(queue, waiting));
        Self(sender)
    }

    /// Sends the entries. Fails when any could not be sent; some others may have been.
    pub(crate) async fn send(&self, entries: impl Iterator<Item = Entry>) -> Result<(), StorageError> {
        let sent = entries.map(|entry| {
            let (reply, told) = oneshot::channel();
            // Should nobody carry any more, the reply comes back in the error and is dropped: told as well.
            let _ = self.0.send((entry, reply));
            async { told.await.unwrap_or(Err(StorageError::Interrupted)) }
        });
        try_join_all(sent.collect::<Vec<_>>()).await?;
        Ok(())
    }
}

/// One call at a time: while it is under way, messages gather for the next, and where there is none, nothing waits.
async fn carry(queue: Queue, mut waiting: mpsc::UnboundedReceiver<Waiting>) {
    let mut batch = Vec::new();
    while waiting.recv_many(&mut batch, MAX_BATCH).await > 0 {
        let (entries, replies): (Vec<_>, Vec<_>) = batch.drain(..).unzip();
        for (reply, sent) in replies.into_iter().zip(queue.send(entries).await) {
            // Whoever does not wait any more does not want to know.
            let _ = reply.send(sent);
        }
    }
}
