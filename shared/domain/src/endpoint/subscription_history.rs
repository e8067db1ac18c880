//! Which events may have been sent to an endpoint, in addition to those that it subscribes to now.

use std::time::Duration;

use crate::endpoint::enabled_events::EventPattern;
use crate::event::EventType;
use crate::time::Timestamp;

/// Maximum number of former patterns. With more, any event may have been sent.
const MAX_FORMER_PATTERNS: usize = 500;

/// How much older than the endpoint an event can be that is sent to it: the event was still on its way when the
/// endpoint was registered.
const ON_ITS_WAY: Duration = Duration::from_hours(1);

/// Which events may have been sent to an endpoint in the past, in addition to those of its present patterns. No index
/// lists them, so a search has to know where to look.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SubscriptionHistory {
    /// No event that was accepted before this time was sent to it.
    pub since: Timestamp,
    /// Its former patterns, and the types of its test events.
    pub former_patterns: Vec<EventPattern>,
}

impl SubscriptionHistory {
    /// Returns the history of an endpoint registered at `at`.
    pub fn new(at: Timestamp) -> Self {
        Self { since: at.minus(ON_ITS_WAY), former_patterns: Vec::new() }
    }

    /// Returns whether a former pattern matches this type.
    pub(super) fn matches(&self, event_type: &EventType) -> bool {
        self.former_patterns.iter().any(|pattern| pattern.matches(event_type))
    }

    /// Adds former patterns. Each is kept once.
    pub(super) fn add(&mut self, patterns: impl IntoIterator<Item = EventPattern>) {
        for pattern in patterns {
            if !self.former_patterns.contains(&pattern) {
                self.former_patterns.push(pattern);
            }
        }
        if self.former_patterns.len() > MAX_FORMER_PATTERNS {
            self.former_patterns = vec![EventPattern::All];
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::endpoint::{Endpoint, EndpointEdit};
    use crate::json::Fields;
    use crate::testing::registered;

    fn endpoint() -> Endpoint {
        let json = r#"{"url": "https://a.example", "enabled_events": ["customer.*"]}"#;
        registered(json, Timestamp::from_millis(0))
    }

    fn edit(endpoint: Endpoint, patterns: &str) -> Endpoint {
        let json = format!(r#"{{"enabled_events": [{patterns}]}}"#);
        let edit = EndpointEdit::read(&mut Fields::parse(&json).unwrap()).unwrap();
        edit.apply(endpoint, None, Timestamp::from_millis(1))
    }

    #[test]
    fn what_an_endpoint_no_longer_wants_it_may_have_received() {
        let created = "customer.created".parse().unwrap();
        let paid = "invoice.paid".parse().unwrap();
        let endpoint = edit(endpoint(), r#""invoice.paid""#);
        assert!(endpoint.may_have_received(&created) && endpoint.may_have_received(&paid));
        assert!(!endpoint.may_have_received(&"order.paid".parse().unwrap()));
        let back = edit(edit(endpoint, r#""customer.*""#), r#""invoice.paid""#);
        assert_eq!(back.history.former_patterns.len(), 2, "each pattern is remembered once");
        let mut tested = back;
        tested.remember_patterns([EventPattern::Exact("order.paid".parse().unwrap())]);
        assert!(tested.may_have_received(&"order.paid".parse().unwrap()));
    }

    #[test]
    fn an_endpoint_that_had_too_many_patterns_may_have_received_everything() {
        let mut endpoint = endpoint();
        let types =
            (0..=MAX_FORMER_PATTERNS).map(|n| EventPattern::Exact(format!("a.n{n}").parse().unwrap()));
        endpoint.remember_patterns(types);
        assert_eq!(endpoint.history.former_patterns, [EventPattern::All]);
    }
}
