//! The time limit of a sweep.

use std::sync::Arc;
use std::time::Duration;

use posthorn_domain::{Clock, Timestamp};
use posthorn_storage::StorageError;
use tokio::time::sleep;

use crate::waits::Waits;

/// The time reserved at the end of a sweep, enough for the calls that it has begun.
const RESERVE: Duration = Duration::from_secs(15);

/// The time in which a sweep may begin new work.
pub(super) struct Time {
    clock: Arc<dyn Clock>,
    /// When the sweep is ended.
    pub(super) deadline: Timestamp,
}

impl Time {
    /// Returns the time until `deadline`.
    pub(super) fn until(deadline: Timestamp, clock: &Arc<dyn Clock>) -> Self {
        Self { clock: Arc::clone(clock), deadline }
    }

    /// Returns whether there is time left.
    pub(super) fn is_left(&self) -> bool {
        self.clock.now().plus(RESERVE) < self.deadline
    }

    /// Makes a call, and repeats it while it fails with a temporary error and there is time. It is made at least once.
    pub(super) async fn insist<T, Call>(&self, call: impl Fn() -> Call) -> Result<T, StorageError>
    where
        Call: Future<Output = Result<T, StorageError>>,
    {
        let mut waits = Waits::default();
        loop {
            match call().await {
                Err(error) if error.may_pass() && self.is_left() => sleep(waits.take()).await,
                settled => return settled,
            }
        }
    }
}
