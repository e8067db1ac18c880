//! The time that a sweep has.

use std::sync::Arc;
use std::time::Duration;

use posthorn_domain::{Clock, Timestamp};
use posthorn_storage::StorageError;
use tokio::time::sleep;

/// What a sweep leaves of its time: enough for the calls that it has begun, each of which the SDK may make three times
/// for five seconds.
const RESERVE: Duration = Duration::from_secs(15);
/// The first wait before a call is made again.
const FIRST_WAIT: Duration = Duration::from_millis(100);
/// The longest.
const LONGEST_WAIT: Duration = Duration::from_secs(2);

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
                Err(error) if error.may_pass() && self.is_left() => waits.next().await,
                settled => return settled,
            }
        }
    }
}

/// Waits that double, from a tenth of a second to two seconds.
pub(super) struct Waits(Duration);

impl Default for Waits {
    fn default() -> Self {
        Self(FIRST_WAIT)
    }
}

impl Waits {
    /// Waits.
    pub(super) async fn next(&mut self) {
        sleep(self.0).await;
        self.0 = (2 * self.0).min(LONGEST_WAIT);
    }
}
