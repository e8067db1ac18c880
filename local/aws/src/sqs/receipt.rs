//! Receipt handles. A receive returns one for each message; deleting it or changing its visibility needs the handle.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;

use super::error::SqsError;

/// Identifies a message and one receive of it. Opaque to clients, and different for each receive.
#[derive(Clone, Copy, Debug)]
pub(super) struct Receipt {
    pub(super) queue: i64,
    pub(super) sequence: i64,
    pub(super) receive: i64,
}

impl Receipt {
    pub(super) fn handle(self) -> String {
        BASE64_STANDARD.encode(format!("{} {} {}", self.queue, self.sequence, self.receive))
    }

    /// Reads a handle that the queue with the id `queue` issued.
    pub(super) fn read(handle: &str, queue: i64) -> Result<Self, SqsError> {
        if handle.is_empty() {
            return Err(SqsError::missing("ReceiptHandle"));
        }
        let receipt = Self::decode(handle).filter(|receipt| receipt.queue == queue);
        receipt.ok_or_else(|| SqsError::receipt_handle(handle))
    }

    fn decode(handle: &str) -> Option<Self> {
        let text = String::from_utf8(BASE64_STANDARD.decode(handle).ok()?).ok()?;
        let mut numbers = text.split(' ').map(|number| number.parse().ok());
        let receipt = Self { queue: numbers.next()??, sequence: numbers.next()??, receive: numbers.next()?? };
        numbers.next().is_none().then_some(receipt)
    }
}
