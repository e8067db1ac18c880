//! Who wants an event.

use std::collections::HashMap;
use std::sync::Arc;

use posthorn_domain::{Endpoint, EndpointId, EndpointStatus, EventPattern, EventType};

/// A tenant's enabled endpoints as an inverted index: finding an event's takes as long as there are matches,
/// however many endpoints there are.
#[derive(Debug, Default)]
pub struct Subscriptions {
    endpoints: HashMap<EndpointId, Arc<Endpoint>>,
    by_type: HashMap<EventType, Vec<Arc<Endpoint>>>,
    by_prefix: HashMap<String, Vec<Arc<Endpoint>>>,
    to_all: Vec<Arc<Endpoint>>,
}

impl Subscriptions {
    /// Indexes those endpoints that are enabled.
    pub fn new(endpoints: impl IntoIterator<Item = Endpoint>) -> Self {
        let mut index = Self::default();
        for endpoint in endpoints {
            if endpoint.status == EndpointStatus::Enabled {
                index.add(Arc::new(endpoint));
            }
        }
        index
    }

    fn add(&mut self, endpoint: Arc<Endpoint>) {
        for pattern in endpoint.enabled_events.iter() {
            let subscribers = match pattern {
                EventPattern::All => &mut self.to_all,
                EventPattern::Prefix(prefix) => self.by_prefix.entry(prefix.clone()).or_default(),
                EventPattern::Exact(event_type) => self.by_type.entry(event_type.clone()).or_default(),
            };
            subscribers.push(Arc::clone(&endpoint));
        }
        self.endpoints.insert(endpoint.id, endpoint);
    }

    /// The endpoints that want events of this type, each once, in the order of their ids.
    pub fn matching(&self, event_type: &EventType) -> Vec<Arc<Endpoint>> {
        let exact = self.by_type.get(event_type).into_iter();
        let prefixed = event_type.prefixes().filter_map(|prefix| self.by_prefix.get(prefix));
        let mut matching: Vec<_> =
            exact.chain(prefixed).flatten().chain(&self.to_all).map(Arc::clone).collect();
        matching.sort_unstable_by_key(|endpoint| endpoint.id);
        matching.dedup_by_key(|endpoint| endpoint.id);
        matching
    }

    /// The endpoint with this id, if it is enabled.
    pub fn enabled(&self, id: EndpointId) -> Option<Arc<Endpoint>> {
        self.endpoints.get(&id).map(Arc::clone)
    }
}

#[cfg(test)]
mod tests {
    use posthorn_domain::{Fields, Mode, NewEndpoint, Random, Tenant, Timestamp};
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    /// Always the same byte.
    struct Same(u8);

    impl Random for Same {
        fn fill(&self, buffer: &mut [u8]) {
            buffer.fill(self.0);
        }
    }

    fn endpoint(chance: u8, patterns: &[String], enabled: bool) -> Endpoint {
        let status = if enabled { "enabled" } else { "disabled" };
        let json = format!(
            r#"{{"url": "https://a.example", "enabled_events": {patterns:?}, "status": "{status}"}}"#
        );
        let tenant = Tenant { account: "acct_1".parse().unwrap(), mode: Mode::Live };
        let new = NewEndpoint::read(&mut Fields::parse(&json).unwrap()).unwrap();
        new.register(&tenant, Timestamp::from_millis(0), &Same(chance))
    }

    proptest! {
        #[test]
        fn the_index_finds_what_asking_each_enabled_endpoint_finds(
            all in vec((vec("\\*|[ab]{1,2}(\\.[ab]{1,2}){0,3}(\\.\\*)?", 1..5), any::<bool>()), 0..20),
            event_type in "[ab]{1,2}(\\.[ab]{1,2}){0,3}",
        ) {
            let event_type: EventType = event_type.parse().unwrap();
            let endpoints: Vec<Endpoint> =
                (0..).zip(&all).map(|(n, (patterns, enabled))| endpoint(n, patterns, *enabled)).collect();
            let wants = |endpoint: &&Endpoint| {
                endpoint.status == EndpointStatus::Enabled && endpoint.enabled_events.matches(&event_type)
            };
            let expected: Vec<EndpointId> = endpoints.iter().filter(wants).map(|endpoint| endpoint.id).collect();
            let found = Subscriptions::new(endpoints.clone()).matching(&event_type);
            prop_assert_eq!(found.iter().map(|endpoint| endpoint.id).collect::<Vec<_>>(), expected);
        }
    }
}
