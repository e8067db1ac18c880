//! What SQS hands over, and why it may have to take it back.

use posthorn_domain::{InvalidDeliveryMessage, InvalidField, Timestamp};
use posthorn_storage::StorageError;

use crate::moment::Moment;
use crate::sending::NoSockets;

/// A message received from a queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueueMessage {
    /// Its id, the same however often it is received.
    pub id: String,
    /// What it says.
    pub body: String,
    /// When it was first sent.
    pub sent_at: Timestamp,
    /// When the function got it, in the order of this process: the same for all messages of a batch.
    pub received: Moment,
    /// How often it was received, this time included.
    pub receive_count: u32,
    /// When the function that handles it is ended.
    pub deadline: Timestamp,
}

impl QueueMessage {
    /// Whether somebody may have begun to work on this message before.
    pub(crate) fn is_redelivered(&self) -> bool {
        self.receive_count > 1
    }
}

/// Why a message is not done with. It stays on its queue, is received again, and ends in the dead-letter queue once it
/// has been received as often as its queue allows.
#[derive(Debug, thiserror::Error)]
pub enum WorkError {
    /// No later try can help: the message is not one of ours.
    #[error("the message cannot be understood: {0}")]
    Poison(String),
    /// The function will be ended before the work could be.
    #[error("there is not enough time left")]
    OutOfTime,
    /// An attempt could not be made, for a reason that is not its endpoint's.
    #[error(transparent)]
    NoSockets(#[from] NoSockets),
    /// A table or a queue did not do its part.
    #[error(transparent)]
    Storage(#[from] StorageError),
}

impl WorkError {
    /// Whether the next try will most likely end in the same way.
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

impl From<InvalidDeliveryMessage> for WorkError {
    fn from(error: InvalidDeliveryMessage) -> Self {
        Self::Poison(error.to_string())
    }
}
