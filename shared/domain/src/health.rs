//! How an endpoint has been doing.

use std::str::FromStr;

use serde::{Serialize, Serializer};

use crate::{Invalid, Timestamp};

/// How an endpoint has been doing. It is written only when it changes: a healthy system writes nothing. It serializes
/// as the API shows it, where an endpoint of which nothing is known counts as healthy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Health {
    /// How it does.
    pub state: HealthState,
    /// Since when.
    pub since: Timestamp,
    /// Whether its owner has been told that it fails.
    pub warned: bool,
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
    /// The health of an endpoint of which nothing is known.
    pub fn unproven(since: Timestamp) -> Self {
        Self { state: HealthState::Unproven, since, warned: false }
    }
}

impl Serialize for Health {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct HealthObject {
            status: &'static str,
            since: Timestamp,
        }
        let shown = match self.state {
            HealthState::Unproven => HealthState::Healthy,
            known => known,
        };
        HealthObject { status: shown.as_str(), since: self.since }.serialize(serializer)
    }
}

impl HealthState {
    const ALL: [Self; 4] = [Self::Unproven, Self::Healthy, Self::Slow, Self::Failing];

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
