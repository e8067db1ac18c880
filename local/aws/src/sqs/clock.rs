//! The queues' clock.

use std::fmt;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

/// Returns the time for the queues, in milliseconds since the Unix epoch: the system's time, or a test's, in which days
/// may pass.
#[derive(Clone)]
pub struct QueueClock(Arc<dyn Fn() -> i64 + Send + Sync>);

impl QueueClock {
    /// Returns a clock that shows the result of `now`. Receives that wait for a message still use the system's clock.
    pub fn new(now: impl Fn() -> i64 + Send + Sync + 'static) -> Self {
        Self(Arc::new(now))
    }

    pub(super) fn now(&self) -> i64 {
        (self.0)()
    }
}

impl Default for QueueClock {
    #[expect(clippy::disallowed_methods, reason = "this SQS is a service of its own, and keeps its own time")]
    fn default() -> Self {
        let elapsed = || SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Self::new(move || i64::try_from(elapsed().as_millis()).unwrap_or(i64::MAX))
    }
}

impl fmt::Debug for QueueClock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("QueueClock")
    }
}
