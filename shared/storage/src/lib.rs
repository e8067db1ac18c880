//! The tables and queues of Posthorn, in the types of its domain.
//!
//! Only this crate knows the names of tables, keys and queue messages. No crate above it names an AWS operation, and
//! this crate does not know HTTP.

mod accounts;
mod audit_log;
mod batcher;
mod codec;
mod data_key;
mod due;
mod endpoints;
mod error;
mod event_log;
mod feed_readers;
mod grants;
mod idempotency;
mod inbox;
mod items;
mod outbox;
mod queue;
mod recoveries;
mod secrets_key;
mod sessions;
mod transaction;
mod written;

pub use accounts::Accounts;
pub use audit_log::AuditLog;
pub use due::{DuePage, DueRetries, DueRetry, DueRow, Floor, Mark, Minute, Place, Places, Start};
pub use endpoints::{EndpointStore, InTrouble, Latest, Version, Whose};
pub use error::StorageError;
pub use event_log::{
    Before, Chunk, DeliveriesOf, EventLog, EventRecord, EventScan, FeedRow, Found, Held, Progress, RecordKey,
    RecoverySearch, Treatment,
};
pub use feed_readers::{FeedReaders, WaitingPlace};
pub use grants::{Credential, Grants, TokenHash};
pub use idempotency::{Claim, Claimed, IdempotencyKeys};
pub use inbox::{DEAD_MESSAGE_ID, DEAD_SENT_AT, Inbox, Received};
pub use outbox::{DeliveryOutbox, EventOutbox, OutgoingMessage};
pub use recoveries::Recoveries;
pub use secrets_key::SecretsKey;
pub use sessions::{Exchanged, Sessions};
pub use written::Written;
