//! Receipt handles: what a receive hands out, and a delete or a change of visibility hands back.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;

use super::error::SqsError;

/// Which receive of which message. Opaque to clients, and different at each receive.
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

    /// Reads a handle given out by the queue with the id `queue`.
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
