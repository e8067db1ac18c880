//! What an attempt means for its delivery and for its endpoint, whose health is recorded.

use std::sync::Arc;
use std::time::Duration;

use futures::future::join_all;
use posthorn_domain::{
    Attempt, Delivery, Endpoint, EndpointId, EndpointStatus, EventSpan, Health, HealthState, Hold,
    ProbeMessage, Probes, RecoveryScope, Tenant, TimeOrder, Timestamp,
};
use posthorn_storage::{RecordKey, StorageError, Written};
use tracing::{info, warn};

use crate::decision;
use crate::endpoints::{Finding, Said, Verdict};
use crate::postman::{MAX_CONFLICTS, Postman};
use crate::queue_message::WorkError;
use crate::sending::Answer;
use crate::tally::Metric;

/// The most events that are examined for one that an endpoint has acknowledged before it is held.
const MAX_RECENT: usize = 500;
/// How much older than its acknowledgement such an event may be.
const OLDER: Duration = Duration::from_mins(1);

/// A delivery after an attempt, and what the attempt tells about its endpoint.
pub(crate) struct Outcome {
    pub(crate) delivery: Delivery,
    endpoint: Arc<Endpoint>,
    /// `None` if the endpoint is disabled: its health is reset when it is enabled.
    found: Option<Finding>,
    verdict: Option<Verdict>,
}

impl Postman {
    /// Notes an attempt and decides what follows it. `accepted_at` is when the event was accepted, if the latency of a
    /// first attempt is to be measured; `expires_at` is when its record expires, if that may be soon.
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
        let observe = |found| self.seen.watch.observe(&endpoint, found, &answer, self.clock.now());
        let verdict = found.as_ref().and_then(observe);
        let delivery = decision::after(delivery, answer, &self.schedule, expires_at, || self.random.unit());
        if self.logged.covers(&attempt) {
            log(key, &delivery, &attempt);
        }
        Outcome { delivery, endpoint, found, verdict }
    }

    /// Acts on what attempts tell about their endpoints. Also rereads the health of endpoints whose attempts contradict
    /// it, and of those that are not sent to directly because they are slow or failing: the `doubted`. If a change
    /// cannot be recorded now, a later attempt will notice it again, so no delivery waits for it.
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
                return warn!(
                    error = &cause as &dyn std::error::Error,
                    "endpoints' health could not be read again"
                );
            }
        };
        let now = self.clock.now();
        let judged = undecided().filter_map(|outcome| {
            let (found, id) = (outcome.found?, outcome.endpoint.id);
            let fresh = checked.iter().find(|fresh| fresh.id == id)?;
            Some((Arc::clone(fresh), found, self.seen.watch.judge(fresh, &found, now)?))
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
                warn!(endpoint_id = %endpoint.id, error = cause, "endpoint's health could not be recorded");
            }
        }))
        .await;
    }

    /// Records an endpoint's health from what this process knows. Before its owner is notified, and if another process
    /// has written the endpoint meanwhile, it is read and judged again.
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
            let Some(judged) = self.seen.watch.judge(&fresh, &found, self.clock.now()) else { return Ok(()) };
            (known, verdict, is_fresh) = (fresh, judged, true);
        }
        Err(StorageError::Conflict.into())
    }

    /// Writes what an attempt means for its endpoint. Before that, it publishes the notice about it, and puts on its way
    /// what has to follow: if the function ended in between, neither would ever be done.
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
                self.notices.publish(tenant, endpoint, Said::Failing, now).await?;
                changed.health = health;
                store.set_health(tenant, endpoint, health).await?
            }
            Verdict::Hold(..) if !self.holds => return Ok(Written::Now),
            Verdict::Hold(_, since) if self.has_acknowledged(tenant, endpoint, since).await? => {
                self.seen.watch.acknowledged(endpoint.id);
                changed.health = Health::new(HealthState::Healthy, now);
                store.set_health(tenant, endpoint, changed.health).await?
            }
            Verdict::Hold(failure, _) => {
                let Some(hold) = Hold::of_down(endpoint.hold, failure, now) else { return Ok(Written::Now) };
                changed.hold = Some(hold);
                let first = ProbeMessage { tenant: tenant.clone(), endpoint_id: endpoint.id, probe: 0 };
                self.outbox.send_probe(&first, Probes::wait(0)).await?;
                self.notices.publish(tenant, &changed, Said::Held, now).await?;
                store.set_hold(tenant, endpoint, hold).await?
            }
            Verdict::Disable(reason) => {
                changed = changed.with_status(EndpointStatus::Disabled, None, now);
                changed.disabled_reason = Some(reason);
                if endpoint.hold.is_some() {
                    self.release.begin(tenant, endpoint, RecoveryScope::Skipped).await?;
                }
                self.notices.publish(tenant, &changed, Said::Disabled, now).await?;
                store.disable(tenant, endpoint, reason, now).await?
            }
        };
        let hold_begins = endpoint.hold != changed.hold && changed.held_since().is_some();
        if written == Written::Now {
            self.snapshots.renew(tenant, changed, now);
            self.tally.add(Metric::EndpointsDisabled, u64::from(matches!(verdict, Verdict::Disable(_))));
            self.tally.add(Metric::EndpointsHeld, u64::from(hold_begins));
            info!(account = tenant.account.as_str(), endpoint_id = %endpoint.id, ?verdict, "endpoint's health changed");
        }
        Ok(written)
    }

    /// Returns whether the endpoint has acknowledged a recent event since this time, as far as the last events are on
    /// record. One process may have seen only failures: of events that the endpoint refuses, while others send it
    /// everything else.
    async fn has_acknowledged(
        &self,
        tenant: &Tenant,
        endpoint: &Endpoint,
        since: Timestamp,
    ) -> Result<bool, StorageError> {
        let span = EventSpan::ALL.since(since.minus(OLDER));
        let mut recent =
            self.log.deliveries_of(tenant, endpoint, span, TimeOrder::NewestFirst, MAX_RECENT / 10).await?;
        for _ in 0..MAX_RECENT {
            let Some(found) = recent.next().await? else { break };
            let attempts = found.delivery.map(|delivery| delivery.attempts).unwrap_or_default();
            if attempts.iter().any(|attempt| attempt.succeeded() && attempt.at >= since) {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// Writes the only log line of an attempt. `delivery` is the one after it.
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
