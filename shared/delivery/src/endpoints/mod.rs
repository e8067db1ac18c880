//! What this process knows of endpoints: their subscriptions, their health, and whether an event may be sent to one
//! directly.
//!
//! Attempts at them are made in [`crate::postman`].

mod direct;
mod notices;
mod snapshots;
mod subscriptions;
mod verdict;
mod watch;

use self::direct::Direct;
pub use self::notices::{Notices, Said};
pub use self::snapshots::Snapshots;
pub use self::subscriptions::Subscriptions;
pub(crate) use self::verdict::{Finding, Verdict};
pub(crate) use self::watch::Watch;

/// What a process has seen of endpoints: nothing yet, when it begins.
#[derive(Default)]
pub struct Seen {
    pub(crate) watch: Watch,
    pub(crate) direct: Direct,
}
