//! Combines what several senders send at about the same time into one call to AWS: a call costs a function the same processor
//! time for one message or row as for many.

use futures::future::join_all;
use tokio::select;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;

use crate::error::StorageError;

/// Maximum number of concurrent calls.
const MAX_CALLS: usize = 8;

/// A call that takes several entries, and returns a result for each.
pub(crate) trait Bulk: Clone + Send + 'static {
    /// What is sent.
    type Entry: Send + 'static;
    /// What the call returns for each.
    type Answer: Send + 'static;

    /// Maximum number of entries in a call.
    const MAX_BATCH: usize;

    /// Sends these entries. Returns the results in the same order.
    fn send(
        &self,
        entries: Vec<Self::Entry>,
    ) -> impl Future<Output = Vec<Result<Self::Answer, StorageError>>> + Send;
}

/// An entry, and the channel for its result.
type Waiting<B> = (<B as Bulk>::Entry, oneshot::Sender<Result<<B as Bulk>::Answer, StorageError>>);

/// Sends entries together that arrive at about the same time, from any sender.
#[derive(Debug)]
pub(crate) struct Batcher<B: Bulk>(mpsc::UnboundedSender<Waiting<B>>);

impl<B: Bulk> Clone for Batcher<B> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<B: Bulk> Batcher<B> {
    /// Sends by these calls. Must be called within a tokio runtime. It works until its last clone is dropped.
    pub(crate) fn new(bulk: B) -> Self {
        let (sender, waiting) = mpsc::unbounded_channel();
        tokio::spawn(run(bulk, waiting));
        Self(sender)
    }

    /// Sends the entries. Returns the results in the same order.
    pub(crate) async fn send(
        &self,
        entries: impl Iterator<Item = B::Entry>,
    ) -> Vec<Result<B::Answer, StorageError>> {
        let sent = entries.map(|entry| {
            let (reply, told) = oneshot::channel();
            // If the batcher's task has ended, the error returns the reply channel and drops it, so `told` fails, too.
            let _ = self.0.send((entry, reply));
            async { told.await.unwrap_or(Err(StorageError::Interrupted)) }
        });
        join_all(sent.collect::<Vec<_>>()).await
    }
}

/// While a call is under way, entries gather for the next one; only a full batch does not wait. If no call is under
/// way, nothing waits.
async fn run<B: Bulk>(bulk: B, mut waiting: mpsc::UnboundedReceiver<Waiting<B>>) {
    let (mut calls, mut batch) = (JoinSet::new(), Vec::new());
    loop {
        let room = B::MAX_BATCH - batch.len();
        select! {
            received = waiting.recv_many(&mut batch, room), if room > 0 => if received == 0 { return },
            Some(_) = calls.join_next() => {}
        }
        let is_full = batch.len() == B::MAX_BATCH && calls.len() < MAX_CALLS;
        if calls.is_empty() && !batch.is_empty() || is_full {
            calls.spawn(call(bulk.clone(), std::mem::take(&mut batch)));
        }
    }
}

async fn call<B: Bulk>(bulk: B, batch: Vec<Waiting<B>>) {
    let (entries, replies): (Vec<_>, Vec<_>) = batch.into_iter().unzip();
    for (reply, sent) in replies.into_iter().zip(bulk.send(entries).await) {
        // A sender that no longer waits does not need the result.
        let _ = reply.send(sent);
    }
}
