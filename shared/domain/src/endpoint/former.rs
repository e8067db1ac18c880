//! What an endpoint was before its last changes, to say later why it did not get an event.

use crate::endpoint::enabled_events::EnabledEvents;
use crate::endpoint::{Endpoint, EndpointStatus};
use crate::time::Timestamp;

/// What decided, until a change, whether the endpoint got an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FormerState {
    /// When it was changed.
    pub until: Timestamp,
    /// Its status until then.
    pub status: EndpointStatus,
    /// The events that it wanted until then.
    pub enabled_events: EnabledEvents,
}

/// The states of an endpoint before its last changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FormerStates {
    known_since: Timestamp,
    states: Vec<FormerState>,
}

impl FormerStates {
    /// Maximum number of states that are kept.
    pub const MAX: usize = 20;
    /// Maximum bytes of all their patterns, because they are in the endpoint's row.
    const MAX_BYTES: usize = 8 * 1024;

    /// Returns the states of an endpoint that is new at `at`.
    pub fn new(at: Timestamp) -> Self {
        Self { known_since: at, states: Vec::new() }
    }

    /// Returns these states, oldest first, before which nothing is known.
    pub fn on_record(known_since: Timestamp, states: Vec<FormerState>) -> Self {
        Self { known_since, states }
    }

    /// Returns since when the endpoint's states are known.
    pub fn known_since(&self) -> Timestamp {
        self.known_since
    }

    /// Returns the states, oldest first.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &FormerState> {
        self.states.iter()
    }

    /// Adds a state. The first of several at the same time counts. The oldest states are dropped if there are too many.
    pub fn add(&mut self, state: FormerState) {
        let last = self.states.last().map_or(self.known_since, |last| last.until);
        if state.until <= last {
            return;
        }
        self.states.push(state);
        let is_small = |states: &[FormerState]| {
            let patterns = states.iter().flat_map(|state| state.enabled_events.iter());
            let bytes: usize = patterns.map(|pattern| pattern.to_string().len()).sum();
            states.len() <= Self::MAX && bytes <= Self::MAX_BYTES
        };
        while !is_small(&self.states) {
            self.known_since = self.states.remove(0).until;
        }
    }
}

/// What decided at some time whether an endpoint got an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct StateThen<'a> {
    pub(crate) status: EndpointStatus,
    pub(crate) enabled_events: &'a EnabledEvents,
    /// When the state began.
    pub(crate) since: Timestamp,
}

impl Endpoint {
    /// Returns what decides now whether it gets an event, as its state until `until`.
    pub fn state_until(&self, until: Timestamp) -> FormerState {
        FormerState { until, status: self.status, enabled_events: self.enabled_events.clone() }
    }

    /// Returns its state at a time; `None` if that is not known.
    pub(crate) fn state_at(&self, time: Timestamp) -> Option<StateThen<'_>> {
        let mut since = self.former_states.known_since;
        if time < since {
            return None;
        }
        for FormerState { until, status, enabled_events } in &self.former_states.states {
            if time < *until {
                return Some(StateThen { status: *status, enabled_events, since });
            }
            since = *until;
        }
        Some(StateThen { status: self.status, enabled_events: &self.enabled_events, since })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::endpoint::EndpointEdit;
    use crate::json::Fields;
    use crate::testing::registered;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_millis(1_000 * seconds)
    }

    fn endpoint() -> Endpoint {
        registered(r#"{"url": "https://a.example", "enabled_events": ["a.*"]}"#, at(100))
    }

    fn edit(endpoint: Endpoint, json: &str, seconds: i64) -> Endpoint {
        EndpointEdit::read(&mut Fields::parse(json).unwrap()).unwrap().apply(endpoint, None, at(seconds))
    }

    #[test]
    fn the_state_at_a_time_is_what_the_changes_say() {
        let endpoint = edit(endpoint(), r#"{"enabled_events": ["b"], "status": "disabled"}"#, 200);
        let endpoint = edit(endpoint, r#"{"description": "no change of what it gets"}"#, 250);
        let endpoint = edit(endpoint, r#"{"status": "enabled"}"#, 300);
        let check = |seconds: i64, expected: Option<(&str, EndpointStatus, i64)>| {
            let state = endpoint.state_at(at(seconds));
            let state = state.map(|state| {
                (state.enabled_events.iter().next().unwrap().to_string(), state.status, state.since)
            });
            assert_eq!(
                state,
                expected.map(|(pattern, status, since)| (pattern.to_owned(), status, at(since)))
            );
        };
        check(99, None);
        check(100, Some(("a.*", EndpointStatus::Enabled, 100)));
        check(199, Some(("a.*", EndpointStatus::Enabled, 100)));
        check(200, Some(("b", EndpointStatus::Disabled, 200)));
        check(299, Some(("b", EndpointStatus::Disabled, 200)));
        check(300, Some(("b", EndpointStatus::Enabled, 300)));
        check(999, Some(("b", EndpointStatus::Enabled, 300)));
    }

    #[test]
    fn what_is_older_than_twenty_changes_is_not_known() {
        let mut endpoint = endpoint();
        for n in 1..=25 {
            endpoint = edit(endpoint, &format!(r#"{{"enabled_events": ["a.n{n}"]}}"#), 100 + n);
        }
        assert_eq!(endpoint.former_states.iter().len(), FormerStates::MAX);
        assert_eq!(endpoint.state_at(at(104)), None);
        assert_eq!(
            endpoint.state_at(at(105)).unwrap().enabled_events.iter().next().unwrap().to_string(),
            "a.n5"
        );
    }

    #[test]
    fn many_patterns_take_no_more_than_eight_kibibytes_of_the_row() {
        let mut endpoint = endpoint();
        for n in 1..=20 {
            let patterns: Vec<_> = (0..100).map(|k| format!("\"customer.subscription.n{n}.k{k}\"")).collect();
            endpoint = edit(endpoint, &format!(r#"{{"enabled_events": [{}]}}"#, patterns.join(",")), 100 + n);
        }
        let kept = endpoint.former_states.iter().len();
        assert!((1..5).contains(&kept), "{kept}");
        assert!(endpoint.former_states.known_since() > at(110));
    }
}
