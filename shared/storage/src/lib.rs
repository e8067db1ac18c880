//! The tables and queues of Posthorn, in the types of its domain.
//!
//! Only this crate knows the names of tables, keys and queue messages. No crate above it names an AWS operation, and
//! this crate does not know HTTP.

mod api_keys;
mod batcher;
mod codec;
mod data_key;
mod due;
mod endpoints;
mod error;
mod event_log;
mod idempotency;
mod inbox;
mod outbox;
mod queue;
mod recoveries;
mod secrets_key;
mod written;

pub use api_keys::{ApiKeys, KeyHash};
pub use due::{DuePage, DueRetries, DueRetry, DueRow, Floor, Mark, Minute, Place, Places, Start};
pub use endpoints::{EndpointStore, InTrouble, Latest, Version};
pub use error::StorageError;
pub use event_log::{
    Before, Chunk, DeliveriesOf, EventLog, EventRecord, EventScan, Found, Held, Progress, RecordKey,
    RecoverySearch, Treatment,
};
pub use idempotency::{Claim, Claimed, IdempotencyKeys};
pub use inbox::{DEAD_MESSAGE_ID, DEAD_SENT_AT, Inbox, Received};
pub use outbox::{DeliveryOutbox, EventOutbox, OutgoingMessage};
pub use recoveries::Recoveries;
pub use secrets_key::SecretsKey;
pub use written::Written;
