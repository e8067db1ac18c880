//! Decides what follows an attempt.

use std::time::Duration;

use posthorn_domain::{AttemptError, Delivery, DeliveryStatus, RetrySchedule, Timestamp};

use crate::sending::Answer;

/// How long before its record expires a delivery's last attempt may be due, because its result has to be recorded.
const BEFORE_EXPIRY: Duration = Duration::from_hours(1);

/// Returns the delivery after one more attempt.
///
/// After a failed attempt, the next one is due when the schedule's wait has passed since the end of this one; `chance`,
/// from 0 to 1, gives the wait's jitter. The endpoint may ask for a longer wait, not for a shorter one, and not beyond
/// the expiry of the record at `expires_at`. If the schedule itself reaches that far, the delivery has failed. An
/// attempt that was cut short is made again at once, and uses no step of the schedule. A manual retry does not change
/// the schedule, unless it succeeds.
pub(crate) fn after(
    mut delivery: Delivery,
    answer: Answer,
    schedule: &RetrySchedule,
    expires_at: Option<Timestamp>,
    chance: impl FnOnce() -> f64,
) -> Delivery {
    let attempt = answer.attempt;
    delivery.attempts.push(attempt);
    delivery.last_answer = answer.body;
    let ended = attempt.at.plus(attempt.duration);
    (delivery.status, delivery.next_attempt_at) = if attempt.succeeded() {
        delivery.held_since = None;
        (DeliveryStatus::Succeeded, None)
    } else if attempt.resend.is_some() {
        (delivery.status, delivery.next_attempt_at)
    } else if attempt.error == Some(AttemptError::Slow) {
        (DeliveryStatus::Pending, Some(ended))
    } else {
        let last = expires_at.map(|at| at.minus(BEFORE_EXPIRY));
        let is_possible = |next: &Timestamp| last.is_none_or(|last| *next <= last);
        let next = schedule.wait_after(delivery.failures(), chance()).map(|wait| ended.plus(wait));
        match next.filter(is_possible) {
            Some(next) => {
                let asked = next.max(ended.plus(answer.retry_after.unwrap_or_default()));
                (DeliveryStatus::Pending, Some(last.map_or(asked, |last| asked.min(last))))
            }
            None => (DeliveryStatus::Failed, None),
        }
    };
    delivery
}

/// Returns the recorded delivery with our last attempt added, after another process has recorded an attempt meanwhile.
/// `None` if both attempts are the same step of the schedule.
pub(crate) fn joined(recorded: Delivery, ours: &Delivery) -> Option<Delivery> {
    let attempt = *ours.attempts.last()?;
    if attempt.resend.is_none() && recorded.next_attempt() + 1 != ours.next_attempt() {
        return None;
    }
    let mut delivery = recorded;
    delivery.attempts.push(attempt);
    delivery.last_answer.clone_from(&ours.last_answer);
    // If the delivery was recovered meanwhile, its schedule has restarted, and our attempt no longer counts in it.
    let goes_on = attempt.resend.is_none()
        && delivery.status == DeliveryStatus::Pending
        && delivery.recovered_after == ours.recovered_after;
    if attempt.succeeded() || goes_on {
        (delivery.status, delivery.next_attempt_at) = (ours.status, ours.next_attempt_at);
        delivery.held_since = ours.held_since;
    }
    Some(delivery)
}

/// Returns the delivery as canceled, because its endpoint gets no more events.
pub(crate) fn canceled(mut delivery: Delivery) -> Delivery {
    delivery.status = DeliveryStatus::Canceled;
    delivery.next_attempt_at = None;
    delivery.held_since = None;
    delivery
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use posthorn_domain::{Attempt, Timestamp};
    use proptest::prelude::*;

    use super::*;

    const ENDED: i64 = 1_500;

    fn attempt(code: Option<u16>, error: Option<AttemptError>) -> Attempt {
        let duration = Duration::from_millis(500);
        Attempt { duration, code, error, ..Attempt::begun(Timestamp::from_millis(1_000)) }
    }

    fn decide(before: &[Attempt], answer: Answer, chance: f64) -> Delivery {
        let schedule: RetrySchedule = "10s, 100s".parse().unwrap();
        let endpoint_id = "wh_01JDB5G8Z7M4X3W2V1T0S9R8Q7".parse().unwrap();
        let mut delivery = Delivery::due(endpoint_id, Timestamp::from_millis(0));
        delivery.attempts = before.to_vec();
        after(delivery, answer, &schedule, None, || chance)
    }

    fn check(
        failures_before: usize,
        code: Option<u16>,
        error: Option<AttemptError>,
        retry_after: Option<u64>,
        expected: (DeliveryStatus, Option<i64>),
    ) {
        let before = vec![attempt(Some(500), None); failures_before];
        let retry_after = retry_after.map(Duration::from_secs);
        let answer =
            Answer { attempt: attempt(code, error), body: "why".to_owned(), latency: None, retry_after };
        let delivery = decide(&before, answer, 0.5);
        let next = delivery.next_attempt_at.map(|at| at.as_millis() - ENDED);
        assert_eq!((delivery.status, next), expected, "{failures_before} {code:?} {error:?} {retry_after:?}");
        assert_eq!((delivery.attempts.len(), delivery.last_answer.as_str()), (failures_before + 1, "why"));
    }

    #[test]
    fn only_a_2xx_answer_ends_a_delivery_before_its_attempts_are_used_up() {
        use DeliveryStatus::{Failed, Pending, Succeeded};
        check(0, Some(200), None, None, (Succeeded, None));
        check(0, Some(204), None, None, (Succeeded, None));
        check(2, Some(299), None, None, (Succeeded, None));
        check(0, Some(200), Some(AttemptError::BodyIncomplete), None, (Succeeded, None));
        check(0, Some(500), Some(AttemptError::BodyIncomplete), None, (Pending, Some(10_000)));
        check(0, Some(199), None, None, (Pending, Some(10_000)));
        check(0, Some(301), None, None, (Pending, Some(10_000)));
        check(0, Some(410), None, None, (Pending, Some(10_000)));
        check(0, Some(200), Some(AttemptError::Timeout), None, (Pending, Some(10_000)));
        check(1, Some(500), None, None, (Pending, Some(100_000)));
        check(1, None, Some(AttemptError::Dns), None, (Pending, Some(100_000)));
        check(1, None, Some(AttemptError::Blocked), None, (Pending, Some(100_000)));
        check(2, Some(500), None, None, (Failed, None));
        check(9, None, Some(AttemptError::Connection), None, (Failed, None));
    }

    #[test]
    fn an_endpoint_may_ask_for_a_longer_wait_on_any_failing_status() {
        use DeliveryStatus::{Failed, Pending, Succeeded};
        for code in [307, 400, 404, 429, 500, 503] {
            check(0, Some(code), None, Some(60), (Pending, Some(60_000)));
            check(0, Some(code), None, Some(3), (Pending, Some(10_000)));
            check(2, Some(code), None, Some(60), (Failed, None));
        }
        check(0, Some(200), None, Some(60), (Succeeded, None));
    }

    #[test]
    fn no_attempt_is_due_when_its_record_is_gone() {
        use DeliveryStatus::{Failed, Pending};
        let check = |expires_in: u64, retry_after: u64, expected: (DeliveryStatus, Option<i64>)| {
            let delivery =
                Delivery::due("wh_01JDB5G8Z7M4X3W2V1T0S9R8Q7".parse().unwrap(), Timestamp::from_millis(0));
            let retry_after = Some(Duration::from_secs(retry_after));
            let answer =
                Answer { attempt: attempt(Some(503), None), body: String::new(), latency: None, retry_after };
            let expires_at = Timestamp::from_millis(ENDED).plus(Duration::from_secs(expires_in));
            let delivery = after(delivery, answer, &"10h".parse().unwrap(), Some(expires_at), || 0.5);
            let next = delivery.next_attempt_at.map(|at| (at.as_millis() - ENDED) / 1_000);
            assert_eq!((delivery.status, next), expected, "{expires_in} {retry_after:?}");
        };
        let hour = 3_600;
        check(30 * hour, 0, (Pending, Some(36_000)));
        check(30 * hour, 20 * hour, (Pending, Some(72_000)));
        // The wait is as long as the endpoint asks for, but ends before the record expires.
        check(16 * hour, 20 * hour, (Pending, Some(54_000)));
        check(11 * hour, 0, (Pending, Some(36_000)));
        check(10 * hour, 0, (Failed, None));
        check(10 * hour, 20 * hour, (Failed, None));
    }

    #[test]
    fn an_attempt_cut_short_is_made_again_at_once_and_costs_no_step() {
        let cut = attempt(None, Some(AttemptError::Slow));
        let cut = Answer { attempt: cut, body: String::new(), latency: None, retry_after: None };
        let delivery = decide(&[], cut.clone(), 0.5);
        assert_eq!(delivery.next_attempt_at.map(Timestamp::as_millis), Some(ENDED));
        let failed = Answer {
            attempt: attempt(Some(500), None),
            body: String::new(),
            latency: None,
            retry_after: None,
        };
        let delivery = decide(&[cut.attempt], failed, 0.5);
        assert_eq!(delivery.next_attempt_at.map(Timestamp::as_millis), Some(ENDED + 10_000));
        assert_eq!(delivery.next_attempt(), 3);
    }

    #[test]
    fn a_failure_of_before_a_recovery_leaves_the_recoverys_schedule_and_a_success_ends_it() {
        let due = Timestamp::from_millis(ENDED + 60_000);
        let before = decide(&[], answered(500), 0.5);
        let recovered = before.recovered(due);
        for (code, expected) in
            [(500, (DeliveryStatus::Pending, Some(due))), (200, (DeliveryStatus::Succeeded, None))]
        {
            let ours = after(before.clone(), answered(code), &"10s".parse().unwrap(), None, || 0.5);
            let joined = joined(recovered.clone(), &ours).unwrap();
            assert_eq!((joined.status, joined.next_attempt_at), expected, "{code}");
            assert_eq!((joined.attempts.len(), joined.recovered_after), (2, 1), "{code}");
        }
    }

    fn answered(code: u16) -> Answer {
        Answer { attempt: attempt(Some(code), None), body: String::new(), latency: None, retry_after: None }
    }

    proptest! {
        #[test]
        fn jitter_moves_a_wait_by_at_most_a_fifth(chance in 0.0..1.0_f64) {
            let failed = Answer { attempt: attempt(Some(500), None), body: String::new(), latency: None, retry_after: None };
            let next = decide(&[], failed, chance).next_attempt_at.unwrap().as_millis() - ENDED;
            prop_assert!((8_000..=12_000).contains(&next), "{next}");
        }
    }
}
