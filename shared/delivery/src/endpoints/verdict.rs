//! What an attempt tells about its endpoint, and how the endpoint's health changes.

use std::time::Duration;

use posthorn_domain::{
    Attempt, AttemptError, Delivery, DisabledReason, Endpoint, Failure, Health, HealthState, Timestamp,
};

use crate::endpoints::watch::Recent;

/// Failures in a row after which an endpoint counts as failing.
const FEW_FAILURES: u32 = 5;
/// The attempt of one delivery whose failure makes its endpoint failing: by then it has failed for minutes.
const TELLING_ATTEMPT: u32 = 3;
/// The usual latency from which on an endpoint is slow, and gets no events from fan-out.
const SLOW: Duration = Duration::from_secs(1);
/// The usual latency below which a slow endpoint is healthy again.
const QUICK: Duration = Duration::from_millis(500);
/// The number of answers from which on their mean counts.
const SAMPLES: u32 = 3;
/// How long an endpoint has to have been failing until one success ends that. Otherwise an endpoint that alternates
/// between success and failure would change its state every few events.
const STABLE: Duration = Duration::from_secs(10);
/// After how long without a success an endpoint's owner is notified.
const WARN_AFTER: Duration = Duration::from_hours(24);
/// After how long without a success, with failures on enough days, an endpoint is disabled.
const DISABLE_AFTER: Duration = Duration::from_hours(5 * 24);

/// What an attempt tells about its endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Finding {
    pub(crate) attempt: Attempt,
    /// The number of failed attempts of the same delivery before it.
    pub(super) failures: u32,
}

/// What to do with an endpoint after an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Write its health, which differs from the one on record.
    Health(Health),
    /// Notify its owner that it has failed for a day.
    Warn(Health),
    /// Hold its deliveries, because it is down, and notify its owner; unless it has acknowledged something since.
    Hold(Failure, Timestamp),
    /// Disable it, and notify its owner.
    Disable(DisabledReason),
}

impl Recent {
    /// Returns what follows for an endpoint from what was seen, with this attempt.
    pub(super) fn verdict(&self, endpoint: &Endpoint, found: &Finding, now: Timestamp) -> Option<Verdict> {
        let (attempt, health) = (&found.attempt, &endpoint.health);
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
            let telling = self.run.failures >= FEW_FAILURES || found.failures + 1 >= TELLING_ATTEMPT;
            return if telling { becomes(HealthState::Failing) } else { None };
        }
        let noted = still_failing(*health, attempt.at, now);
        match noted {
            Some(Verdict::Health(_)) | None if endpoint.held_since().is_none() => {
                self.hold(endpoint, attempt).or(noted)
            }
            _ => noted,
        }
    }

    /// Returns what follows for an endpoint that has failed again, and may be down.
    fn hold(&self, endpoint: &Endpoint, attempt: &Attempt) -> Option<Verdict> {
        let (failure, since) = (Failure::from(attempt), self.run.since.max(endpoint.health.since));
        let is_down = failure.shows_that_it_is_down(self.run.weight, since, attempt.at);
        is_down.then_some(Verdict::Hold(failure, since))
    }
}

impl Finding {
    /// `delivery` is the one before the attempt.
    pub(crate) fn of(attempt: Attempt, delivery: &Delivery) -> Self {
        Self { attempt, failures: delivery.failures() }
    }
}

/// Returns what follows for a failing endpoint that has failed again at `at`. Five days without a success mean nothing
/// if there were hardly any attempts in them.
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
    /// Returns whether two verdicts ask for the same change.
    pub(super) fn is_like(self, other: Self) -> bool {
        match (self, other) {
            (Self::Health(one), Self::Health(other)) => one.state == other.state,
            (one, other) => std::mem::discriminant(&one) == std::mem::discriminant(&other),
        }
    }
}
