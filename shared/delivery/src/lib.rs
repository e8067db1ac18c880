//! Matches, fans out, signs and sends events, and decides what follows an attempt.
//!
//! Only [`sending`] opens connections to receivers.

mod contained;
mod decision;
mod endpoints;
mod eraser;
mod moment;
mod postman;
mod queue_message;
mod recoverer;
mod release;
mod sending;
mod sweep;
mod tally;
mod waits;

pub use self::contained::{contained, describe};
pub use self::endpoints::{Notices, Said, Seen, Snapshots, Subscriptions};
pub use self::eraser::Eraser;
pub use self::moment::Moment;
pub use self::postman::{LoggedAttempts, Postman};
pub use self::queue_message::{QueueMessage, WorkError};
pub use self::recoverer::Recoverer;
pub use self::release::Release;
pub use self::sending::{NoSockets, Sender, sign};
pub use self::sweep::{COPIES_LATER, Sweeper};
pub use self::tally::{Metric, Reading, Tally};
