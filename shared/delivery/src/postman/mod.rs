//! Carrying events to endpoints: fan-out makes an event's first attempts, `deliver` those that come later. What they have in
//! common is here.

mod deliver;
mod dispatch;
mod fan_out;
mod idempotency;
mod outcome;
mod put_off;
mod queueing;
mod record;

use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use posthorn_domain::{Attempt, Clock, Delivery, EndpointId, EventShards, Random, RetrySchedule};
use posthorn_storage::{DeliveryOutbox, DueRetries, EventLog, EventOutbox, IdempotencyKeys, StorageError};
use tokio::time::{Instant, sleep};

use crate::endpoints::{Direct, Snapshots, Watch};
pub(crate) use crate::postman::queueing::next_message;
use crate::queue_message::{QueueMessage, WorkError};
use crate::sending::Sender;
use crate::tally::Tally;
use crate::waits::Waits;

/// What is left of an invocation's time for recording and queueing, after its last POST, and after the last write that is
/// tried again. It is longer than the slowest call to AWS with all its repetitions.
const RESERVE: Duration = Duration::from_secs(10);
/// How much later than an attempt may end its copy comes: it then finds the attempt on record.
const COPY_COMES_LATER: Duration = Duration::from_secs(5);

/// Carries events to endpoints and keeps the record.
pub struct Postman {
    pub(crate) snapshots: Snapshots,
    pub(crate) log: EventLog,
    pub(crate) first_attempts: DeliveryOutbox,
    pub(crate) outbox: DeliveryOutbox,
    pub(crate) due: DueRetries,
    pub(crate) notices: EventOutbox,
    pub(crate) idempotency: IdempotencyKeys,
    pub(crate) sender: Sender,
    pub(crate) schedule: RetrySchedule,
    pub(crate) shards: EventShards,
    pub(crate) logged: LoggedAttempts,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) random: Arc<dyn Random>,
    pub(crate) tally: Arc<Tally>,
    pub(crate) watch: Watch,
    pub(crate) direct: Direct,
}

/// What a [`Postman`] is made of.
pub struct PostmanParts {
    /// Where endpoints are looked up, and their health is kept.
    pub snapshots: Snapshots,
    /// Where results are recorded.
    pub log: EventLog,
    /// Where first attempts wait, which are over within a second.
    pub first_attempts: DeliveryOutbox,
    /// Where other attempts wait that are due within 15 minutes.
    pub outbox: DeliveryOutbox,
    /// Where later ones wait.
    pub due: DueRetries,
    /// Where events about endpoints themselves go.
    pub notices: EventOutbox,
    /// What events' idempotency keys stand for.
    pub idempotency: IdempotencyKeys,
    /// What makes the POSTs.
    pub sender: Sender,
    /// When failed deliveries are tried again.
    pub schedule: RetrySchedule,
    /// Over how many partitions events without an id are spread.
    pub shards: EventShards,
    /// Which attempts are written to the log.
    pub logged: LoggedAttempts,
    /// What time it is.
    pub clock: Arc<dyn Clock>,
    /// Where jitter comes from.
    pub random: Arc<dyn Random>,
    /// What is counted meanwhile.
    pub tally: Arc<Tally>,
}

/// Which attempts are written to the log. All are on record in any case, and counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LoggedAttempts {
    /// Those that did not succeed: a line for each of the others would cost more than its queue and its function.
    Failed,
    /// All of them.
    All,
}

impl LoggedAttempts {
    fn covers(self, attempt: &Attempt) -> bool {
        self == Self::All || !attempt.succeeded()
    }
}

impl FromStr for LoggedAttempts {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "failed" => Ok(Self::Failed),
            "all" => Ok(Self::All),
            _ => Err("must be failed or all"),
        }
    }
}

impl Postman {
    /// A postman of these parts.
    pub fn new(parts: PostmanParts) -> Self {
        let PostmanParts {
            snapshots,
            log,
            first_attempts,
            outbox,
            due,
            notices,
            idempotency,
            sender,
            schedule,
            shards,
            logged,
            clock,
            random,
            tally,
        } = parts;
        let (watch, direct) = (Watch::default(), Direct::default());
        Self {
            snapshots,
            log,
            first_attempts,
            outbox,
            due,
            notices,
            idempotency,
            sender,
            schedule,
            shards,
            logged,
            clock,
            random,
            tally,
            watch,
            direct,
        }
    }

    /// Refuses to begin what may not be finished before the function is ended.
    pub(crate) fn require_time(&self, message: &QueueMessage, post: Duration) -> Result<(), WorkError> {
        let left = message.deadline.since(self.clock.now());
        if left < post + RESERVE { Err(WorkError::OutOfTime) } else { Ok(()) }
    }

    /// How much later the copy of a message comes.
    pub(crate) fn copy_comes_later(&self) -> Duration {
        self.sender.timeout() + COPY_COMES_LATER
    }

    /// Until when what must not be given up is tried again.
    pub(crate) fn last_write(&self, message: &QueueMessage) -> Instant {
        Instant::now() + message.deadline.since(self.clock.now()).saturating_sub(RESERVE)
    }

    /// Does what must not be given up: once, and where AWS refuses it, again and again until then. What is done twice this way
    /// must come to the same.
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

    /// How long it is until the delivery's next attempt; nothing when it is due.
    pub(crate) fn until_due(&self, delivery: &Delivery) -> Duration {
        let now = self.clock.now();
        delivery.next_attempt_at.map_or(Duration::ZERO, |at| at.since(now))
    }
}

/// The endpoints of these deliveries.
pub(crate) fn endpoints_of(deliveries: &[Delivery]) -> Vec<EndpointId> {
    deliveries.iter().map(|delivery| delivery.endpoint_id).collect()
}
