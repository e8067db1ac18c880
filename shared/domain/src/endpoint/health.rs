//! Endpoint health.

use serde::Serialize;
use strum::{Display, EnumString, IntoStaticStr, VariantArray};

use crate::invalid::Invalid;
use crate::time::Timestamp;

/// A day in milliseconds.
const DAY: i64 = 24 * 3_600_000;
/// The most days between two failures. After a longer gap, earlier failures count less or not at all.
const SILENCE: i64 = 5;
/// The number of days with failures from which on a long gap does not erase them.
const TELLING_DAYS: u32 = 3;

/// An endpoint's health. It is written only when it changes, and once a day while the endpoint fails: a healthy system
/// writes nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Health {
    /// The present state.
    pub state: HealthState,
    /// When the endpoint entered this state.
    pub since: Timestamp,
    /// Whether its owner has been notified that it fails.
    pub warned: bool,
    /// The days with failures, while it is failing.
    pub failed_on: FailedOn,
}

/// The days (UTC) with failures since the endpoint began to fail. Only their number and the last one are kept. That is
/// enough to count an attempt on another day, in whichever process it is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FailedOn {
    /// The number of days.
    pub days: u32,
    /// The last of them, in days since the Unix epoch.
    pub last: i64,
}

/// The state of an endpoint's health.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Display, EnumString, IntoStaticStr, VariantArray)]
#[strum(serialize_all = "snake_case", parse_err_ty = Invalid, parse_err_fn = Invalid::none_of::<HealthState>)]
pub enum HealthState {
    /// It is new, has a new URL, or was enabled again, and has not acknowledged anything since.
    Unproven,
    /// It usually answers within a second.
    Healthy,
    /// It acknowledges events, but usually takes a second or more.
    Slow,
    /// It has acknowledged nothing since it entered this state.
    Failing,
}

impl Health {
    /// Returns the health of an endpoint that has been in this state since `since`.
    pub fn new(state: HealthState, since: Timestamp) -> Self {
        Self { state, since, warned: false, failed_on: FailedOn::first(since) }
    }

    /// Returns the health of an endpoint of which nothing is known yet.
    pub fn unproven(since: Timestamp) -> Self {
        Self::new(HealthState::Unproven, since)
    }

    /// Returns the health of a failing endpoint after another attempt failed at `at`. If the last failure was more than
    /// five days ago, and there were fewer than three days with failures, these are forgotten: the endpoint is failing
    /// since `at`.
    #[must_use]
    pub fn failed_again(self, at: Timestamp) -> Self {
        let FailedOn { days, last } = self.failed_on;
        let today = day(at);
        if today <= last {
            return self;
        }
        let days = match days {
            _ if today - last <= SILENCE => days,
            0..TELLING_DAYS => return Self::new(HealthState::Failing, at),
            // It may have been fixed meanwhile, so one more day of failures has to follow this one.
            TELLING_DAYS.. => TELLING_DAYS - 2,
        };
        Self { failed_on: FailedOn { days: days.saturating_add(1), last: today }, ..self }
    }

    /// Returns whether it has failed on enough days to count as down, not just as briefly disturbed.
    pub fn has_failed_on_telling_days(&self) -> bool {
        self.failed_on.days >= TELLING_DAYS
    }
}

impl FailedOn {
    /// Returns the days as they are on record for an endpoint in this state since `since`. A release that does not know
    /// these days may have moved `since` past them; then they start again.
    pub fn on_record(days: u32, last: i64, since: Timestamp) -> Self {
        if last < day(since) { Self::first(since) } else { Self { days, last } }
    }

    /// Returns the day of the first failure alone. It also replaces the days that records of earlier releases lack.
    pub fn first(at: Timestamp) -> Self {
        Self { days: 1, last: day(at) }
    }
}

fn day(at: Timestamp) -> i64 {
    at.as_millis().div_euclid(DAY)
}

impl HealthState {
    /// Returns whether the endpoint is expected to answer within a second: nothing is known to the contrary.
    pub fn is_well(self) -> bool {
        matches!(self, Self::Unproven | Self::Healthy)
    }

    /// Returns the state as one word, for records and logs.
    pub fn as_str(self) -> &'static str {
        self.into()
    }
}

/// Why Posthorn disabled an endpoint.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Display, EnumString, IntoStaticStr, VariantArray,
)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case", parse_err_ty = Invalid, parse_err_fn = Invalid::none_of::<DisabledReason>)]
pub enum DisabledReason {
    /// It answered 410 Gone.
    Gone,
    /// It has failed for days.
    Failing,
}

impl DisabledReason {
    /// Returns the reason as one word.
    pub fn as_str(self) -> &'static str {
        self.into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: i64 = 3_600_000;

    /// Returns the number of days with failures, and the hour since which it is failing, after failures at these hours.
    fn after(hours: &[i64]) -> (u32, i64) {
        let at = |hour: i64| Timestamp::from_millis(hour * HOUR);
        let (first, later) = hours.split_first().unwrap();
        let begun = Health::new(HealthState::Failing, at(*first));
        let health = later.iter().fold(begun, |health, hour| health.failed_again(at(*hour)));
        (health.failed_on.days, health.since.as_millis() / HOUR)
    }

    #[test]
    fn the_days_of_failures_are_counted_and_a_hiccup_is_forgotten_after_five_days_of_silence() {
        let check = |hours: &[i64], days, since| assert_eq!(after(hours), (days, since), "{hours:?}");
        check(&[10], 1, 10);
        check(&[10, 11, 12, 23], 1, 10);
        check(&[23, 24], 2, 23);
        check(&[10, 30, 12, 50, 100], 4, 10);
        check(&[10, 24 * 5 + 10], 2, 10);
        check(&[10, 24 * 6], 1, 24 * 6);
        check(&[10, 24 * 30, 24 * 31], 2, 24 * 30);
        check(&[10, 30, 50, 24 * 30], 2, 10);
        check(&[10, 30, 50, 24 * 30, 24 * 31], 3, 10);
    }
}
