//! Calls a function on a schedule, as an EventBridge rule does.

use std::time::Duration;

use anyhow::Result;
use posthorn_domain::Clock as _;
use posthorn_runtime::{ScheduleFunction, SystemClock};
use tokio::time::{MissedTickBehavior, interval, timeout};
use tokio_util::sync::CancellationToken;
use tracing::error;

/// A schedule and the function that it calls.
pub(crate) struct Scheduler {
    /// The function's name in the log.
    pub(crate) name: String,
    pub(crate) every: Duration,
    pub(crate) function: ScheduleFunction,
    /// Maximum time of an invocation.
    pub(crate) timeout: Duration,
}

impl Scheduler {
    /// Calls the function at once, then each time `every` has passed, until `stop`.
    pub(crate) async fn run(self, stop: CancellationToken) -> Result<()> {
        let mut clock = interval(self.every);
        clock.set_missed_tick_behavior(MissedTickBehavior::Skip);
        while stop.run_until_cancelled(clock.tick()).await.is_some() {
            match timeout(self.timeout, (self.function)(SystemClock.now().plus(self.timeout))).await {
                Ok(Ok(())) => {}
                Ok(Err(cause)) => error!(function = self.name, error = &*cause, "the function failed"),
                Err(_) => error!(function = self.name, timeout = ?self.timeout, "the function timed out"),
            }
        }
        Ok(())
    }
}
