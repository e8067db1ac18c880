//! Percentiles of measured durations.

use std::time::Duration;

/// Sorted durations.
pub(crate) struct Percentiles(Vec<Duration>);

impl Percentiles {
    /// Sorts durations.
    pub(crate) fn of(mut durations: Vec<Duration>) -> Self {
        durations.sort_unstable();
        Self(durations)
    }

    /// Returns the shortest duration that at least `percent` percent of all do not exceed (the nearest rank), or
    /// `None` if there are no durations.
    pub(crate) fn at(&self, percent: usize) -> Option<Duration> {
        let rank = (percent * self.0.len()).div_ceil(100).max(1);
        self.0.get(rank - 1).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_percentile_is_the_nearest_rank() {
        let check = |count: u64, percent: usize, expected: Option<u64>| {
            // The longest first: the order of the input does not matter.
            let durations = (1..=count).rev().map(Duration::from_millis).collect();
            assert_eq!(Percentiles::of(durations).at(percent), expected.map(Duration::from_millis));
        };
        check(0, 50, None);
        check(1, 50, Some(1));
        check(1, 99, Some(1));
        check(10, 50, Some(5));
        check(10, 90, Some(9));
        check(10, 99, Some(10));
        check(50, 99, Some(50));
        check(200, 99, Some(198));
        check(100, 100, Some(100));
    }
}
