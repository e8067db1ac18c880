//! The time that a sweep has.

use std::sync::Arc;
use std::time::Duration;

use posthorn_domain::{Clock, Timestamp};
use posthorn_storage::StorageError;
use tokio::time::sleep;

use crate::waits::Waits;

/// What a sweep leaves of its time: enough for the calls that it has begun.
const RESERVE: Duration = Duration::from_secs(15);

/// The time in which a sweep may begin something.
pub(super) struct Time {
    clock: Arc<dyn Clock>,
    /// When the sweep is ended.
    pub(super) deadline: Timestamp,
}

impl Time {
    /// The time until then.
    pub(super) fn until(deadline: Timestamp, clock: &Arc<dyn Clock>) -> Self {
        Self { clock: Arc::clone(clock), deadline }
    }

    /// Whether there is time left.
    pub(super) fn is_left(&self) -> bool {
        self.clock.now().plus(RESERVE) < self.deadline
    }

    /// Makes a call, and again while it fails for what may pass and there is time. It is made once in any case.
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
