//! The connection to the API.

use std::time::Duration;

use posthorn_domain::{Clock as _, Timestamp};
use posthorn_runtime::SystemClock;
use tokio::time::sleep;

use crate::output::note;

/// The first wait between two tries to reach the API. Each further one is twice as long.
const FIRST_BACKOFF: Duration = Duration::from_secs(1);
/// The longest wait between two tries to reach the API.
const LONGEST_BACKOFF: Duration = Duration::from_secs(10);
/// After this time without a response, what comes next is caught up.
const AWAY: Duration = Duration::from_secs(45);

/// The connection to the API: how long it was lost, and what came since.
pub(super) struct Connection {
    asked: Timestamp,
    is_lost: bool,
    backoff: Duration,
    /// The number of events since it was lost, until all have come.
    caught_up: Option<usize>,
}

impl Connection {
    pub(super) fn new() -> Self {
        Self { asked: SystemClock.now(), is_lost: false, backoff: FIRST_BACKOFF, caught_up: None }
    }

    /// Says why there is no answer, once, and waits before the next try: at least as long as the API asks.
    pub(super) async fn fail(&mut self, reason: &str, asked: Option<Duration>) {
        if !std::mem::replace(&mut self.is_lost, true) {
            note(&format!("{reason} Trying again."));
        }
        self.caught_up.get_or_insert(0);
        sleep(self.backoff.max(asked.unwrap_or_default())).await;
        self.backoff = (self.backoff * 2).min(LONGEST_BACKOFF);
    }

    pub(super) fn ask(&mut self) {
        self.asked = SystemClock.now();
    }

    /// Notes an answer. If it took long, this machine was asleep.
    pub(super) fn answer(&mut self) {
        if SystemClock.now().since(self.asked) > AWAY {
            self.caught_up.get_or_insert(0);
        }
        (self.backoff, self.is_lost) = (FIRST_BACKOFF, false);
    }

    pub(super) fn count(&mut self) {
        self.caught_up = self.caught_up.map(|number| number + 1);
    }

    /// Says how many events have come since the connection was lost.
    pub(super) fn catch_up(&mut self) {
        match self.caught_up.take() {
            None => {}
            Some(0) => note("Connected again. There was no event meanwhile."),
            Some(1) => note("Caught up on 1 event."),
            Some(number) => note(&format!("Caught up on {number} events.")),
        }
    }
}
