//! How long to put off a first attempt at an endpoint that has asked to wait (`Retry-After`).

use std::time::Duration;

use posthorn_domain::Timestamp;

/// How long after it was due a first attempt may be put off once more. After that it is made even if the endpoint still
/// asks to wait: its answer is then on record, and the retry schedule takes over, which also respects `Retry-After`.
const LONGEST: Duration = Duration::from_hours(3);
/// Each wait is at least a quarter of the time that the attempt has been put off already. So waits that are short at
/// first grow, and about fifty of them take three hours. The limit in time thus limits the number of messages, too, and
/// no message needs a count.
const SHARE: u32 = 4;

/// A first attempt that is about to be made.
#[derive(Debug, Clone, Copy)]
pub(crate) struct FirstAttempt {
    /// When it was due.
    pub(crate) due: Timestamp,
    /// When the message that now asks for it was sent. The time that this message has waited in its queue does not
    /// count, because nobody has put the attempt off meanwhile.
    pub(crate) sent_at: Timestamp,
}

impl FirstAttempt {
    /// Returns how long to wait from `now`, as the endpoint asks to wait until `until`; `None` if the attempt has been
    /// put off for long enough. `chance`, from 0 to 1, spreads the waits, so that not all attempts come when the
    /// endpoint has just recovered.
    pub(crate) fn put_off(self, until: Timestamp, now: Timestamp, chance: f64) -> Option<Duration> {
        if self.sent_at.since(self.due) >= LONGEST {
            return None;
        }
        let asked = until.since(now).mul_f64(1.0 + chance);
        Some(asked.max(self.sent_at.since(self.due) / SHARE))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const MAX_DELAY: Duration = Duration::from_mins(15);

    /// Returns the delay that SQS allows: whole seconds, at most 15 minutes.
    fn delay(wait: Duration) -> Duration {
        Duration::from_secs(u64::try_from(wait.as_millis().div_ceil(1_000)).unwrap()).min(MAX_DELAY)
    }

    /// Returns the number of messages and the time until the attempt is made, at an endpoint that always asks to wait.
    fn put_off(asks: impl Iterator<Item = Duration>, chance: f64) -> (usize, Duration) {
        let due = Timestamp::from_millis(1_795_514_400_000);
        let (mut sent_at, mut now) = (due, due);
        for (messages, ask) in asks.enumerate() {
            let Some(wait) = (FirstAttempt { due, sent_at }).put_off(now.plus(ask), now, chance) else {
                return (messages, now.since(due));
            };
            assert!(wait >= ask, "it waits as long as it was asked to: {wait:?}");
            sent_at = now;
            now = now.plus(delay(wait));
        }
        panic!("it is put off for ever")
    }

    #[test]
    fn an_attempt_whose_message_has_waited_in_its_queue_is_put_off_all_the_same() {
        let due = Timestamp::from_millis(0);
        let now = due.plus(2 * LONGEST);
        let first = FirstAttempt { due, sent_at: due };
        let second = Duration::from_secs(1);
        assert_eq!(first.put_off(now.plus(second), now, 0.0), Some(second), "no longer than it was asked to");
    }

    proptest! {
        #[test]
        fn however_short_or_long_it_is_asked_to_wait_an_attempt_is_made(
            asks in prop::collection::vec(1_u64..900_000, 1..50),
            chance in 0.0..1.0_f64,
        ) {
            let asks = asks.into_iter().map(Duration::from_millis).cycle();
            let (messages, waited) = put_off(asks.take(1_000), chance);
            prop_assert!(messages <= 50, "{messages} messages");
            prop_assert!((LONGEST..LONGEST + 2 * MAX_DELAY).contains(&waited), "{waited:?}");
        }
    }
}
