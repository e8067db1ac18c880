//! What an attempt tells of its endpoint, and what follows for the endpoint's health.

use std::time::Duration;

use posthorn_domain::{Attempt, AttemptError, Delivery, DisabledReason, Health, HealthState, Timestamp};

use crate::endpoints::watch::Recent;

/// Failures in a row after which an endpoint counts as failing.
const FAILURES_IN_A_ROW: u32 = 5;
/// The attempt at one delivery whose failure makes an endpoint count as failing: by then it has failed for minutes.
const TELLING_ATTEMPT: u32 = 3;
/// What an endpoint that gets its events from fan-out has to answer within, usually.
const SLOW: Duration = Duration::from_secs(1);
/// What a slow endpoint has to answer within, usually, to count as healthy again.
const QUICK: Duration = Duration::from_millis(500);
/// Answers from which on a mean says something.
const SAMPLES: u32 = 3;
/// How long an endpoint has to have been failing for one success to end that. One that fails by turns would change from one
/// to the other with every few events.
const STABLE: Duration = Duration::from_secs(10);
/// After how long of nothing but failures an endpoint's owner is told.
const WARN_AFTER: Duration = Duration::from_hours(24);
/// After how long of nothing but failures, on some of its days, an endpoint is disabled.
const DISABLE_AFTER: Duration = Duration::from_hours(5 * 24);

/// What an attempt tells of its endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Finding {
    pub(crate) attempt: Attempt,
    /// How many attempts at the same delivery had failed before it.
    pub(super) failures: u32,
}

/// What is to become of an endpoint after an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Its health is something else than what is on record.
    Health(Health),
    /// Its owner is to be told that it has failed for a day.
    Warn(Health),
    /// It is to be disabled, and its owner told.
    Disable(DisabledReason),
}

impl Recent {
    /// What follows from what was seen, the attempt included, for an endpoint of this health.
    pub(super) fn verdict(&self, health: &Health, found: &Finding, now: Timestamp) -> Option<Verdict> {
        let attempt = &found.attempt;
        let becomes = |state| Some(Verdict::Health(Health::new(state, attempt.at)));
        let slow = self.samples >= SAMPLES && self.latency >= SLOW;
        if attempt.succeeded() {
            let quick = self.samples >= SAMPLES && self.latency < QUICK;
            return match health.state {
                HealthState::Slow if !quick => None,
                HealthState::Healthy if !slow => None,
                HealthState::Failing if attempt.at.since(health.since) < STABLE => None,
                _ if slow => becomes(HealthState::Slow),
                _ => becomes(HealthState::Healthy),
            };
        }
        if attempt.code == Some(410) {
            return Some(Verdict::Disable(DisabledReason::Gone));
        }
        if attempt.error == Some(AttemptError::Slow) {
            return if health.state == HealthState::Healthy && slow {
                becomes(HealthState::Slow)
            } else {
                None
            };
        }
        if health.state != HealthState::Failing {
            let telling = self.failures >= FAILURES_IN_A_ROW || found.failures + 1 >= TELLING_ATTEMPT;
            return if telling { becomes(HealthState::Failing) } else { None };
        }
        still_failing(*health, attempt.at, now)
    }
}

impl Finding {
    /// `delivery` is as it was before the attempt.
    pub(crate) fn of(attempt: Attempt, delivery: &Delivery) -> Self {
        Self { attempt, failures: delivery.failures() }
    }
}

/// What becomes of a failing endpoint that has failed again at `at`. Five days without a success say nothing of an
/// endpoint that hardly anybody has tried meanwhile.
fn still_failing(health: Health, at: Timestamp, now: Timestamp) -> Option<Verdict> {
    let failed = health.failed_again(at);
    match now.since(failed.since) {
        failing if failing >= DISABLE_AFTER && failed.has_failed_on_telling_days() => {
            Some(Verdict::Disable(DisabledReason::Failing))
        }
        failing if failing >= WARN_AFTER && !failed.warned => {
            Some(Verdict::Warn(Health { warned: true, ..failed }))
        }
        _ => (failed != health).then_some(Verdict::Health(failed)),
    }
}

impl Verdict {
    /// Whether two verdicts ask for the same.
    pub(super) fn is_like(self, other: Self) -> bool {
        match (self, other) {
            (Self::Health(one), Self::Health(other)) => one.state == other.state,
            (one, other) => std::mem::discriminant(&one) == std::mem::discriminant(&other),
        }
    }
}
