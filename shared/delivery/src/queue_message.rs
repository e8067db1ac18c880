//! Messages received from SQS, and why they may go back to it.

use posthorn_domain::{InvalidField, Timestamp};
use posthorn_storage::StorageError;

use crate::moment::Moment;
use crate::sending::NoSockets;

/// A message received from a queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueueMessage {
    /// Its id, the same for each receipt.
    pub id: String,
    /// Its body.
    pub body: String,
    /// When it was first sent.
    pub sent_at: Timestamp,
    /// When the function received it, in the order of this process: the same for all messages of a batch.
    pub received: Moment,
    /// The number of receipts, with this one.
    pub receive_count: u32,
    /// When the function that handles it is ended.
    pub deadline: Timestamp,
}

impl QueueMessage {
    /// Returns whether earlier work on this message may have begun.
    pub(crate) fn is_redelivered(&self) -> bool {
        self.receive_count > 1
    }
}

/// Why a message was not handled. It stays on its queue, is received again, and goes to the dead-letter queue after the
/// number of receipts that its queue allows.
#[derive(Debug, thiserror::Error)]
pub enum WorkError {
    /// The message is not a valid one of Posthorn's; no retry can help.
    #[error("the message cannot be understood: {0}")]
    Poison(String),
    /// There is not enough time to finish the work before the function is ended.
    #[error("there is not enough time left in this invocation")]
    OutOfTime,
    /// An attempt could not be made because this process cannot open sockets. The endpoint is not to blame.
    #[error(transparent)]
    NoSockets(#[from] NoSockets),
    /// A call to a table or a queue has failed.
    #[error(transparent)]
    Storage(#[from] StorageError),
}

impl WorkError {
    /// Returns whether the next try will most likely fail in the same way. A missing queue is such a case: the message
    /// soon becomes a dead letter, which an operator sees and moves back, instead of coming again for a day.
    pub fn is_hopeless(&self) -> bool {
        match self {
            Self::Poison(_) => true,
            Self::Storage(cause) => {
                use StorageError::{Corrupt, NoQueue, Refused};
                matches!(cause, Corrupt { .. } | NoQueue { .. } | Refused { .. })
            }
            Self::OutOfTime | Self::NoSockets(_) => false,
        }
    }
}

impl From<InvalidField> for WorkError {
    fn from(error: InvalidField) -> Self {
        Self::Poison(error.to_string())
    }
}
