//! What fanning out and delivering have in common.

use std::str::FromStr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures::future::join_all;
use posthorn_domain::{
    Attempt, Clock, Delivery, DeliveryMessage, DeliveryStatus, DeliveryWork, Endpoint, EndpointId,
    EndpointStatus, EventMessage, EventShards, Random, RetrySchedule, Tenant, Timestamp,
};
use posthorn_storage::{
    Before, DeliveryOutbox, DueRetries, EventLog, EventOutbox, IdempotencyKeys, Progress, RecordKey,
    StorageError, Written,
};
use tokio::time::{Instant, sleep};
use tracing::{info, warn};

use crate::direct::Direct;
use crate::put_off::FirstAttempt;
use crate::sender::Answer;
use crate::waits::Waits;
use crate::watch::{Finding, Verdict, Watch};
use crate::{Metric, QueueMessage, Sender, Snapshots, Tally, WorkError, decision, notices};

/// What is left of an invocation's time for recording and queueing, after its last POST, and after the last write that is
/// tried again. It is longer than the slowest call to AWS with all its repetitions.
const RESERVE: Duration = Duration::from_secs(10);
/// How much later than an attempt may end its copy comes: it then finds the attempt on record.
const COPY_COMES_LATER: Duration = Duration::from_secs(5);

/// How often the record of a delivery is read again because somebody else keeps writing it.
const MAX_CONFLICTS: usize = 5;

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

/// How next attempts are queued.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Queueing {
    /// By whoever has just put on record what comes before them.
    Once,
    /// Where an earlier receipt of the message, or a twin of it, may have queued the same. Two messages that came at the same
    /// moment would both make the attempt, so these come later.
    Again,
    /// Where the endpoints are known to be slow or failing: their first attempts are not cut short.
    AmongSlow,
}

/// Messages for next attempts, with their delays, and those that are too late for one, with their times.
#[derive(Debug, Clone, Default)]
pub(crate) struct Outgoing {
    brief: Vec<(DeliveryMessage, Duration)>,
    patient: Vec<(DeliveryMessage, Duration)>,
    late: Vec<(DeliveryMessage, Timestamp)>,
}

impl Outgoing {
    /// These and those.
    pub(crate) fn and(mut self, other: Self) -> Self {
        self.brief.extend(other.brief);
        self.patient.extend(other.patient);
        self.late.extend(other.late);
        self
    }
}

/// Those of the messages that were refused.
fn refused<When>(
    messages: Vec<(DeliveryMessage, When)>,
    results: &[Result<(), StorageError>],
) -> Vec<(DeliveryMessage, When)> {
    messages
        .into_iter()
        .zip(results)
        .filter_map(|(message, result)| result.is_err().then_some(message))
        .collect()
}

/// A delivery after an attempt, and what the attempt tells of its endpoint.
pub(crate) struct Outcome {
    pub(crate) delivery: Delivery,
    endpoint: Arc<Endpoint>,
    /// Nothing where the endpoint is disabled: it starts anew once it is enabled.
    found: Option<Finding>,
    verdict: Option<Verdict>,
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

    /// Takes note of an attempt and decides what follows it. `accepted_at` is when the event was accepted, where that
    /// tells how long a first attempt took to come; `expires_at` is when its record expires, where that may be soon.
    pub(crate) fn conclude(
        &self,
        key: &RecordKey,
        endpoint: Arc<Endpoint>,
        delivery: Delivery,
        answer: Answer,
        accepted_at: Option<Timestamp>,
        expires_at: Option<Timestamp>,
    ) -> Outcome {
        let attempt = answer.attempt;
        self.tally.add(Metric::Attempts, 1);
        self.tally.add(Metric::Failures, u64::from(attempt.failed()));
        if let Some(accepted_at) = accepted_at.filter(|_| delivery.attempts.is_empty()) {
            self.tally.note(Metric::FirstAttemptLatency, millis(attempt.at.since(accepted_at)));
        }
        let is_enabled = endpoint.status == EndpointStatus::Enabled;
        let found = is_enabled.then(|| Finding::of(attempt, &delivery));
        let observe = |found| self.watch.observe(&endpoint, found, &answer, self.clock.now());
        let verdict = found.as_ref().and_then(observe);
        let delivery = decision::after(delivery, answer, &self.schedule, expires_at, || self.random.unit());
        if self.logged.covers(&attempt) {
            log(key, &delivery, &attempt);
        }
        Outcome { delivery, endpoint, found, verdict }
    }

    /// Acts on what attempts tell of their endpoints, and finds out what others have put on record of those that this process
    /// sees otherwise, or sends to elsewhere because they are not doing well: the `doubted`. What cannot be put on record now
    /// will be found out again by a later attempt, so no delivery waits for it.
    pub(crate) async fn enforce(&self, tenant: &Tenant, outcomes: &[Outcome], doubted: &[EndpointId]) {
        let decided =
            |outcome: &Outcome| Some((Arc::clone(&outcome.endpoint), outcome.found?, outcome.verdict?));
        self.enforce_all(tenant, outcomes.iter().filter_map(decided)).await;
        let undecided = || outcomes.iter().filter(|outcome| outcome.verdict.is_none());
        let seen = undecided()
            .filter_map(|outcome| Some((outcome.endpoint.id, !outcome.found?.attempt.succeeded())));
        let doubted = doubted.iter().map(|id| (*id, true));
        let checked = match self.snapshots.check(tenant, doubted.chain(seen)).await {
            Ok(checked) => checked,
            Err(cause) => {
                return warn!(error = &cause as &dyn std::error::Error, "endpoints' health not read again");
            }
        };
        let now = self.clock.now();
        let judged = undecided().filter_map(|outcome| {
            let (found, id) = (outcome.found?, outcome.endpoint.id);
            let fresh = checked.iter().find(|fresh| fresh.id == id)?;
            Some((Arc::clone(fresh), found, self.watch.judge(fresh, &found, now)?))
        });
        self.enforce_all(tenant, judged).await;
    }

    async fn enforce_all(
        &self,
        tenant: &Tenant,
        verdicts: impl Iterator<Item = (Arc<Endpoint>, Finding, Verdict)>,
    ) {
        join_all(verdicts.map(|(endpoint, found, verdict)| async move {
            if let Err(cause) = self.enforce_one(tenant, &endpoint, found, verdict).await {
                let cause = &cause as &dyn std::error::Error;
                warn!(endpoint_id = %endpoint.id, error = cause, "endpoint's health not recorded");
            }
        }))
        .await;
    }

    /// A note of an endpoint's health is written on what this process knows. Before its owner is told anything, and where
    /// somebody else has written the endpoint meanwhile, it is read again, and judged as it is then.
    async fn enforce_one(
        &self,
        tenant: &Tenant,
        attempted: &Endpoint,
        found: Finding,
        mut verdict: Verdict,
    ) -> Result<(), WorkError> {
        let (mut known, mut is_fresh) = (attempted.clone(), false);
        for _ in 0..MAX_CONFLICTS {
            let is_note = matches!(verdict, Verdict::Health(_));
            if (is_fresh || is_note) && self.act(tenant, &known, verdict).await? == Written::Now {
                return Ok(());
            }
            let fresh = self.snapshots.fresh(tenant, known.id).await?;
            let is_the_same =
                |fresh: &Endpoint| fresh.status == EndpointStatus::Enabled && fresh.url == attempted.url;
            let Some(fresh) = fresh.filter(is_the_same) else { return Ok(()) };
            let Some(judged) = self.watch.judge(&fresh, &found, self.clock.now()) else { return Ok(()) };
            (known, verdict, is_fresh) = (fresh, judged, true);
        }
        Err(StorageError::Conflict.into())
    }

    /// What is published is published before the change is made: were it the other way round, and the function ended
    /// in between, nobody would ever hear of it.
    async fn act(
        &self,
        tenant: &Tenant,
        endpoint: &Endpoint,
        verdict: Verdict,
    ) -> Result<Written, WorkError> {
        let (store, now) = (self.snapshots.store(), self.clock.now());
        let mut changed = Endpoint { revision: endpoint.revision + 1, ..endpoint.clone() };
        let written = match verdict {
            Verdict::Health(health) => {
                changed.health = health;
                store.set_health(tenant, endpoint, health).await?
            }
            Verdict::Warn(health) => {
                changed.health = health;
                self.publish(notices::failing(tenant, endpoint, now)?).await?;
                store.set_health(tenant, endpoint, health).await?
            }
            Verdict::Disable(reason) => {
                changed.status = EndpointStatus::Disabled;
                self.publish(notices::disabled(tenant, endpoint, reason, now)?).await?;
                store.disable(tenant, endpoint, reason).await?
            }
        };
        if written == Written::Now {
            self.snapshots.renew(tenant, changed, now);
            self.tally.add(Metric::EndpointsDisabled, u64::from(matches!(verdict, Verdict::Disable(_))));
            info!(account = tenant.account.as_str(), endpoint_id = %endpoint.id, ?verdict, "endpoint's health changed");
        }
        Ok(written)
    }

    async fn publish(&self, notice: EventMessage) -> Result<(), StorageError> {
        self.notices.send(&[notice]).await.into_iter().collect()
    }

    /// Records the attempts that deliveries of one row have just had, and queues the next ones. Neither is given up as long as
    /// there is time.
    pub(crate) async fn settle<'a>(
        &self,
        until: Instant,
        key: &RecordKey,
        deliveries: impl IntoIterator<Item = &'a Delivery>,
    ) -> Result<(), StorageError> {
        let deliveries: Vec<&Delivery> = deliveries.into_iter().collect();
        let ours = self.persist(until, || self.record(key, &deliveries)).await?;
        self.send(until, self.packed(key, &ours, Queueing::Once)).await
    }

    /// Records attempts. Answers the deliveries whose next attempt is to be queued: one that somebody else has taken as far is
    /// left to them.
    pub(crate) async fn record(
        &self,
        key: &RecordKey,
        deliveries: &[&Delivery],
    ) -> Result<Vec<Delivery>, StorageError> {
        let progress: Vec<_> = deliveries.iter().copied().map(one_attempt_more).collect();
        if self.log.advance(key, &progress, self.clock.now()).await? == Written::Now {
            let pending = deliveries.iter().filter(|delivery| delivery.status == DeliveryStatus::Pending);
            return Ok(pending.copied().cloned().collect());
        }
        let mut ours = Vec::new();
        for delivery in deliveries {
            ours.extend(self.settle_one(key, delivery).await?);
        }
        Ok(ours)
    }

    /// Records the last attempt of a delivery beside what others have put on record since, and answers the delivery as it
    /// then is. `None` where it is theirs: somebody else has made the same step of the schedule.
    pub(crate) async fn settle_one(
        &self,
        key: &RecordKey,
        ours: &Delivery,
    ) -> Result<Option<Delivery>, StorageError> {
        let made = ours.attempts.last();
        let is_made = |attempt: &Attempt| made.is_some_and(|made| is_same(made, attempt));
        for _ in 0..MAX_CONFLICTS {
            let Some(recorded) = self.log.delivery(key, ours.endpoint_id).await? else { return Ok(None) };
            if recorded.attempts.iter().any(is_made) {
                // An earlier try to write it was made, and only its answer was lost.
                return Ok(Some(recorded));
            }
            let before = Before::of(&recorded);
            let Some(delivery) = decision::joined(recorded, ours) else { return Ok(None) };
            let step = Progress { delivery: &delivery, before };
            if self.log.advance(key, &[step], self.clock.now()).await? == Written::Now {
                return Ok(Some(delivery));
            }
        }
        Err(StorageError::Conflict)
    }

    /// Queues the next attempt of each delivery that is pending, for when it is due.
    pub(crate) async fn queue<'a>(
        &self,
        key: &RecordKey,
        deliveries: impl IntoIterator<Item = &'a Delivery>,
        queueing: Queueing,
    ) -> Result<(), StorageError> {
        self.send(Instant::now(), self.packed(key, deliveries, queueing)).await
    }

    /// The messages for the next attempt of each delivery that is pending.
    pub(crate) fn packed<'a>(
        &self,
        key: &RecordKey,
        deliveries: impl IntoIterator<Item = &'a Delivery>,
        queueing: Queueing,
    ) -> Outgoing {
        let later = if queueing == Queueing::Again { self.copy_comes_later() } else { Duration::ZERO };
        let mut outgoing = Outgoing::default();
        for delivery in deliveries.into_iter().filter(|delivery| delivery.status == DeliveryStatus::Pending) {
            let wait = self.until_due(delivery).max(self.asked_to_wait(delivery, queueing));
            match delivery.next_attempt_at {
                Some(due) if wait > DeliveryOutbox::MAX_DELAY => {
                    outgoing.late.push((next_message(key, delivery), due));
                }
                _ if queueing != Queueing::AmongSlow && wait.is_zero() && delivery.attempts.is_empty() => {
                    let first = DeliveryWork::First { endpoint_id: delivery.endpoint_id };
                    outgoing.brief.push((message(key, first), later));
                }
                _ => outgoing.patient.push((next_message(key, delivery), wait + later)),
            }
        }
        outgoing
    }

    /// Sends messages. What is refused is sent again as long as there is time, and nothing else is: two messages for one
    /// attempt that come at the same moment would both make it.
    pub(crate) async fn send(&self, until: Instant, outgoing: Outgoing) -> Result<(), StorageError> {
        let left = Mutex::new(outgoing);
        self.persist(until, || async {
            let Outgoing { brief, patient, late } =
                left.lock().unwrap_or_else(PoisonError::into_inner).clone();
            let (for_brief, for_patient, for_late) = tokio::join!(
                self.first_attempts.send_each(&brief),
                self.outbox.send_each(&patient),
                self.due.put_each(&late)
            );
            let put = for_late.iter().filter(|result| result.is_ok()).count();
            self.tally.add(Metric::RetriesPutOff, put as u64);
            let refused = Outgoing {
                brief: refused(brief, &for_brief),
                patient: refused(patient, &for_patient),
                late: refused(late, &for_late),
            };
            *left.lock().unwrap_or_else(PoisonError::into_inner) = refused;
            for_brief.into_iter().chain(for_patient).chain(for_late).collect()
        })
        .await
    }

    /// How long the first attempt at an endpoint waits that has asked to be left alone.
    fn asked_to_wait(&self, delivery: &Delivery, queueing: Queueing) -> Duration {
        let now = self.clock.now();
        let is_first = queueing == Queueing::AmongSlow && delivery.attempts.is_empty();
        let asked = || self.watch.asked_to_wait_until(delivery.endpoint_id, now);
        let Some(until) = is_first.then(asked).flatten() else { return Duration::ZERO };
        let first = FirstAttempt { due: now, sent_at: now };
        first
            .put_off(until, now, self.random.unit())
            .map_or(Duration::ZERO, |wait| wait.min(DeliveryOutbox::MAX_DELAY))
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

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// Writes the one line there is of an attempt. `delivery` is as it is after it.
fn log(key: &RecordKey, delivery: &Delivery, attempt: &Attempt) {
    info!(
        account = key.tenant.account.as_str(),
        livemode = bool::from(key.tenant.mode),
        event_id = %key.event_id,
        endpoint_id = %delivery.endpoint_id,
        attempt = delivery.attempts.len(),
        status = ?delivery.status,
        code = attempt.code,
        error = attempt.error.map(posthorn_domain::AttemptError::as_str),
        duration_ms = millis(attempt.duration),
        next_attempt_at = delivery.next_attempt_at.map(tracing::field::display),
        "delivery attempted"
    );
}

/// A pending delivery, after one more attempt.
fn one_attempt_more(delivery: &Delivery) -> Progress<'_> {
    let now = Before::of(delivery);
    let before = Before { status: DeliveryStatus::Pending, attempts: now.attempts - 1, ..now };
    Progress { delivery, before }
}

/// The endpoints of these deliveries.
pub(crate) fn endpoints_of(deliveries: &[Delivery]) -> Vec<EndpointId> {
    deliveries.iter().map(|delivery| delivery.endpoint_id).collect()
}

/// Whether it is the very same attempt; a record keeps whole milliseconds.
fn is_same(one: &Attempt, other: &Attempt) -> bool {
    one.at == other.at && one.resend == other.resend && one.code == other.code
}

/// The message for the next attempt, which has all the time that an endpoint may take.
pub(crate) fn next_message(key: &RecordKey, delivery: &Delivery) -> DeliveryMessage {
    let (endpoint_id, attempt) = (delivery.endpoint_id, delivery.next_attempt());
    message(key, DeliveryWork::Attempt { endpoint_id, attempt })
}

/// A message that asks for some work on a row of the event log.
pub(crate) fn message(key: &RecordKey, work: DeliveryWork) -> DeliveryMessage {
    DeliveryMessage { tenant: key.tenant.clone(), event_id: key.event_id, chunk: key.chunk, work }
}
