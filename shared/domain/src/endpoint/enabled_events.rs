//! Which events an endpoint wants.

use std::collections::HashSet;
use std::fmt;
use std::str::FromStr;

use serde::{Serialize, Serializer};
use serde_json::value::RawValue;

use crate::event::{EventType, event_types};
use crate::invalid::Invalid;
use crate::json::{FromJson, require_unicode};

/// One entry of an endpoint's `enabled_events`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum EventPattern {
    /// `*`: every event.
    All,
    /// `customer.*`: every type that begins with `customer.`, at any depth. Holds the prefix with its dot.
    Prefix(String),
    /// One type.
    Exact(EventType),
}

impl EventPattern {
    /// Returns whether the pattern matches events of this type.
    pub fn matches(&self, event_type: &EventType) -> bool {
        match self {
            Self::All => true,
            Self::Prefix(prefix) => event_type.as_str().starts_with(prefix.as_str()),
            Self::Exact(exact) => exact == event_type,
        }
    }
}

impl FromStr for EventPattern {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        let malformed = || {
            Invalid::because(format!(
                "must be an event type (customer.created), a prefix (customer.*) or *, not {text:?}"
            ))
        };
        if text == "*" {
            return Ok(Self::All);
        }
        match text.strip_suffix('*') {
            Some(prefix) => {
                let name = prefix.strip_suffix('.').ok_or_else(malformed)?;
                name.parse::<EventType>().map_err(|_| malformed())?;
                Ok(Self::Prefix(prefix.to_owned()))
            }
            None => text.parse().map(Self::Exact).map_err(|_| malformed()),
        }
    }
}

impl fmt::Display for EventPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::All => f.write_str("*"),
            Self::Prefix(prefix) => write!(f, "{prefix}*"),
            Self::Exact(event_type) => write!(f, "{event_type}"),
        }
    }
}

impl Serialize for EventPattern {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// An endpoint's `enabled_events`: 1 to 500 different patterns, in the order given.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct EnabledEvents(Vec<EventPattern>);

impl EnabledEvents {
    /// The most patterns that one endpoint may have.
    pub const MAX: usize = 500;

    /// Parses patterns and drops duplicates.
    pub fn parse<'a>(patterns: impl IntoIterator<Item = &'a str>) -> Result<Self, Invalid> {
        let mut seen = HashSet::new();
        let mut kept = Vec::new();
        for text in patterns {
            let pattern: EventPattern = text.parse()?;
            if seen.insert(pattern.clone()) {
                kept.push(pattern);
            }
        }
        if kept.is_empty() {
            return Err(Invalid::because("must name at least one event type (or [\"*\"] for all)"));
        }
        if kept.len() > Self::MAX {
            return Err(Invalid::because(format!(
                "must name at most {} event types (this list has {}); use prefixes or *",
                Self::MAX,
                kept.len()
            )));
        }
        Ok(Self(kept))
    }

    /// Returns whether a pattern matches events of this type.
    pub fn matches(&self, event_type: &EventType) -> bool {
        self.0.iter().any(|pattern| pattern.matches(event_type))
    }

    /// Returns whether this is one of the patterns, or `*` is.
    pub fn covers(&self, pattern: &EventPattern) -> bool {
        self.iter().any(|own| own == pattern || *own == EventPattern::All)
    }

    /// Returns the patterns, in the order given.
    pub fn iter(&self) -> impl Iterator<Item = &EventPattern> {
        self.0.iter()
    }

    /// Returns a type for a test event: the first type named here; if there is none, the first in the catalogue that
    /// begins with the first prefix, or a made-up one.
    pub fn example(&self) -> EventType {
        let named = self.iter().find_map(|pattern| match pattern {
            EventPattern::Exact(event_type) => Some(event_type.clone()),
            EventPattern::Prefix(_) | EventPattern::All => None,
        });
        let covered = || match self.iter().next()? {
            EventPattern::Prefix(prefix) => {
                let mut known = event_types().map(|entry| &entry.event_type);
                let known = known.find(|known| known.as_str().starts_with(prefix)).cloned();
                // A prefix may be so long that no type can begin with it.
                known.or_else(|| format!("{prefix}test").parse().ok())
            }
            EventPattern::Exact(_) | EventPattern::All => None,
        };
        named.or_else(covered).unwrap_or_else(|| "customer.created".parse().expect("it is a valid type"))
    }
}

impl FromJson for EnabledEvents {
    fn from_json(json: &RawValue) -> Result<Self, Invalid> {
        require_unicode(json.get())?;
        let patterns: Vec<String> = serde_json::from_str(json.get())
            .map_err(|_| Invalid::because("must be a list of strings, such as [\"customer.created\"]"))?;
        Self::parse(patterns.iter().map(String::as_str))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Event types of so few names that patterns often match them.
    const EVENT_TYPE: &str = "[ab]{1,2}(\\.[ab]{1,2}){0,3}";
    const PATTERN: &str = "\\*|[ab]{1,2}(\\.[ab]{1,2}){0,3}(\\.\\*)?";

    /// The guide's rule for patterns, name by name: a final `*` stands for one or more names.
    fn matches_by_name(pattern: &str, event_type: &str) -> bool {
        let names: Vec<&str> = event_type.split('.').collect();
        let wanted: Vec<&str> = pattern.split('.').collect();
        match wanted.split_last() {
            Some((&"*", before)) => names.len() > before.len() && names.starts_with(before),
            _ => names == wanted,
        }
    }

    proptest! {
        #[test]
        fn patterns_match_as_a_comparison_name_by_name_says(
            patterns in proptest::collection::vec(PATTERN, 1..6), event_type in EVENT_TYPE,
        ) {
            let wanted = EnabledEvents::parse(patterns.iter().map(String::as_str)).unwrap();
            let expected = patterns.iter().any(|pattern| matches_by_name(pattern, &event_type));
            prop_assert_eq!(wanted.matches(&event_type.parse().unwrap()), expected);
        }
    }

    #[test]
    fn patterns_match_as_they_read() {
        let check = |pattern: &str, event_type: &str, wanted: bool| {
            let pattern: EventPattern = pattern.parse().unwrap();
            assert_eq!(pattern.matches(&event_type.parse().unwrap()), wanted, "{pattern} {event_type}");
        };
        check("*", "ping", true);
        check("customer.created", "customer.created", true);
        check("customer.created", "customer.created.twice", false);
        check("customer.*", "customer.created", true);
        check("customer.*", "customer.subscription.created", true);
        check("customer.*", "customer", false);
        check("customer.*", "customers.created", false);
        check("customer.subscription.*", "customer.created", false);
    }

    #[test]
    fn malformed_patterns_are_refused_by_name() {
        for text in ["", "**", "customer*", ".*", "customer.**", "*.created", "a..*", "a b"] {
            let error = text.parse::<EventPattern>().unwrap_err();
            assert!(error.0.contains(&format!("{text:?}")), "{error}");
        }
    }

    #[test]
    fn repeated_patterns_are_kept_once_in_the_order_given() {
        let events = EnabledEvents::parse(["b.*", "a", "b.*", "a"]).unwrap();
        assert_eq!(events.iter().map(ToString::to_string).collect::<Vec<_>>(), ["b.*", "a"]);
    }

    #[test]
    fn between_one_and_five_hundred_patterns_are_taken() {
        let many: Vec<String> = (0..501).map(|n| format!("type{n}")).collect();
        assert!(EnabledEvents::parse(many.iter().take(500).map(String::as_str)).is_ok());
        assert!(EnabledEvents::parse(many.iter().map(String::as_str)).is_err());
        assert!(EnabledEvents::parse([]).is_err());
    }

    #[test]
    fn an_endpoint_is_tried_with_what_it_wants() {
        let check = |wanted: &[&str], tried: &str| {
            assert_eq!(EnabledEvents::parse(wanted.iter().copied()).unwrap().example().as_str(), tried);
        };
        check(&["customer.*", "order.paid", "refund.created"], "order.paid");
        check(&["refund.*", "customer.*"], "refund.canceled");
        check(&["parcel.*"], "parcel.test");
        check(&["*"], "customer.created");
        check(&[&format!("{}.*", "x".repeat(128))], "customer.created");
    }
}
