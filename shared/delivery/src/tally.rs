//! Metrics for operators.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use posthorn_domain::Random;
use strum::{IntoStaticStr, VariantArray};

/// A count or measurement of all accounts, endpoints and event types together, so that its cost does not grow with
/// their number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, IntoStaticStr, VariantArray)]
pub enum Metric {
    /// Events fanned out.
    Events,
    /// Attempts made.
    Attempts,
    /// Attempts that failed, except those that were cut short.
    Failures,
    /// The time from an event's acceptance to the beginning of the first attempt of one of its deliveries.
    FirstAttemptLatency,
    /// Deliveries that were held instead of attempted.
    DeliveriesHeld,
    /// Endpoints whose deliveries are held from now on, because they are down.
    EndpointsHeld,
    /// Endpoints that were down, and work again.
    EndpointsReleased,
    /// Endpoints disabled because they are gone or have failed for days.
    EndpointsDisabled,
    /// Retries sent from the due table to the deliveries queue.
    RetriesSwept,
    /// How far the sweep is behind; 0 if it is not.
    SweepLag,
    /// Retries put into the due table.
    RetriesPutOff,
    /// Rows of the due table that cannot be read, or whose message SQS refuses for good. They stay in the table.
    RetriesPassedOver,
    /// Chains of messages, each sent by the function that received the one before, that were ended by their limit:
    /// recoveries that stopped, and first attempts made although their endpoint still asked to wait.
    ChainsStopped,
}

impl Metric {
    /// All metrics.
    pub const ALL: &[Self] = Self::VARIANTS;

    /// Returns the metric's name.
    pub fn name(self) -> &'static str {
        self.into()
    }

    /// Returns the metric's unit, as CloudWatch names it.
    pub fn unit(self) -> &'static str {
        match self {
            Self::FirstAttemptLatency => "Milliseconds",
            Self::SweepLag => "Seconds",
            _ => "Count",
        }
    }
}

/// The value of a metric.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reading {
    /// A count, or the latest value.
    Number(u64),
    /// Single values, for percentiles: all of them, or [`Tally::MOST_VALUES`] drawn at random.
    Values(Vec<u64>),
}

/// What a function has counted since it was last [taken](Tally::take). It does not grow, so nobody has to take it.
pub struct Tally {
    counts: Mutex<Counts>,
    random: Arc<dyn Random>,
}

#[derive(Default)]
struct Counts {
    numbers: BTreeMap<Metric, u64>,
    samples: BTreeMap<Metric, Sample>,
}

/// Some of the values of a metric, and the number of all values.
#[derive(Default)]
struct Sample {
    values: Vec<u64>,
    seen: u64,
}

impl Tally {
    /// The most single values kept of a metric: CloudWatch takes no more at a time.
    pub const MOST_VALUES: usize = 100;

    /// Returns an empty tally. If there are too many values, `random` draws those that are kept.
    pub fn new(random: Arc<dyn Random>) -> Self {
        Self { counts: Mutex::default(), random }
    }

    /// Adds to a count. Adding zero does not create an entry.
    pub fn add(&self, metric: Metric, more: u64) {
        if more > 0 {
            *self.lock().numbers.entry(metric).or_default() += more;
        }
    }

    /// Sets the present value in place of the last one. Zero is reported, too.
    pub fn set(&self, metric: Metric, value: u64) {
        self.lock().numbers.insert(metric, value);
    }

    /// Adds a single value. If there are too many, each has the same chance of being kept.
    pub fn note(&self, metric: Metric, value: u64) {
        let mut counts = self.lock();
        let Sample { values, seen } = counts.samples.entry(metric).or_default();
        *seen += 1;
        if values.len() < Self::MOST_VALUES {
            values.push(value);
            return;
        }
        let place = usize::try_from(self.random.bits() % *seen).unwrap_or(usize::MAX);
        if let Some(kept) = values.get_mut(place) {
            *kept = value;
        }
    }

    /// Returns all values, and resets the tally.
    pub fn take(&self) -> BTreeMap<Metric, Reading> {
        let Counts { numbers, samples } = std::mem::take(&mut *self.lock());
        let numbers = numbers.into_iter().map(|(metric, number)| (metric, Reading::Number(number)));
        let samples = samples.into_iter().map(|(metric, sample)| (metric, Reading::Values(sample.values)));
        numbers.chain(samples).collect()
    }

    fn lock(&self) -> MutexGuard<'_, Counts> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use posthorn_domain::testing::Seeded;

    use super::*;

    fn tally() -> Tally {
        Tally::new(Arc::new(Seeded::new(1)))
    }

    #[test]
    fn what_is_taken_is_told_once() {
        let tally = tally();
        tally.add(Metric::Events, 2);
        tally.add(Metric::Events, 3);
        tally.add(Metric::Failures, 0);
        tally.set(Metric::SweepLag, 60);
        tally.set(Metric::SweepLag, 0);
        tally.note(Metric::FirstAttemptLatency, 8);
        tally.note(Metric::FirstAttemptLatency, 7);
        let told = [
            (Metric::Events, Reading::Number(5)),
            (Metric::FirstAttemptLatency, Reading::Values(vec![8, 7])),
            (Metric::SweepLag, Reading::Number(0)),
        ];
        assert_eq!(tally.take(), BTreeMap::from(told));
        assert_eq!(tally.take(), BTreeMap::new());
    }

    #[test]
    fn of_many_values_a_hundred_from_everywhere_are_kept() {
        let tally = tally();
        for value in 0..1_000 {
            tally.note(Metric::FirstAttemptLatency, value);
        }
        let taken = tally.take();
        let Some(Reading::Values(mut values)) = taken.get(&Metric::FirstAttemptLatency).cloned() else {
            panic!("they are single values: {taken:?}")
        };
        values.sort_unstable();
        values.dedup();
        assert_eq!(values.len(), Tally::MOST_VALUES);
        let late = values.iter().filter(|value| **value >= 500).count();
        assert!((30..=70).contains(&late), "half of them should be of the second half, not {late}");
        tally.note(Metric::FirstAttemptLatency, 1);
        let alone = (Metric::FirstAttemptLatency, Reading::Values(vec![1]));
        assert_eq!(tally.take(), BTreeMap::from([alone]), "the next hundred are counted anew");
    }

    #[test]
    fn names_are_told_apart() {
        let names: std::collections::BTreeSet<_> = Metric::ALL.iter().copied().map(Metric::name).collect();
        assert_eq!(names.len(), Metric::ALL.len());
    }
}
