//! When a failed delivery is retried.

use std::str::FromStr;
use std::time::Duration;

use jiff::SignedDuration;

use crate::invalid::Invalid;

/// The waits between the attempts of one delivery. There is one more attempt than there are waits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RetrySchedule(Vec<Duration>);

impl RetrySchedule {
    /// The most waits: all attempts at an event's endpoints, with recoveries and manual retries, have to fit into one
    /// row.
    pub const MAX_WAITS: usize = 30;
    /// The fraction by which a wait is lengthened or shortened, so that many failures at once are not retried at once.
    pub const JITTER: f64 = 0.2;

    /// Returns the wait after the failed attempt with this number (1 for the first), or `None` after the last attempt.
    /// `chance`, from 0 to 1, changes it by up to [`RetrySchedule::JITTER`] either way.
    pub fn wait_after(&self, attempt: u32, chance: f64) -> Option<Duration> {
        let index = usize::try_from(attempt.checked_sub(1)?).ok()?;
        let wait = self.0.get(index)?;
        Some(wait.mul_f64(1.0 - Self::JITTER + 2.0 * Self::JITTER * chance.clamp(0.0, 1.0)))
    }

    /// Returns the longest total of all waits.
    pub fn longest(&self) -> Duration {
        self.0.iter().map(|wait| wait.mul_f64(1.0 + Self::JITTER)).sum()
    }
}

/// Three days in all: 5 s, 5 min, 30 min, 2 h, 5 h, 10 h, 14 h, 20 h, 24 h.
impl Default for RetrySchedule {
    fn default() -> Self {
        let first = [Duration::from_secs(5), Duration::from_mins(5), Duration::from_mins(30)];
        Self(first.into_iter().chain([2, 5, 10, 14, 20, 24].map(Duration::from_hours)).collect())
    }
}

/// Parses waits separated by commas: `5s, 5m, 2h`. Each is at most 24 h, and there are at most
/// [`RetrySchedule::MAX_WAITS`].
impl FromStr for RetrySchedule {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        let malformed = || {
            Invalid::because(format!(
                "must be at most {max} waits of at most 24h each, separated by commas, such as 5s, 5m, 2h, not {text:?}",
                max = Self::MAX_WAITS
            ))
        };
        let wait = |text: &str| {
            let wait: SignedDuration = text.trim().parse().ok()?;
            Duration::try_from(wait).ok().filter(|wait| *wait <= Duration::from_hours(24))
        };
        let waits: Option<Vec<Duration>> = text.split(',').map(wait).collect();
        waits.filter(|waits| waits.len() <= Self::MAX_WAITS).map(Self).ok_or_else(malformed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_is_what_its_text_says() {
        let text = "5s, 5m, 30m, 2h, 5h, 10h, 14h, 20h, 24h";
        assert_eq!(text.parse(), Ok(RetrySchedule::default()));
    }

    #[test]
    fn jitter_moves_a_wait_by_a_fifth_at_most() {
        let schedule: RetrySchedule = "10s,100s".parse().unwrap();
        let check = |attempt, chance, seconds: Option<u64>| {
            assert_eq!(schedule.wait_after(attempt, chance), seconds.map(Duration::from_secs));
        };
        check(1, 0.0, Some(8));
        check(1, 0.5, Some(10));
        check(1, 1.0, Some(12));
        check(2, 0.5, Some(100));
        check(3, 0.5, None);
        check(0, 0.5, None);
    }

    #[test]
    fn jitter_makes_all_waits_a_fifth_longer_at_most() {
        let schedule: RetrySchedule = "10s, 100s".parse().unwrap();
        assert_eq!(schedule.longest(), Duration::from_secs(132));
        assert!(RetrySchedule::default().longest() < Duration::from_hours(4 * 24), "the shortest retention");
    }

    #[test]
    fn malformed_schedules_are_refused() {
        for text in ["", "5", "5s,", "5s;5m", "-5s", "25h", "soon"] {
            assert!(text.parse::<RetrySchedule>().is_err(), "{text}");
        }
        let waits = |number| vec!["5s"; number].join(",").parse::<RetrySchedule>();
        assert!(waits(RetrySchedule::MAX_WAITS).is_ok());
        let error = waits(RetrySchedule::MAX_WAITS + 1).unwrap_err().to_string();
        assert!(error.contains("at most 30 waits"), "{error}");
    }
}
