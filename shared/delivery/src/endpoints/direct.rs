//! Limits which events are sent to an endpoint directly, while it is not known to be slow or failing.
//!
//! An unproven endpoint gets one event directly. Events that follow at once wait for its result, others take the first
//! attempts queue. If a process tries more than 16 unproven endpoints at the same time, further ones have to answer within
//! 250 ms: hundreds that hang from their first event on, as in a provider's outage, would hold its events for a second.
//! An endpoint that has answered gets all events directly, until an attempt is overdue: the endpoint may have begun to
//! hang. Otherwise one attempt for each event would hold a place until the first of them is cut short.

use std::num::NonZeroUsize;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use lru::LruCache;
use posthorn_domain::{Endpoint, EndpointId, HealthState, Timestamp};
use tokio::sync::{Semaphore, SemaphorePermit, watch};
use tokio::time::{Instant, timeout_at};

/// The number of endpoints kept in memory; the least recently used are evicted.
const MAX_ENDPOINTS: NonZeroUsize = NonZeroUsize::new(10_000).expect("it is not zero");
/// How long an attempt may take before it is overdue, unless the endpoint's usual latency allows more.
const OVERDUE: Duration = Duration::from_millis(250);
/// How many times its usual latency an attempt may take before it is overdue.
const TIMES_AS_USUAL: u32 = 4;
/// How many unproven endpoints have the usual time at the same time. Most that work answer within [`OVERDUE`] anyway.
const MAX_LONG_TRIALS: usize = 16;
/// How long after the first event to a new endpoint began others wait for its result. The way through the first attempts
/// queue takes about as long, and does not hold a place in fan-out.
const LONGEST_WAIT: Duration = Duration::from_millis(50);

/// The direct attempts of this process.
pub(crate) struct Direct {
    traffic: Mutex<LruCache<EndpointId, Traffic>>,
    long_trials: Semaphore,
}

/// The direct attempts at one endpoint.
struct Traffic {
    /// When the endpoint was last changed by a client: with another URL, it is unproven again.
    revision: Timestamp,
    /// Whether a direct attempt has succeeded.
    is_proven: bool,
    /// The start times of the attempts under way, oldest first, each with its number.
    under_way: Vec<(u64, Instant)>,
    next_number: u64,
    /// Receives the result of the first attempt, for which others wait until this time.
    trial: Option<(watch::Receiver<Fate>, Instant)>,
}

/// The result of an attempt that others wait for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    Open,
    Succeeded,
}

/// A direct attempt that is under way until this is dropped.
pub(crate) struct Ticket<'d> {
    direct: &'d Direct,
    endpoint_id: EndpointId,
    /// The revision of the endpoint that it was made at.
    revision: Timestamp,
    number: u64,
    /// Sends the result to those that wait. Dropped unsent, it means that the attempt failed.
    waited_for: Option<watch::Sender<Fate>>,
    /// The place of an unproven endpoint that has the usual time.
    long_trial: Option<SemaphorePermit<'d>>,
}

enum Admission<'d> {
    Go(Ticket<'d>),
    Wait(watch::Receiver<Fate>, Instant),
    Detour,
}

impl Default for Direct {
    fn default() -> Self {
        Self {
            traffic: Mutex::new(LruCache::new(MAX_ENDPOINTS)),
            long_trials: Semaphore::new(MAX_LONG_TRIALS),
        }
    }
}

impl Direct {
    /// Admits an attempt, at once or within 50 ms. Returns `None` if the event has to take the first attempts queue.
    /// `usual` is the endpoint's usual latency.
    pub(crate) async fn admit(&self, endpoint: &Endpoint, usual: Option<Duration>) -> Option<Ticket<'_>> {
        let admission = match self.ask(endpoint, usual) {
            Admission::Wait(mut trial, until) => {
                let succeeded = trial.wait_for(|fate| *fate == Fate::Succeeded);
                timeout_at(until, succeeded).await.ok()?.ok()?;
                self.ask(endpoint, usual)
            }
            admission => admission,
        };
        if let Admission::Go(ticket) = admission { Some(ticket) } else { None }
    }

    fn ask(&self, endpoint: &Endpoint, usual: Option<Duration>) -> Admission<'_> {
        let now = Instant::now();
        let mut all = self.lock();
        let traffic = all.get_or_insert_mut(endpoint.id, || Traffic::of(endpoint));
        if traffic.revision != endpoint.updated_at {
            // The numbers continue, so that the end of an attempt at the former URL removes nothing here.
            *traffic = Traffic { next_number: traffic.next_number, ..Traffic::of(endpoint) };
        }
        let mut waited_for = None;
        if endpoint.health.state == HealthState::Unproven && !traffic.is_proven {
            // The sender of a finished attempt is dropped.
            if let Some((trial, until)) =
                traffic.trial.as_ref().filter(|(trial, _)| trial.has_changed().is_ok())
            {
                return Admission::Wait(trial.clone(), *until);
            }
            let (sender, receiver) = watch::channel(Fate::Open);
            traffic.trial = Some((receiver, now + LONGEST_WAIT));
            waited_for = Some(sender);
        } else if traffic.is_overdue(usual, now) {
            return Admission::Detour;
        }
        let number = traffic.next_number;
        traffic.next_number += 1;
        traffic.under_way.push((number, now));
        let (endpoint_id, revision) = (endpoint.id, traffic.revision);
        let long_trial = waited_for.as_ref().and_then(|_| self.long_trials.try_acquire().ok());
        Admission::Go(Ticket { direct: self, endpoint_id, revision, number, waited_for, long_trial })
    }

    fn lock(&self) -> MutexGuard<'_, LruCache<EndpointId, Traffic>> {
        self.traffic.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Traffic {
    fn of(endpoint: &Endpoint) -> Self {
        Self {
            revision: endpoint.updated_at,
            is_proven: false,
            under_way: Vec::new(),
            next_number: 0,
            trial: None,
        }
    }

    fn is_overdue(&self, usual: Option<Duration>, now: Instant) -> bool {
        let longest = usual.map_or(OVERDUE, |usual| OVERDUE.max(usual * TIMES_AS_USUAL));
        self.under_way.first().is_some_and(|(_, began)| now.duration_since(*began) > longest)
    }
}

impl Ticket<'_> {
    /// Returns how long the attempt may take, if that is usually this long.
    pub(crate) fn time(&self, usual: Duration) -> Duration {
        let is_short = self.waited_for.is_some() && self.long_trial.is_none();
        if is_short { OVERDUE.min(usual) } else { usual }
    }

    /// Notes that the endpoint acknowledged the event.
    pub(crate) fn succeeded(&mut self) {
        if let Some(traffic) = self.direct.lock().peek_mut(&self.endpoint_id) {
            traffic.is_proven |= traffic.revision == self.revision;
        }
        if let Some(sender) = &self.waited_for {
            sender.send_replace(Fate::Succeeded);
        }
    }
}

impl Drop for Ticket<'_> {
    fn drop(&mut self) {
        if let Some(traffic) = self.direct.lock().peek_mut(&self.endpoint_id) {
            traffic.under_way.retain(|(number, _)| *number != self.number);
        }
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt as _;
    use futures::future::poll_immediate;
    use posthorn_domain::Health;
    use tokio::time::advance;

    use super::*;
    use crate::sending::answers;

    fn endpoint(state: HealthState) -> Endpoint {
        let health = Health::new(state, Timestamp::from_millis(0));
        Endpoint { health, ..answers::endpoint("https://a.example") }
    }

    fn at_once<T>(admitted: impl Future<Output = Option<T>>) -> Option<T> {
        Box::pin(admitted).now_or_never().expect("it does not wait")
    }

    #[tokio::test(start_paused = true)]
    async fn events_of_a_new_endpoint_wait_for_the_first_and_follow_its_success() {
        let (direct, new) = (Direct::default(), endpoint(HealthState::Unproven));
        let mut first = at_once(direct.admit(&new, None)).unwrap();
        let mut second = Box::pin(direct.admit(&new, None));
        assert!(poll_immediate(&mut second).await.is_none(), "it waits");
        first.succeeded();
        drop(first);
        assert!(second.await.is_some());
        let all: Vec<_> = (0..3).map(|_| at_once(direct.admit(&new, None))).collect();
        assert!(all.iter().all(Option::is_some), "it has proved itself");
    }

    #[tokio::test(start_paused = true)]
    async fn events_of_a_new_endpoint_take_the_queue_after_a_failure_or_50_ms() {
        let (direct, new) = (Direct::default(), endpoint(HealthState::Unproven));
        let first = at_once(direct.admit(&new, None)).unwrap();
        let mut second = Box::pin(direct.admit(&new, None));
        assert!(poll_immediate(&mut second).await.is_none(), "it waits");
        drop(first);
        assert!(second.await.is_none(), "the first one failed");
        let third = at_once(direct.admit(&new, None));
        assert!(third.is_some(), "the next one is tried");
        let began = Instant::now();
        assert!(direct.admit(&new, None).await.is_none());
        assert_eq!(began.elapsed(), LONGEST_WAIT);
    }

    #[test]
    fn of_many_new_endpoints_that_are_tried_at_once_sixteen_have_the_usual_time() {
        let direct = Direct::default();
        let numbered = |number: u128, state| Endpoint {
            id: EndpointId::from_bytes(number.to_be_bytes()),
            ..endpoint(state)
        };
        let usual = Duration::from_secs(1);
        let mut tried: Vec<_> = (0..20)
            .map(|number| at_once(direct.admit(&numbered(number, HealthState::Unproven), None)).unwrap())
            .collect();
        let times: Vec<_> = tried.iter().map(|ticket| ticket.time(usual)).collect();
        assert_eq!(times, [[usual; 16].as_slice(), &[OVERDUE; 4]].concat());
        let short = Duration::from_millis(100);
        assert_eq!(tried[19].time(short), short);
        tried.remove(0);
        let further = at_once(direct.admit(&numbered(20, HealthState::Unproven), None)).unwrap();
        assert_eq!(further.time(usual), usual);
        let healthy = at_once(direct.admit(&numbered(21, HealthState::Healthy), None)).unwrap();
        assert_eq!(healthy.time(usual), usual, "one that has answered is no trial");
    }

    #[tokio::test(start_paused = true)]
    async fn another_url_has_to_prove_itself_anew() {
        let (direct, new) = (Direct::default(), endpoint(HealthState::Unproven));
        at_once(direct.admit(&new, None)).unwrap().succeeded();
        let moved = Endpoint { updated_at: Timestamp::from_millis(1), ..new };
        let _first = at_once(direct.admit(&moved, None)).unwrap();
        assert!(poll_immediate(Box::pin(direct.admit(&moved, None))).await.is_none(), "it waits");
    }

    #[tokio::test(start_paused = true)]
    async fn an_endpoint_that_keeps_an_attempt_longer_than_usual_gets_no_further_ones_meanwhile() {
        for (usual, longest) in [(None, 250), (Some(10), 250), (Some(300), 1_200)] {
            let (direct, healthy) = (Direct::default(), endpoint(HealthState::Healthy));
            let usual = usual.map(Duration::from_millis);
            let first = at_once(direct.admit(&healthy, usual)).unwrap();
            advance(Duration::from_millis(longest)).await;
            assert!(at_once(direct.admit(&healthy, usual)).is_some(), "{longest}");
            advance(Duration::from_millis(1)).await;
            assert!(at_once(direct.admit(&healthy, usual)).is_none(), "{longest}");
            drop(first);
            assert!(at_once(direct.admit(&healthy, usual)).is_some(), "{longest}");
        }
    }
}
