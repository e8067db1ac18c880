//! Points in time, and the clock. The clock is passed in, so that a test can say "three days later".

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::invalid::Invalid;

/// A source of the present time.
pub trait Clock: Send + Sync {
    /// Returns the present time.
    fn now(&self) -> Timestamp;
}

/// A point in time, to the millisecond. It reads and prints as RFC 3339 in UTC with three decimals:
/// `2026-11-24T10:00:00.000Z`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Timestamp(jiff::Timestamp);

impl Timestamp {
    /// Returns the time `millis` milliseconds after the Unix epoch. A time outside the years −9999 to 9999 becomes the
    /// nearest end of that range.
    pub fn from_millis(millis: i64) -> Self {
        let end = if millis < 0 { jiff::Timestamp::MIN } else { jiff::Timestamp::MAX };
        Self(jiff::Timestamp::from_millisecond(millis).unwrap_or(end))
    }

    /// Returns the milliseconds since the Unix epoch.
    pub fn as_millis(self) -> i64 {
        self.0.as_millisecond()
    }

    /// Returns the whole seconds since the Unix epoch, rounded down.
    pub fn as_seconds(self) -> i64 {
        self.as_millis().div_euclid(1000)
    }

    /// Returns the day (UTC), such as `2026-11-24`.
    pub fn date(self) -> String {
        self.0.strftime("%F").to_string()
    }

    /// Returns the time `duration` later.
    #[must_use]
    pub fn plus(self, duration: Duration) -> Self {
        let millis = i64::try_from(duration.as_millis()).unwrap_or(i64::MAX);
        Self::from_millis(self.as_millis().saturating_add(millis))
    }

    /// Returns the time `duration` earlier.
    #[must_use]
    pub fn minus(self, duration: Duration) -> Self {
        let millis = i64::try_from(duration.as_millis()).unwrap_or(i64::MAX);
        Self::from_millis(self.as_millis().saturating_sub(millis))
    }

    /// Returns the time from `earlier` to this time; zero if `earlier` is later.
    pub fn since(self, earlier: Self) -> Duration {
        let millis = self.as_millis().saturating_sub(earlier.as_millis());
        Duration::from_millis(u64::try_from(millis).unwrap_or(0))
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.3}", self.0)
    }
}

impl FromStr for Timestamp {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        let parsed: jiff::Timestamp = text
            .parse()
            .map_err(|_| Invalid::because("must be a time in RFC 3339, such as 2026-11-24T10:00:00.000Z"))?;
        Ok(Self::from_millis(parsed.as_millisecond()))
    }
}

impl TryFrom<String> for Timestamp {
    type Error = Invalid;

    fn try_from(text: String) -> Result<Self, Invalid> {
        text.parse()
    }
}

impl From<Timestamp> for String {
    fn from(timestamp: Timestamp) -> Self {
        timestamp.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_prints_milliseconds_in_utc_and_reads_any_offset() {
        let time: Timestamp = "2026-11-24T11:00:00.5+01:00".parse().unwrap();
        assert_eq!(
            (time.to_string().as_str(), time.date().as_str()),
            ("2026-11-24T10:00:00.500Z", "2026-11-24")
        );
        assert_eq!(Timestamp::from_millis(0).to_string(), "1970-01-01T00:00:00.000Z");
    }

    #[test]
    fn adding_a_duration_and_measuring_it_agree() {
        let start = Timestamp::from_millis(1_000);
        let later = start.plus(Duration::from_secs(90));
        assert_eq!(later.since(start), Duration::from_secs(90));
        assert_eq!(start.since(later), Duration::ZERO);
        assert_eq!(Timestamp::from_millis(i64::MAX).plus(Duration::MAX), Timestamp::from_millis(i64::MAX));
    }
}
