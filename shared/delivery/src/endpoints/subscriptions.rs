//! Which endpoints subscribe to an event.

use std::collections::{HashMap, HashSet};
use std::hash::Hash;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::Duration;

use posthorn_domain::{Endpoint, EndpointId, EndpointStatus, EventPattern, EventType, Timestamp};

/// The memory of an endpoint without its texts and patterns, in bytes.
const ENDPOINT_BYTES: usize = size_of::<Endpoint>() + 200;
/// The memory of a pattern without its text, in bytes: in the endpoint, and in the index.
const PATTERN_BYTES: usize = size_of::<EventPattern>() + 60;
/// How long an endpoint counts as unhealthy without being reread. Other processes may have seen it recover meanwhile.
const DOUBTED_AFTER: Duration = Duration::from_secs(5);
/// How long an endpoint counts as healthy without being reread, unless an attempt contradicts that.
const CHECKED_AFTER: Duration = Duration::from_hours(1);

/// A tenant's endpoints that are not disabled, as an inverted index: finding an event's endpoints takes time by the number of
/// matches, not of endpoints. An endpoint that is reread is replaced for everybody.
#[derive(Debug, Default)]
pub struct Subscriptions(RwLock<Index>);

#[derive(Debug, Default)]
struct Index {
    endpoints: HashMap<EndpointId, Known>,
    by_type: HashMap<EventType, Subscribers>,
    by_prefix: HashMap<String, Subscribers>,
    to_all: Subscribers,
    /// About how many bytes all of it takes.
    weight: usize,
}

#[derive(Debug)]
struct Known {
    endpoint: Arc<Endpoint>,
    /// When it was last read.
    read_at: Timestamp,
}

/// The endpoints with the same pattern, in the order of their ids.
#[derive(Debug, Default)]
struct Subscribers(Vec<Arc<Endpoint>>);

impl Subscriptions {
    /// Replaces what is known of an endpoint by what was read at `read_at`. Only for reads that bring all endpoints to a
    /// version; others call `renew`.
    pub fn put(&self, endpoint: Endpoint, read_at: Timestamp) {
        self.write().put(endpoint, read_at);
    }

    /// Takes a later revision of a known endpoint. An unknown one stays unknown, because it may have been disabled or
    /// deleted meanwhile.
    pub(crate) fn renew(&self, endpoint: Endpoint, read_at: Timestamp) {
        let mut index = self.write();
        let Some(known) = index.endpoints.get_mut(&endpoint.id) else { return };
        known.read_at = known.read_at.max(read_at);
        if known.endpoint.revision < endpoint.revision {
            index.put(endpoint, read_at);
        }
    }

    /// Removes an endpoint.
    pub(crate) fn remove(&self, id: EndpointId) {
        self.write().remove(id);
    }

    /// Removes all endpoints except these.
    pub(crate) fn retain(&self, ids: &HashSet<EndpointId>) {
        let mut index = self.write();
        let gone: Vec<_> = index.endpoints.keys().filter(|id| !ids.contains(id)).copied().collect();
        for id in gone {
            index.remove(id);
        }
    }

    /// Returns the endpoints that subscribe to events of this type, each once, in the order of their ids.
    pub fn matching(&self, event_type: &EventType) -> Vec<Arc<Endpoint>> {
        let index = self.read();
        let exact = index.by_type.get(event_type).into_iter();
        let prefixed = event_type.prefixes().filter_map(|prefix| index.by_prefix.get(prefix));
        let subscribers = exact.chain(prefixed).chain([&index.to_all]);
        let mut matching: Vec<_> = subscribers.flat_map(|Subscribers(all)| all).map(Arc::clone).collect();
        matching.sort_unstable_by_key(|endpoint| endpoint.id);
        matching.dedup_by_key(|endpoint| endpoint.id);
        matching
    }

    /// Returns the endpoint with this id, unless it is disabled.
    pub fn get(&self, id: EndpointId) -> Option<Arc<Endpoint>> {
        self.read().endpoints.get(&id).map(|known| Arc::clone(&known.endpoint))
    }

    /// Returns those of these endpoints whose health may be outdated, at most `most`. The flag says whether an attempt
    /// contradicted the known health. They count as read, so that no other caller rereads them for a while.
    pub(crate) fn doubtful(
        &self,
        ids: impl IntoIterator<Item = (EndpointId, bool)>,
        most: usize,
        now: Timestamp,
    ) -> Vec<EndpointId> {
        let mut index = self.write();
        let is_doubtful = |&(id, contradicted): &(EndpointId, bool)| {
            let Some(known) =
                index.endpoints.get_mut(&id).filter(|known| known.may_be_old(contradicted, now))
            else {
                return false;
            };
            known.read_at = now;
            true
        };
        ids.into_iter().filter(is_doubtful).map(|(id, _)| id).take(most).collect()
    }

    /// Returns about how many bytes all of it takes.
    pub(crate) fn weight(&self) -> usize {
        self.read().weight
    }

    fn read(&self) -> RwLockReadGuard<'_, Index> {
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Index> {
        self.0.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Index {
    /// Replaces what is known of an endpoint; a disabled one is removed.
    fn put(&mut self, endpoint: Endpoint, read_at: Timestamp) {
        self.remove(endpoint.id);
        if endpoint.status != EndpointStatus::Disabled {
            self.add(Arc::new(endpoint), read_at);
        }
    }

    fn add(&mut self, endpoint: Arc<Endpoint>, read_at: Timestamp) {
        for pattern in endpoint.enabled_events.iter() {
            let subscribers = match pattern {
                EventPattern::All => &mut self.to_all,
                EventPattern::Prefix(prefix) => self.by_prefix.entry(prefix.clone()).or_default(),
                EventPattern::Exact(event_type) => self.by_type.entry(event_type.clone()).or_default(),
            };
            subscribers.add(&endpoint);
        }
        self.weight += weight(&endpoint);
        self.endpoints.insert(endpoint.id, Known { endpoint, read_at });
    }

    fn remove(&mut self, id: EndpointId) {
        let Some(Known { endpoint, .. }) = self.endpoints.remove(&id) else { return };
        self.weight -= weight(&endpoint);
        for pattern in endpoint.enabled_events.iter() {
            match pattern {
                EventPattern::All => self.to_all.remove(id),
                EventPattern::Prefix(prefix) => remove(&mut self.by_prefix, prefix, id),
                EventPattern::Exact(event_type) => remove(&mut self.by_type, event_type, id),
            }
        }
    }
}

/// Removes an endpoint from a pattern's subscribers, and the pattern if it was the last one.
fn remove<Pattern: Eq + Hash>(index: &mut HashMap<Pattern, Subscribers>, pattern: &Pattern, id: EndpointId) {
    if let Some(subscribers) = index.get_mut(pattern) {
        subscribers.remove(id);
        if subscribers.0.is_empty() {
            index.remove(pattern);
        }
    }
}

impl Known {
    fn may_be_old(&self, contradicted: bool, now: Timestamp) -> bool {
        let counts =
            if contradicted || !self.endpoint.health.state.is_well() { DOUBTED_AFTER } else { CHECKED_AFTER };
        now.since(self.read_at) >= counts
    }
}

impl Subscribers {
    fn add(&mut self, endpoint: &Arc<Endpoint>) {
        match self.position(endpoint.id) {
            Ok(position) => self.0[position] = Arc::clone(endpoint),
            Err(position) => self.0.insert(position, Arc::clone(endpoint)),
        }
    }

    fn remove(&mut self, id: EndpointId) {
        if let Ok(position) = self.position(id) {
            self.0.remove(position);
        }
    }

    fn position(&self, id: EndpointId) -> Result<usize, usize> {
        self.0.binary_search_by_key(&id, |endpoint| endpoint.id)
    }
}

/// Returns about how many bytes an endpoint takes in memory.
fn weight(endpoint: &Endpoint) -> usize {
    let former = endpoint.former_states.iter().flat_map(|state| state.enabled_events.iter());
    let patterns = endpoint.enabled_events.iter().chain(&endpoint.history.former_patterns).chain(former);
    let patterns = patterns.map(|pattern| match pattern {
        EventPattern::All => 0,
        EventPattern::Prefix(prefix) => prefix.len(),
        EventPattern::Exact(event_type) => event_type.as_str().len(),
    });
    let headers = endpoint.headers.iter().map(|(name, value)| name.len() + value.len() + PATTERN_BYTES);
    ENDPOINT_BYTES
        + endpoint.url.as_str().len()
        + endpoint.description.as_str().len()
        + endpoint.metadata.as_json().len()
        + endpoint.retired_secrets.len() * PATTERN_BYTES
        + headers.sum::<usize>()
        + patterns.map(|text| PATTERN_BYTES + 2 * text).sum::<usize>()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use posthorn_domain::testing::Same;
    use posthorn_domain::{Fields, Health, HealthState, Mode, NewEndpoint, Tenant};
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    fn endpoint(chance: u8, patterns: &[String], enabled: bool) -> Endpoint {
        let status = if enabled { "enabled" } else { "disabled" };
        let json = format!(
            r#"{{"url": "https://a.example", "enabled_events": {patterns:?}, "status": "{status}"}}"#
        );
        let tenant = Tenant { account: "acct_1".parse().unwrap(), mode: Mode::Live };
        let new = NewEndpoint::read(&mut Fields::parse(&json).unwrap()).unwrap();
        new.register(&tenant, Timestamp::from_millis(0), &Same::byte(chance))
    }

    /// Returns the index of endpoints that were read at 0.
    fn index(endpoints: impl IntoIterator<Item = Endpoint>) -> Subscriptions {
        let index = Subscriptions::default();
        endpoints.into_iter().for_each(|endpoint| index.put(endpoint, Timestamp::from_millis(0)));
        index
    }

    fn ids(found: Vec<Arc<Endpoint>>) -> Vec<EndpointId> {
        found.into_iter().map(|endpoint| endpoint.id).collect()
    }

    const PATTERN: &str = "\\*|[ab]{1,2}(\\.[ab]{1,2}){0,3}(\\.\\*)?";

    proptest! {
        #[test]
        fn the_index_finds_what_asking_each_enabled_endpoint_finds(
            all in vec((0..20_u8, vec(PATTERN, 1..5), any::<bool>()), 0..40),
            gone in vec(0..20_u8, 0..5),
            event_type in "[ab]{1,2}(\\.[ab]{1,2}){0,3}",
        ) {
            let event_type: EventType = event_type.parse().unwrap();
            let written = (1..).zip(&all).map(|(revision, (chance, patterns, enabled))| {
                Endpoint { revision, ..endpoint(*chance, patterns, *enabled) }
            });
            let gone: Vec<_> = gone.iter().map(|chance| endpoint(*chance, &["*".to_owned()], true).id).collect();
            let mut latest: BTreeMap<EndpointId, Endpoint> =
                written.clone().map(|endpoint| (endpoint.id, endpoint)).collect();
            latest.retain(|id, _| !gone.contains(id));
            let wants = |endpoint: &&Endpoint| {
                endpoint.status == EndpointStatus::Enabled && endpoint.enabled_events.matches(&event_type)
            };
            let expected: Vec<_> = latest.values().filter(wants).map(|endpoint| endpoint.id).collect();
            let index = index(written);
            for id in &gone {
                index.remove(*id);
            }
            prop_assert_eq!(ids(index.matching(&event_type)), expected.clone());
            let anew = self::index(latest.into_values());
            prop_assert_eq!(ids(anew.matching(&event_type)), expected);
            prop_assert_eq!(index.weight(), anew.weight());
        }
    }

    #[test]
    fn what_is_read_by_itself_renews_what_is_known_and_brings_nothing_back() {
        let any = ["*".to_owned()];
        let revision = |revision, enabled| Endpoint { revision, ..endpoint(0, &any, enabled) };
        let (id, at) = (revision(0, true).id, Timestamp::from_millis(0));
        let index = index([revision(2, true)]);
        index.renew(revision(1, false), at);
        assert_eq!(index.get(id).unwrap().revision, 2, "an older one");
        index.renew(revision(3, true), at);
        assert_eq!(index.get(id).unwrap().revision, 3, "a later one");
        index.renew(revision(4, false), at);
        index.renew(revision(3, true), at);
        index.renew(revision(5, true), at);
        assert!(index.get(id).is_none(), "it is disabled");
        assert_eq!(index.weight(), 0);
        index.put(revision(1, true), at);
        assert_eq!(index.get(id).unwrap().revision, 1, "the table was put back");
    }

    #[test]
    fn health_is_doubted_sooner_where_something_speaks_against_it_and_by_one_at_a_time() {
        for (state, contradicted, counts) in [
            (HealthState::Healthy, false, 3_600_000),
            (HealthState::Healthy, true, 5_000),
            (HealthState::Unproven, false, 3_600_000),
            (HealthState::Failing, false, 5_000),
            (HealthState::Slow, false, 5_000),
        ] {
            let known = endpoint(0, &["*".to_owned()], true);
            let id = known.id;
            let health = Health::new(state, Timestamp::from_millis(0));
            let index = index([Endpoint { health, ..known }]);
            let doubtful = |at| index.doubtful([(id, contradicted); 2], 10, Timestamp::from_millis(at)).len();
            let doubted = [counts - 1, counts, counts + 1, 2 * counts].map(doubtful);
            assert_eq!(doubted, [0, 1, 0, 1], "{state:?}, {contradicted}");
        }
    }

    #[test]
    fn no_more_are_doubted_than_are_read_at_once() {
        let all: Vec<_> = (0..10).map(|n| endpoint(n, &["*".to_owned()], true)).collect();
        let ids: Vec<_> = all.iter().map(|endpoint| (endpoint.id, true)).collect();
        let index = index(all);
        let doubtful = || index.doubtful(ids.clone(), 6, Timestamp::from_millis(5_000)).len();
        assert_eq!([doubtful(), doubtful(), doubtful()], [6, 4, 0]);
    }
}
