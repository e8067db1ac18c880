//! Matching, fanning out, signing and sending events, and deciding what follows an attempt.
//!
//! Nothing but this crate opens a connection to a stranger.

#[cfg(test)]
mod answers;
mod decision;
mod deliver;
mod direct;
mod dispatch;
mod dns;
mod fan_out;
#[cfg(test)]
mod hostile_names;
mod http;
mod idempotency;
mod moment;
mod no_sockets;
mod notices;
mod postman;
mod put_off;
mod queue_message;
mod recoverer;
mod resolver;
mod retry_after;
mod sender;
mod signature;
mod snapshots;
mod subscriptions;
mod sweep;
mod tally;
#[cfg(test)]
mod tls_names;
mod waits;
mod watch;

pub use moment::Moment;
pub use no_sockets::NoSockets;
pub use postman::{LoggedAttempts, Postman, PostmanParts};
pub use queue_message::{QueueMessage, WorkError};
pub use recoverer::Recoverer;
pub use sender::Sender;
pub use signature::sign;
pub use snapshots::Snapshots;
pub use subscriptions::Subscriptions;
pub use sweep::Sweeper;
pub use tally::{Metric, Reading, Tally};
