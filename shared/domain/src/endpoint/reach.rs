//! Which events may have been sent to an endpoint, in addition to those that it subscribes to now.

use std::time::Duration;

use crate::endpoint::Endpoint;
use crate::endpoint::enabled_events::EventPattern;
use crate::event::EventType;
use crate::time::Timestamp;

/// The most patterns that are kept. With more, any event may have been sent.
const MAX_FORMER: usize = 500;

/// How much older than the endpoint an event can be that is sent to it: the event was still on its way when the
/// endpoint was registered.
const ON_ITS_WAY: Duration = Duration::from_hours(1);

/// Where events may be that were sent to an endpoint in the past, in addition to its present patterns. No index lists
/// them, so a search has to know where to look.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reach {
    /// No event that was accepted before this time was sent to it.
    pub since: Timestamp,
    /// Its former patterns, and the types of its test events.
    pub former: Vec<EventPattern>,
}

impl Reach {
    /// Returns the reach of an endpoint registered at `at`.
    pub fn new(at: Timestamp) -> Self {
        Self { since: at.minus(ON_ITS_WAY), former: Vec::new() }
    }
}

impl Endpoint {
    /// Returns whether events of this type may have been sent to it.
    pub fn may_have_got(&self, event_type: &EventType) -> bool {
        self.enabled_events.matches(event_type)
            || self.reach.former.iter().any(|pattern| pattern.matches(event_type))
    }

    /// Adds patterns whose events may have been sent to it.
    pub fn remember(&mut self, patterns: impl IntoIterator<Item = EventPattern>) {
        for pattern in patterns {
            if !self.enabled_events.covers(&pattern) && !self.reach.former.contains(&pattern) {
                self.reach.former.push(pattern);
            }
        }
        if self.reach.former.len() > MAX_FORMER {
            self.reach.former = vec![EventPattern::All];
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::account::{Mode, Tenant};
    use crate::endpoint::{EndpointEdit, NewEndpoint};
    use crate::json::Fields;
    use crate::testing::Same;

    fn endpoint() -> Endpoint {
        let json = r#"{"url": "https://a.example", "enabled_events": ["customer.*"]}"#;
        let tenant = Tenant { account: "acct_1".parse().unwrap(), mode: Mode::Live };
        let new = NewEndpoint::read(&mut Fields::parse(json).unwrap()).unwrap();
        new.register(&tenant, Timestamp::from_millis(0), &Same::byte(0))
    }

    fn edit(endpoint: Endpoint, patterns: &str) -> Endpoint {
        let json = format!(r#"{{"enabled_events": [{patterns}]}}"#);
        let edit = EndpointEdit::read(&mut Fields::parse(&json).unwrap()).unwrap();
        edit.apply(endpoint, Timestamp::from_millis(1))
    }

    #[test]
    fn what_an_endpoint_no_longer_wants_it_may_have_got() {
        let created = "customer.created".parse().unwrap();
        let paid = "invoice.paid".parse().unwrap();
        let endpoint = edit(endpoint(), r#""invoice.paid""#);
        assert!(endpoint.may_have_got(&created) && endpoint.may_have_got(&paid));
        assert!(!endpoint.may_have_got(&"order.paid".parse().unwrap()));
        let back = edit(edit(endpoint, r#""customer.*""#), r#""invoice.paid""#);
        assert_eq!(back.reach.former.len(), 2, "each pattern is remembered once");
        let mut tested = back;
        tested.remember([EventPattern::Exact("order.paid".parse().unwrap())]);
        assert!(tested.may_have_got(&"order.paid".parse().unwrap()));
    }

    #[test]
    fn an_endpoint_that_had_too_many_patterns_may_have_got_everything() {
        let mut endpoint = endpoint();
        let types = (0..=MAX_FORMER).map(|n| EventPattern::Exact(format!("a.n{n}").parse().unwrap()));
        endpoint.remember(types);
        assert_eq!(endpoint.reach.former, [EventPattern::All]);
    }
}
