//! The waits between the tries of a call that AWS refuses.

use std::time::Duration;

/// The first wait.
const FIRST: Duration = Duration::from_millis(100);
/// The longest wait.
const LONGEST: Duration = Duration::from_secs(2);

/// Waits that double, from a tenth of a second to two seconds.
pub(crate) struct Waits(Duration);

impl Default for Waits {
    fn default() -> Self {
        Self(FIRST)
    }
}

impl Waits {
    /// Returns the next wait.
    pub(crate) fn take(&mut self) -> Duration {
        let wait = self.0;
        self.0 = (2 * wait).min(LONGEST);
        wait
    }
}
