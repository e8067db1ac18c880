//! How long to put off a first attempt at an endpoint that has asked to wait (`Retry-After`).

use std::time::Duration;

use posthorn_domain::Timestamp;

/// How long after it was due a first attempt may be put off once more. An endpoint that has asked to wait for longer gets
/// it all the same: its answer is then on record, and the retry schedule takes over, which also does as it asks.
const LONGEST: Duration = Duration::from_hours(3);
/// Each wait is at least a quarter of the time that the attempt has been put off for already: waits that are short at
/// first grow, and about fifty of them are three hours. So the bound in time is one on the number of messages, too, and
/// none of them has to carry a count.
const SHARE: u32 = 4;

/// A first attempt that is about to be made.
#[derive(Debug, Clone, Copy)]
pub(crate) struct FirstAttempt {
    /// When it was due.
    pub(crate) due: Timestamp,
    /// When the message was sent that asks for it now. Time that the message then has waited in its queue counts for
    /// nothing: nobody has put the attempt off meanwhile.
    pub(crate) sent_at: Timestamp,
}

impl FirstAttempt {
    /// How long it waits from `now`, as its endpoint asks to be left alone until `until`; `None` where it has been put
    /// off for long enough. Those that wait are spread by `chance`, from 0 to 1, so that they don't all come when the
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

    /// The time that SQS lets pass: whole seconds, at most 15 minutes.
    fn delay(wait: Duration) -> Duration {
        Duration::from_secs(u64::try_from(wait.as_millis().div_ceil(1_000)).unwrap()).min(MAX_DELAY)
    }

    /// How many messages it takes until the attempt is made, and how long, at an endpoint that always asks to wait.
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
