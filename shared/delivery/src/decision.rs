//! What follows an attempt.

use posthorn_domain::{Attempt, Delivery, DeliveryStatus, RetrySchedule};

use crate::sender::Answer;

/// The delivery after one more attempt at it. A failed attempt is followed by another when the schedule has a
/// wait left, counted from the end of this one; `chance`, from 0 to 1, is the wait's jitter.
pub(crate) fn after(
    mut delivery: Delivery,
    answer: Answer,
    schedule: &RetrySchedule,
    chance: f64,
) -> Delivery {
    let Attempt { at, duration, .. } = answer.attempt;
    let number = delivery.next_attempt();
    let wait = schedule.wait_after(number, chance);
    delivery.status = match wait {
        _ if answer.attempt.succeeded() => DeliveryStatus::Succeeded,
        Some(_) => DeliveryStatus::Pending,
        None => DeliveryStatus::Failed,
    };
    let pending = delivery.status == DeliveryStatus::Pending;
    delivery.next_attempt_at = wait.filter(|_| pending).map(|wait| at.plus(duration).plus(wait));
    delivery.attempts.push(answer.attempt);
    delivery.last_answer = answer.body;
    delivery
}

/// The delivery of an endpoint that gets nothing more.
pub(crate) fn canceled(mut delivery: Delivery) -> Delivery {
    delivery.status = DeliveryStatus::Canceled;
    delivery.next_attempt_at = None;
    delivery
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use posthorn_domain::{AttemptError, Timestamp};

    use super::*;

    const ENDED: i64 = 1_500;

    fn check(
        attempts_before: usize,
        code: Option<u16>,
        error: Option<AttemptError>,
        expected: (&str, Option<i64>),
    ) {
        let schedule: RetrySchedule = "10s, 100s".parse().unwrap();
        let attempt =
            Attempt { at: Timestamp::from_millis(1_000), duration: Duration::from_millis(500), code, error };
        let endpoint_id = "wh_01JDB5G8Z7M4X3W2V1T0S9R8Q7".parse().unwrap();
        let mut delivery = Delivery::due(endpoint_id, Timestamp::from_millis(0));
        delivery.attempts = vec![attempt; attempts_before];
        let answer = Answer { attempt, body: "why".to_owned() };
        let delivery = after(delivery, answer, &schedule, 0.5);
        let status = format!("{:?}", delivery.status);
        let next = delivery.next_attempt_at.map(|at| at.as_millis() - ENDED);
        assert_eq!((status.as_str(), next), expected, "{attempts_before} {code:?} {error:?}");
        assert_eq!((delivery.attempts.len(), delivery.last_answer.as_str()), (attempts_before + 1, "why"));
    }

    #[test]
    fn only_a_whole_2xx_answer_ends_a_delivery_before_its_attempts_are_used_up() {
        check(0, Some(200), None, ("Succeeded", None));
        check(0, Some(204), None, ("Succeeded", None));
        check(2, Some(299), None, ("Succeeded", None));
        check(0, Some(199), None, ("Pending", Some(10_000)));
        check(0, Some(301), None, ("Pending", Some(10_000)));
        check(0, Some(200), Some(AttemptError::Timeout), ("Pending", Some(10_000)));
        check(1, Some(500), None, ("Pending", Some(100_000)));
        check(1, None, Some(AttemptError::Dns), ("Pending", Some(100_000)));
        check(2, Some(500), None, ("Failed", None));
        check(9, None, Some(AttemptError::Connection), ("Failed", None));
    }
}
