//! How an endpoint has been doing.

use std::str::FromStr;

use serde::{Serialize, Serializer};

use crate::invalid::Invalid;
use crate::time::Timestamp;

/// The milliseconds of a day.
const DAY: i64 = 24 * 3_600_000;
/// After how many days without an attempt a failure is another story than those before.
const SILENCE: i64 = 5;
/// On how many days an endpoint has failed that no silence makes up for.
const TELLING_DAYS: u32 = 3;

/// How an endpoint has been doing. It is written only when it changes, and once a day while it fails: a healthy system
/// writes nothing. It serializes as the API shows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Health {
    /// How it does.
    pub state: HealthState,
    /// Since when.
    pub since: Timestamp,
    /// Whether its owner has been told that it fails.
    pub warned: bool,
    /// The days on which it has failed, where it is failing.
    pub failed_on: FailedOn,
}

/// On which days (UTC) an endpoint has failed since it began to. Only the last one is kept, and how many there were: what
/// an attempt on another day adds follows from these, whichever process makes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FailedOn {
    /// How many days there were.
    pub days: u32,
    /// The last of them, in days since the Unix epoch.
    pub last: i64,
}

/// How an endpoint does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum HealthState {
    /// It is new, or its URL is, or it was enabled again, and has acknowledged nothing yet.
    Unproven,
    /// It answers, and within a second.
    Healthy,
    /// It acknowledges events, but takes more than a second.
    Slow,
    /// It has acknowledged nothing since then.
    Failing,
}

impl Health {
    /// The health of an endpoint that has been in this state since then.
    pub fn new(state: HealthState, since: Timestamp) -> Self {
        Self { state, since, warned: false, failed_on: FailedOn::first(since) }
    }

    /// The health of an endpoint of which nothing is known.
    pub fn unproven(since: Timestamp) -> Self {
        Self::new(HealthState::Unproven, since)
    }

    /// That of a failing endpoint after an attempt at it that failed at `at`. What it failed on fewer than three days
    /// counts no more once nobody has tried it for five: it is failing since `at`.
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
            // It may have been fixed meanwhile: one more day of failures has to follow this one.
            TELLING_DAYS.. => TELLING_DAYS - 2,
        };
        Self { failed_on: FailedOn { days: days.saturating_add(1), last: today }, ..self }
    }

    /// Whether it has failed on as many days as tell that it is down, not that it hiccuped.
    pub fn has_failed_on_telling_days(&self) -> bool {
        self.failed_on.days >= TELLING_DAYS
    }
}

impl FailedOn {
    /// What is on record of an endpoint in this state `since`. A release that knows no days may have moved that since.
    pub fn on_record(days: u32, last: i64, since: Timestamp) -> Self {
        if last < day(since) { Self::first(since) } else { Self { days, last } }
    }

    /// The day of the first failure. It also stands for what earlier releases have put on record, which name no days.
    pub fn first(at: Timestamp) -> Self {
        Self { days: 1, last: day(at) }
    }
}

fn day(at: Timestamp) -> i64 {
    at.as_millis().div_euclid(DAY)
}

impl Serialize for Health {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct HealthObject {
            status: &'static str,
            since: Timestamp,
        }
        HealthObject { status: self.state.as_str(), since: self.since }.serialize(serializer)
    }
}

impl HealthState {
    const ALL: [Self; 4] = [Self::Unproven, Self::Healthy, Self::Slow, Self::Failing];

    /// Whether nothing speaks against an answer within a second.
    pub fn is_well(self) -> bool {
        matches!(self, Self::Unproven | Self::Healthy)
    }

    /// The state as one word, for records and logs.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Unproven => "unproven",
            Self::Healthy => "healthy",
            Self::Slow => "slow",
            Self::Failing => "failing",
        }
    }
}

impl FromStr for HealthState {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        let known = Self::ALL.into_iter().find(|state| state.as_str() == text);
        known.ok_or_else(|| Invalid::because(format!("has no state of health: {text:?}")))
    }
}

/// Why Posthorn disabled an endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum DisabledReason {
    /// It answered 410 Gone.
    Gone,
    /// It failed for days on end.
    Failing,
}

impl DisabledReason {
    /// The reason as one word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Gone => "gone",
            Self::Failing => "failing",
        }
    }
}

impl FromStr for DisabledReason {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        match text {
            "gone" => Ok(Self::Gone),
            "failing" => Ok(Self::Failing),
            _ => Err(Invalid::because(format!("has an unknown disabled_reason: {text:?}"))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: i64 = 3_600_000;

    /// How many days count, and since which hour it is failing, after failures at these hours.
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
