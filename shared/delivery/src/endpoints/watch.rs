//! Recent attempts at endpoints, as far as this process has seen them.

use std::num::NonZeroUsize;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use lru::LruCache;
use posthorn_domain::{Attempt, AttemptError, Endpoint, EndpointId, HealthState, Timestamp};

use crate::endpoints::verdict::{Finding, Verdict};
use crate::sending::Answer;

/// The number of endpoints kept in memory; the least recently used are evicted.
const MAX_ENDPOINTS: NonZeroUsize = NonZeroUsize::new(10_000).expect("it is not zero");
/// The time limit of a first attempt at an unknown endpoint, and the longest of all, because others wait for its place.
const PATIENCE: Duration = Duration::from_secs(1);
/// The shortest time limit of a first attempt, however quick the endpoint has been.
const LEAST_PATIENCE: Duration = Duration::from_millis(200);
/// The time limit as a multiple of the longest recent answer. It can be this close, because an endpoint that is cut short
/// without cause soon answers another attempt, and that corrects it.
const TIMES_THE_LONGEST: f64 = 1.5;
/// The number of answers from which on the longest of them counts.
const TELLING_SAMPLES: u32 = 50;
/// How long the longest answer is remembered at least; at most it is twice as long.
const MEMORY: Duration = Duration::from_hours(1);
/// How long fan-out avoids an endpoint that was too slow or overloaded.
const AVOIDANCE: Duration = Duration::from_secs(30);
/// The longest that fan-out avoids an endpoint because of `Retry-After`.
const LONGEST_AVOIDANCE: Duration = Duration::from_mins(15);
/// How long the same change of health is not asked for again: attempts that end meanwhile began before it was written.
const SETTLING: Duration = Duration::from_secs(5);

/// What this process has recently seen of each endpoint.
pub(crate) struct Watch(Mutex<LruCache<EndpointId, Recent>>);

/// One endpoint's recent history.
#[derive(Debug, Clone, Default)]
pub(super) struct Recent {
    pub(super) run: Run,
    pub(super) samples: u32,
    /// The moving average of answer times; each new one counts for a quarter.
    pub(super) latency: Duration,
    longest: Option<Longest>,
    avoid_until: Option<Timestamp>,
    /// When a first attempt was cut short here, if nothing was acknowledged since.
    cut_short_at: Option<Timestamp>,
    wait_until: Option<Timestamp>,
    /// The last verdict, and when it was returned.
    last: Option<(Verdict, Timestamp)>,
}

/// Failures in a row.
#[derive(Debug, Clone, Copy)]
pub(super) struct Run {
    pub(super) failures: u32,
    /// The sum of the failures' [weights](Attempt::weight).
    pub(super) weight: u32,
    /// When the first of them began.
    pub(super) since: Timestamp,
}

impl Default for Run {
    fn default() -> Self {
        Self { failures: 0, weight: 0, since: Timestamp::from_millis(i64::MAX) }
    }
}

impl Run {
    fn and(self, failed: &Attempt) -> Self {
        Self {
            failures: self.failures.saturating_add(1),
            weight: self.weight.saturating_add(failed.weight()),
            since: self.since.min(failed.at),
        }
    }
}

/// The longest answer time, in this hour and in the one before.
#[derive(Debug, Clone, Copy)]
struct Longest {
    /// When this hour began.
    since: Timestamp,
    now: Duration,
    before: Duration,
}

impl Longest {
    /// Starts with an answer that has no recent ones before it.
    fn first(needed: Duration, at: Timestamp) -> Self {
        Self { since: at, now: needed, before: Duration::ZERO }
    }

    /// Adds an answer that took this long.
    fn and(self, needed: Duration, at: Timestamp) -> Self {
        match at.since(self.since) {
            age if age < MEMORY => Self { now: self.now.max(needed), ..self },
            age if age < 2 * MEMORY => Self { since: at, now: needed, before: self.now },
            _ => Self::first(needed, at),
        }
    }
}

impl Default for Watch {
    fn default() -> Self {
        Self(Mutex::new(LruCache::new(MAX_ENDPOINTS)))
    }
}

impl Watch {
    /// Returns whether a first attempt with its short time limit is worth making: the endpoint is healthy or unproven,
    /// and not avoided.
    pub(crate) fn is_worth_a_second(&self, endpoint: &Endpoint, now: Timestamp) -> bool {
        endpoint.health.state.is_well() && !self.is_avoided(endpoint.id, now)
    }

    /// Returns the endpoint's usual latency; `None` if this process has seen no answer.
    pub(crate) fn usual_latency(&self, id: EndpointId) -> Option<Duration> {
        self.lock().get(&id).filter(|recent| recent.samples > 0).map(|recent| recent.latency)
    }

    /// Returns the time limit of a first attempt: one and a half times the longest answer of the last hour, between 200 ms
    /// and a second. So an attempt at an endpoint that begins to hang soon frees its place. An endpoint that only paused gets
    /// one event twice, and only once: an attempt that was cut short is remembered as an answer after a second.
    pub(crate) fn patience(&self, id: EndpointId) -> Duration {
        let all = self.lock();
        let known = all.peek(&id).filter(|recent| recent.samples >= TELLING_SAMPLES);
        let longest = known.and_then(|recent| recent.longest);
        longest.map_or(PATIENCE, |longest| {
            longest.now.max(longest.before).mul_f64(TIMES_THE_LONGEST).clamp(LEAST_PATIENCE, PATIENCE)
        })
    }

    /// Returns whether this process has cut a first attempt at the endpoint short in the last 30 seconds, or at any time if
    /// the endpoint is still unproven, and the endpoint has acknowledged nothing since. The process itself may have been
    /// slow, so the next ones go to the first attempts queue, not to the deliveries queue. An unproven endpoint has to
    /// prove itself there: if hundreds of new ones hang, each takes a place in fan-out once.
    pub(crate) fn was_cut_short(&self, endpoint: &Endpoint, now: Timestamp) -> bool {
        let is_unproven = endpoint.health.state == HealthState::Unproven;
        let cut_short_at = self.lock().peek(&endpoint.id).and_then(|recent| recent.cut_short_at);
        cut_short_at.is_some_and(|at| is_unproven || at.plus(AVOIDANCE) > now)
    }

    fn is_avoided(&self, id: EndpointId, now: Timestamp) -> bool {
        self.lock().get(&id).and_then(|recent| recent.avoid_until).is_some_and(|until| until > now)
    }

    /// Notes that the endpoint has acknowledged something to another process.
    pub(crate) fn acknowledged(&self, id: EndpointId) {
        if let Some(recent) = self.lock().peek_mut(&id) {
            recent.run = Run::default();
        }
    }

    /// Returns until when the endpoint has asked to wait, at most 15 minutes ahead; `None` if it has not.
    pub(crate) fn asked_to_wait_until(&self, id: EndpointId, now: Timestamp) -> Option<Timestamp> {
        self.lock().get(&id).and_then(|recent| recent.wait_until).filter(|until| *until > now)
    }

    /// Notes an attempt, and returns what follows from it for an endpoint of this health.
    pub(crate) fn observe(
        &self,
        endpoint: &Endpoint,
        found: &Finding,
        answer: &Answer,
        now: Timestamp,
    ) -> Option<Verdict> {
        let mut all = self.lock();
        let recent = all.get_or_insert_mut(endpoint.id, Recent::default);
        // Another process has seen it recover.
        if endpoint.health.state.is_well() && endpoint.health.since > recent.run.since {
            recent.run = Run::default();
        }
        recent.take_note(answer, now);
        let verdict = recent.verdict(endpoint, found, now)?;
        let settling = |(last, at): &(Verdict, Timestamp)| last.is_like(verdict) && now.since(*at) < SETTLING;
        if recent.last.as_ref().is_some_and(settling) {
            return None;
        }
        recent.last = Some((verdict, now));
        Some(verdict)
    }

    /// Returns what follows from an attempt that was noted before, if the endpoint's health turns out to be this one.
    /// Returns `None` if that health is more recent than the attempt.
    pub(crate) fn judge(&self, endpoint: &Endpoint, found: &Finding, now: Timestamp) -> Option<Verdict> {
        let is_later = endpoint.health.since > found.attempt.at;
        self.lock().get(&endpoint.id).filter(|_| !is_later)?.verdict(endpoint, found, now)
    }

    fn lock(&self) -> MutexGuard<'_, LruCache<EndpointId, Recent>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Recent {
    fn take_note(&mut self, answer: &Answer, now: Timestamp) {
        let attempt = &answer.attempt;
        let answered = attempt.code.is_some();
        let timed_out = matches!(attempt.error, Some(AttemptError::Timeout | AttemptError::Slow));
        if answered || timed_out {
            // A body that does not end does not make an endpoint slow: it has acknowledged by then.
            let latency = answer.latency.unwrap_or(attempt.duration);
            self.latency = if self.samples == 0 { latency } else { (self.latency * 3 + latency) / 4 };
            self.samples = self.samples.saturating_add(1);
            let needed = if timed_out { PATIENCE } else { latency };
            let with_this = |longest: Longest| longest.and(needed, now);
            self.longest = Some(self.longest.map_or_else(|| Longest::first(needed, now), with_this));
        }
        // An attempt that was cut short is not a failure: the next one may well succeed.
        match attempt.error {
            Some(AttemptError::Slow) => {}
            _ if attempt.succeeded() => {
                self.run = Run::default();
                self.cut_short_at = None;
            }
            _ => self.run = self.run.and(attempt),
        }
        if attempt.error == Some(AttemptError::Slow) {
            self.cut_short_at = Some(now);
        } else if timed_out || matches!(attempt.code, Some(429 | 502 | 503 | 504)) {
            let asked = answer.retry_after.map(|asked| asked.min(LONGEST_AVOIDANCE));
            self.avoid_until = Some(now.plus(asked.unwrap_or_default().max(AVOIDANCE)));
            self.wait_until = asked.map(|asked| now.plus(asked));
        }
    }
}

#[cfg(test)]
mod tests {
    use posthorn_domain::{Delivery, DisabledReason, FailedOn, Failure, Health, Hold};

    use super::*;
    use crate::sending::answers;

    const HOUR: i64 = 3_600_000;
    const DOWN: Failure = Failure { code: Some(500), error: None };

    fn endpoint(state: HealthState, since: i64, warned: bool) -> Endpoint {
        let health = Health { warned, ..Health::new(state, Timestamp::from_millis(since)) };
        Endpoint { health, ..answers::endpoint("https://a.example") }
    }

    fn answer(at: i64, millis: u64, code: Option<u16>, error: Option<AttemptError>) -> Answer {
        let (at, duration) = (Timestamp::from_millis(at), Duration::from_millis(millis));
        let attempt = Attempt { duration, code, error, ..Attempt::begun(at) };
        Answer { attempt, body: String::new(), latency: None, retry_after: None }
    }

    fn ok(at: i64, millis: u64) -> Answer {
        answer(at, millis, Some(200), None)
    }

    fn failed(at: i64) -> Answer {
        answer(at, 10, Some(500), None)
    }

    /// Returns what follows from one more attempt of a delivery with this many failures.
    fn observe(watch: &Watch, endpoint: &Endpoint, failures: usize, answer: &Answer) -> Option<Verdict> {
        let mut delivery = Delivery::due(endpoint.id, endpoint.created_at);
        delivery.attempts = vec![failed(0).attempt; failures];
        watch.observe(endpoint, &Finding::of(answer.attempt, &delivery), answer, answer.attempt.at)
    }

    fn health(state: HealthState, since: i64) -> Verdict {
        Verdict::Health(Health::new(state, Timestamp::from_millis(since)))
    }

    #[test]
    fn the_first_success_proves_an_endpoint_and_writes_once() {
        let (watch, endpoint) = (Watch::default(), endpoint(HealthState::Unproven, 0, false));
        assert_eq!(observe(&watch, &endpoint, 0, &ok(10, 5)), Some(health(HealthState::Healthy, 10)));
        assert_eq!(observe(&watch, &endpoint, 0, &ok(20, 5)), None);
        assert_eq!(observe(&watch, &endpoint, 0, &ok(5_010, 5)), Some(health(HealthState::Healthy, 5_010)));
    }

    #[test]
    fn a_healthy_endpoint_writes_nothing_and_single_failures_change_nothing() {
        let (watch, endpoint) = (Watch::default(), endpoint(HealthState::Healthy, 0, false));
        for at in 0..1_000 {
            let answer = if at % 5 == 4 { ok(at, 100) } else { failed(at) };
            assert_eq!(observe(&watch, &endpoint, 0, &answer), None, "{at}");
        }
        assert!(watch.is_worth_a_second(&endpoint, Timestamp::from_millis(1_000)));
    }

    #[test]
    fn five_failures_in_a_row_or_a_third_attempt_make_it_failing() {
        let (watch, healthy) = (Watch::default(), endpoint(HealthState::Healthy, 0, false));
        for at in 0..4 {
            assert_eq!(observe(&watch, &healthy, 0, &failed(at)), None);
        }
        assert_eq!(observe(&watch, &healthy, 0, &failed(4)), Some(health(HealthState::Failing, 4)));
        assert_eq!(observe(&Watch::default(), &healthy, 1, &failed(7)), None);
        assert_eq!(
            observe(&Watch::default(), &healthy, 2, &failed(7)),
            Some(health(HealthState::Failing, 7))
        );
    }

    #[test]
    fn one_success_ends_ten_seconds_of_failing_and_none_ends_less() {
        let (watch, failing) = (Watch::default(), endpoint(HealthState::Failing, 4, true));
        for at in [5, 6, 7, 10_003] {
            assert_eq!(observe(&watch, &failing, 0, &ok(at, 10)), None, "{at}");
        }
        let verdict = observe(&watch, &failing, 0, &ok(10_004, 10));
        assert_eq!(verdict, Some(health(HealthState::Healthy, 10_004)));
    }

    #[test]
    fn what_an_attempt_tells_is_judged_by_the_health_that_there_turns_out_to_be() {
        let watch = Watch::default();
        let healthy = endpoint(HealthState::Healthy, 0, false);
        let (found, answer) = (Finding { attempt: ok(20_000, 10).attempt, failures: 0 }, ok(20_000, 10));
        assert_eq!(watch.judge(&healthy, &found, answer.attempt.at), None, "it was not noted");
        assert_eq!(watch.observe(&healthy, &found, &answer, answer.attempt.at), None);
        let judged =
            |since| watch.judge(&endpoint(HealthState::Failing, since, true), &found, answer.attempt.at);
        assert_eq!(judged(10_000), Some(health(HealthState::Healthy, 20_000)));
        assert_eq!(judged(20_001), None, "it began to fail later");
    }

    #[test]
    fn a_first_attempt_may_take_half_as_long_again_as_any_lately_and_a_second_at_most() {
        let healthy = endpoint(HealthState::Healthy, 0, false);
        let check = |answers: &[Answer], millis: u64| {
            let watch = Watch::default();
            for at in 0..50 {
                assert_eq!(watch.patience(healthy.id), PATIENCE, "after {at} answers");
                observe(&watch, &healthy, 0, &ok(at, 10));
            }
            for answer in answers {
                observe(&watch, &healthy, 0, answer);
            }
            assert_eq!(watch.patience(healthy.id), Duration::from_millis(millis), "{answers:?}");
        };
        let cut = |at| answer(at, 200, None, Some(AttemptError::Slow));
        check(&[], 200);
        check(&[ok(60, 200), ok(70, 20)], 300);
        check(&[ok(60, 600)], 900);
        check(&[ok(60, 700)], 1_000);
        check(&[cut(60), ok(70, 10)], 1_000);
        check(&[cut(60), ok(70 + HOUR, 120)], 1_000);
        check(&[cut(60), ok(70 + HOUR, 120), ok(80 + 2 * HOUR, 50)], 200);
        check(&[cut(60), ok(70 + 2 * HOUR, 180)], 270);
        check(&[failed(60)], 200);
    }

    #[test]
    fn overload_and_slowness_keep_fan_out_away_for_a_while() {
        let healthy = endpoint(HealthState::Healthy, 0, false);
        let check = |answer: &Answer, until: Option<i64>| {
            let watch = Watch::default();
            observe(&watch, &healthy, 0, answer);
            let avoided = watch.lock().get(&healthy.id).unwrap().avoid_until;
            assert_eq!(avoided.map(Timestamp::as_millis), until, "{answer:?}");
            let is_worth_a_second = |at| watch.is_worth_a_second(&healthy, Timestamp::from_millis(at));
            assert_eq!((is_worth_a_second(0), is_worth_a_second(1_000_000)), (until.is_none(), true));
            let asked = watch.asked_to_wait_until(healthy.id, Timestamp::from_millis(0));
            assert_eq!(asked.is_some(), answer.retry_after.is_some(), "{answer:?}");
        };
        for code in [429, 502, 503, 504] {
            check(&answer(0, 10, Some(code), None), Some(30_000));
        }
        for code in [200, 400, 404, 500] {
            check(&answer(0, 10, Some(code), None), None);
        }
        check(&answer(0, 1_000, None, Some(AttemptError::Slow)), None);
        check(&answer(0, 15_000, None, Some(AttemptError::Timeout)), Some(30_000));
        check(&answer(0, 1, None, Some(AttemptError::Connection)), None);
        let asked = |seconds| Answer {
            retry_after: Some(Duration::from_secs(seconds)),
            ..answer(0, 10, Some(429), None)
        };
        check(&asked(60), Some(60_000));
        check(&asked(86_400), Some(900_000));
    }

    #[test]
    fn an_endpoint_that_was_cut_short_is_left_to_another_function_for_a_while() {
        let (watch, healthy) = (Watch::default(), endpoint(HealthState::Healthy, 0, false));
        observe(&watch, &healthy, 0, &answer(0, 1_000, None, Some(AttemptError::Slow)));
        let was_cut_short = |at| watch.was_cut_short(&healthy, Timestamp::from_millis(at));
        assert_eq!([0, 29_999, 30_000].map(was_cut_short), [true, true, false]);
        let unproven = endpoint(HealthState::Unproven, 0, false);
        let unproven = Endpoint { id: healthy.id, ..unproven };
        assert!(watch.was_cut_short(&unproven, Timestamp::from_millis(HOUR)), "it has proved nothing since");
        observe(&watch, &healthy, 0, &ok(10, 900));
        assert!(!was_cut_short(10), "it was not the endpoint that hung");
    }

    #[test]
    fn an_endpoint_that_usually_takes_more_than_a_second_is_slow_until_it_is_quick_again() {
        let (watch, healthy) = (Watch::default(), endpoint(HealthState::Healthy, 0, false));
        assert_eq!(observe(&watch, &healthy, 0, &ok(0, 3_000)), None);
        assert_eq!(observe(&watch, &healthy, 0, &ok(1, 3_000)), None);
        assert_eq!(observe(&watch, &healthy, 0, &ok(2, 3_000)), Some(health(HealthState::Slow, 2)));
        let slow = endpoint(HealthState::Slow, 2, false);
        let back = (3..20).find_map(|at| observe(&watch, &slow, 0, &ok(at, 50)));
        assert!(
            matches!(back, Some(Verdict::Health(Health { state: HealthState::Healthy, .. }))),
            "{back:?}"
        );
    }

    #[test]
    fn a_day_of_failures_warns_once_and_five_days_with_failures_on_three_of_them_disable() {
        // Checks what follows a failure at an hour, after failures on `days` days, the last one `ago` hours earlier.
        let check = |hours: i64, days: u32, ago: i64, warned: bool, verdict: Option<&str>| {
            let mut failing = endpoint(HealthState::Failing, 0, warned);
            failing.health.failed_on = FailedOn { days, last: (hours - ago) / 24 };
            let found =
                observe(&Watch::default(), &failing, 0, &failed(hours * HOUR)).map(|found| match found {
                    Verdict::Warn(health) => format!("warn, {} days", health.failed_on.days),
                    Verdict::Disable(reason) => reason.as_str().to_owned(),
                    Verdict::Hold(..) => "hold".to_owned(),
                    Verdict::Health(health) => {
                        format!("{} days since {}", health.failed_on.days, health.since.as_millis() / HOUR)
                    }
                });
            assert_eq!(found.as_deref(), verdict, "{hours} h, {days} days");
        };
        check(23, 1, 1, false, None);
        check(24, 1, 24, false, Some("warn, 2 days"));
        check(24, 1, 24, true, Some("2 days since 0"));
        check(25, 2, 1, true, None);
        check(119, 4, 24, true, Some("5 days since 0"));
        check(119, 5, 1, true, None);
        check(120, 2, 24, true, Some("failing"));
        check(120, 3, 24, false, Some("failing"));
        check(120, 1, 72, true, Some("2 days since 0"));
        check(24 * 30, 1, 24 * 30, true, Some("1 days since 720"));
        check(24 * 30, 3, 24 * 28, true, Some("2 days since 0"));
        check(24 * 31, 2, 24, true, Some("failing"));
    }

    #[test]
    fn twenty_failures_in_a_row_over_a_minute_hold_an_endpoint_and_a_success_in_between_does_not() {
        let failing = endpoint(HealthState::Failing, 0, true);
        let held = Endpoint { hold: Hold::of_down(None, DOWN, Timestamp::from_millis(0)), ..failing.clone() };
        // Returns after how many attempts, one each this many milliseconds, the endpoint is held.
        let held_after = |endpoint: &Endpoint, every: i64, attempt: &dyn Fn(i64) -> Answer| {
            let watch = Watch::default();
            let is_held = |number: &i64| {
                let answer = attempt(number * every);
                matches!(observe(&watch, endpoint, 0, &answer), Some(Verdict::Hold(..)))
            };
            (1..2_000).find(is_held)
        };
        let fails = |at| failed(at);
        let timed_out = |at| answer(at, 15_000, None, Some(AttemptError::Timeout));
        assert_eq!(held_after(&failing, 4_000, &fails), Some(20));
        assert_eq!(held_after(&failing, 1_000, &fails), Some(61), "a minute after the first");
        assert_eq!(held_after(&failing, 10, &fails), Some(1_001), "if there are many, ten seconds after it");
        assert_eq!(held_after(&failing, 20_000, &timed_out), Some(5), "a timeout counts for four");
        assert_eq!(held_after(&held, 4_000, &fails), None, "it is held already");
        let refused = |at| answer(at, 10, Some(400), None);
        assert_eq!(held_after(&failing, 10_000, &refused), Some(361), "an hour after the first");
        let flapping = |at| if at % 76_000 == 0 { ok(at, 10) } else { failed(at) };
        assert_eq!(held_after(&failing, 4_000, &flapping), None);
        let cut_short = |at| answer(at, 1_000, None, Some(AttemptError::Slow));
        assert_eq!(held_after(&failing, 4_000, &cut_short), None);
    }

    #[test]
    fn gone_disables_at_once() {
        let gone = answer(0, 10, Some(410), None);
        for state in [HealthState::Healthy, HealthState::Unproven, HealthState::Slow, HealthState::Failing] {
            let verdict = observe(&Watch::default(), &endpoint(state, 0, false), 0, &gone);
            assert_eq!(verdict, Some(Verdict::Disable(DisabledReason::Gone)));
        }
    }
}
