//! Event types.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::invalid::Invalid;

/// The type of an event, such as `checkout.session.completed`: names of `A-Z a-z 0-9 _ -` joined by single dots, at
/// most 128 characters in all. The catalogue lists well-known types; other types are valid, too.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct EventType(String);

impl EventType {
    /// The longest event type, in characters.
    pub const MAX_LENGTH: usize = 128;

    /// The type as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns the prefixes that a subscription could name, each with its dot, shortest first: `checkout.` and
    /// `checkout.session.` for `checkout.session.completed`.
    pub fn prefixes(&self) -> impl Iterator<Item = &str> {
        self.0.match_indices('.').map(|(dot, _)| &self.0[..=dot])
    }
}

impl FromStr for EventType {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        let name = |name: &str| {
            !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-')
        };
        if text.len() > Self::MAX_LENGTH || !text.split('.').all(name) {
            return Err(Invalid::because(format!(
                "must be an event type: letters, digits, underscores and hyphens, in parts joined by dots, \
                 such as customer.created, at most {} characters",
                Self::MAX_LENGTH
            )));
        }
        Ok(Self(text.to_owned()))
    }
}

impl TryFrom<String> for EventType {
    type Error = Invalid;

    fn try_from(text: String) -> Result<Self, Invalid> {
        text.parse()
    }
}

impl From<EventType> for String {
    fn from(event_type: EventType) -> Self {
        event_type.0
    }
}

impl fmt::Display for EventType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn well_formed_types_are_taken_and_others_refused() {
        let check = |text: &str, good: bool| assert_eq!(text.parse::<EventType>().is_ok(), good, "{text:?}");
        check("customer.created", true);
        check("ping", true);
        check("customer_cash_balance_transaction.created", true);
        check("Order-2.v1", true);
        check(&"a".repeat(128), true);
        check(&"a".repeat(129), false);
        check("", false);
        check(".", false);
        check("customer.", false);
        check(".created", false);
        check("customer..created", false);
        check("customer.*", false);
        check("customer created", false);
        check("客户.created", false);
    }

    #[test]
    fn prefixes_end_in_their_dot() {
        let event_type: EventType = "checkout.session.completed".parse().unwrap();
        assert_eq!(event_type.prefixes().collect::<Vec<_>>(), ["checkout.", "checkout.session."]);
    }
}
