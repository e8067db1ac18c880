//! Delivers events to endpoints: fan-out makes an event's first attempts, `deliver` makes later ones. This module has
//! what they share.

mod deliver;
mod dispatch;
mod fan_out;
mod idempotency;
mod outcome;
mod probe;
mod put_off;
mod queueing;
mod record;

use std::sync::Arc;
use std::time::Duration;

use posthorn_domain::{Attempt, Clock, Delivery, EndpointId, EventShards, Invalid, Random, RetrySchedule};
use posthorn_storage::{DeliveryOutbox, DueRetries, EventLog, IdempotencyKeys, StorageError};
use strum::{Display, EnumString, VariantArray};
use tokio::time::{Instant, sleep};

use crate::endpoints::{Notices, Seen, Snapshots};
pub(crate) use crate::postman::queueing::next_message;
use crate::queue_message::{QueueMessage, WorkError};
use crate::release::Release;
use crate::sending::Sender;
use crate::tally::Tally;
use crate::waits::Waits;

/// The time reserved at the end of an invocation for recording and queueing, after its last POST and after the last
/// write that is repeated. It is longer than the slowest call to AWS with all its retries.
const RESERVE: Duration = Duration::from_secs(10);
/// The delay of a message's copy after the longest possible end of the attempt. The copy then finds the attempt on
/// record.
const COPY_COMES_LATER: Duration = Duration::from_secs(5);

/// How often a delivery's record, or an endpoint, is read again because other processes keep writing it.
const MAX_CONFLICTS: usize = 5;

/// Delivers events to endpoints, and records the results.
pub struct Postman {
    /// Reads endpoints, and keeps their health.
    pub snapshots: Snapshots,
    /// Records results.
    pub log: EventLog,
    /// The first attempts queue, for attempts that end within a second.
    pub first_attempts: DeliveryOutbox,
    /// The deliveries queue, for other attempts due within 15 minutes.
    pub outbox: DeliveryOutbox,
    /// The due table, for later attempts.
    pub due: DueRetries,
    /// Publishes notices about endpoints.
    pub notices: Notices,
    /// Takes care of what endpoints hold.
    pub release: Release,
    /// Whether it holds endpoints that are down. That is left to `deliver`, which makes all attempts at failing endpoints and
    /// may read the log.
    pub holds: bool,
    /// The claims of idempotency keys.
    pub idempotency: IdempotencyKeys,
    /// Makes the POSTs.
    pub sender: Sender,
    /// The retry schedule.
    pub schedule: RetrySchedule,
    /// The number of partitions over which one type's events without an id are spread.
    pub shards: EventShards,
    /// Which attempts are written to the log.
    pub logged: LoggedAttempts,
    /// The clock.
    pub clock: Arc<dyn Clock>,
    /// The source of jitter.
    pub random: Arc<dyn Random>,
    /// Counts metrics.
    pub tally: Arc<Tally>,
    /// What this process has seen of endpoints.
    pub seen: Seen,
}

/// Which attempts are written to the log. All attempts are on record and counted in any case.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Display, EnumString, VariantArray)]
#[strum(serialize_all = "snake_case", parse_err_ty = Invalid, parse_err_fn = Invalid::none_of::<LoggedAttempts>)]
pub enum LoggedAttempts {
    /// Those that did not succeed. A log line for each of the others would cost more than the queue and the function
    /// together.
    Failed,
    /// All attempts.
    All,
}

impl LoggedAttempts {
    fn covers(self, attempt: &Attempt) -> bool {
        self == Self::All || !attempt.succeeded()
    }
}

impl Postman {
    /// Errors if `post` may not finish before the function is ended.
    pub(crate) fn require_time(&self, message: &QueueMessage, post: Duration) -> Result<(), WorkError> {
        let left = message.deadline.since(self.clock.now());
        if left < post + RESERVE { Err(WorkError::OutOfTime) } else { Ok(()) }
    }

    /// Returns how much later than its message a copy comes.
    pub(crate) fn copy_comes_later(&self) -> Duration {
        self.sender.timeout() + COPY_COMES_LATER
    }

    /// Returns until when a write that must not be given up is repeated.
    pub(crate) fn last_write(&self, message: &QueueMessage) -> Instant {
        Instant::now() + message.deadline.since(self.clock.now()).saturating_sub(RESERVE)
    }

    /// Does work that must not be given up: once, and, while AWS refuses it, again until `until`. The work must be
    /// idempotent.
    pub(crate) async fn persist<T, Work>(
        &self,
        until: Instant,
        work: impl Fn() -> Work,
    ) -> Result<T, StorageError>
    where
        Work: Future<Output = Result<T, StorageError>>,
    {
        let mut waits = Waits::default();
        loop {
            let refusal = match work().await {
                Err(refusal @ StorageError::Unavailable { .. }) => refusal,
                done => return done,
            };
            let wait = waits.take().mul_f64(0.5 + self.random.unit() / 2.0);
            if Instant::now() + wait >= until {
                return Err(refusal);
            }
            sleep(wait).await;
        }
    }

    /// Returns the time until the delivery's next attempt; zero if it is due.
    pub(crate) fn until_due(&self, delivery: &Delivery) -> Duration {
        let now = self.clock.now();
        delivery.next_attempt_at.map_or(Duration::ZERO, |at| at.since(now))
    }
}

/// Returns the endpoints of these deliveries.
pub(crate) fn endpoints_of(deliveries: &[Delivery]) -> Vec<EndpointId> {
    deliveries.iter().map(|delivery| delivery.endpoint_id).collect()
}
