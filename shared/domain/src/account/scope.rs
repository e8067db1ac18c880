//! Scopes: what the holder of a credential may do.

use std::collections::BTreeSet;
use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use strum::{Display, EnumString, VariantArray};

use crate::invalid::Invalid;
use crate::json::FromJson;

/// A permission of an API key or a portal session.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    Deserialize,
    Display,
    EnumString,
    VariantArray,
)]
#[serde(try_from = "String", into = "String")]
#[strum(parse_err_ty = Invalid, parse_err_fn = Invalid::none_of::<Scope>)]
pub enum Scope {
    /// Read endpoints and the progress of recoveries.
    #[strum(serialize = "endpoints:read")]
    EndpointsRead,
    /// Register, change, delete, pause and resume endpoints. Includes `events:resend`.
    #[strum(serialize = "endpoints:write")]
    EndpointsWrite,
    /// Read events and attempts.
    #[strum(serialize = "events:read")]
    EventsRead,
    /// Publish events.
    #[strum(serialize = "events:publish")]
    EventsPublish,
    /// Resend events: retry attempts, recover endpoints, send test events.
    #[strum(serialize = "events:resend")]
    EventsResend,
    /// Read endpoints' signing secrets and the values of their headers.
    #[strum(serialize = "secrets:read")]
    SecretsRead,
    /// Create, list and revoke keys, and end portal sessions.
    #[strum(serialize = "keys:write")]
    KeysWrite,
    /// Read the audit log.
    #[strum(serialize = "audit:read")]
    AuditRead,
    /// Read accounts. Only platform keys can have it.
    #[strum(serialize = "accounts:read")]
    AccountsRead,
    /// Create, change and delete accounts. Only platform keys can have it.
    #[strum(serialize = "accounts:write")]
    AccountsWrite,
}

impl Scope {
    /// All scopes: those of a platform key unless others are named.
    pub const ALL: &[Self] = Self::VARIANTS;
    /// The scopes of an account's key unless others are named.
    pub const OF_KEYS: &[Self] = &[
        Self::EndpointsRead,
        Self::EndpointsWrite,
        Self::EventsRead,
        Self::EventsPublish,
        Self::SecretsRead,
    ];
    /// The scopes of a component's key unless others are named: what PaymentKit's SDK can use.
    pub const OF_COMPONENTS: &[Self] = &[Self::EndpointsRead, Self::EndpointsWrite, Self::EventsRead];
    /// The scopes that a portal session can have.
    pub const OF_SESSIONS: &[Self] =
        &[Self::EndpointsRead, Self::EndpointsWrite, Self::EventsRead, Self::EventsResend, Self::SecretsRead];
    /// The scopes that a session can have which an account's key makes of itself in test mode: it may try out publishing.
    pub const OF_TEST_SESSIONS: &[Self] = &[
        Self::EndpointsRead,
        Self::EndpointsWrite,
        Self::EventsRead,
        Self::EventsPublish,
        Self::EventsResend,
        Self::SecretsRead,
    ];

    /// Returns whether an account's own key can have it.
    pub fn is_for_accounts(self) -> bool {
        !matches!(self, Self::AccountsRead | Self::AccountsWrite)
    }
}

impl From<Scope> for String {
    fn from(scope: Scope) -> Self {
        scope.to_string()
    }
}

impl TryFrom<String> for Scope {
    type Error = Invalid;

    fn try_from(text: String) -> Result<Self, Invalid> {
        text.parse()
    }
}

/// The scopes of a credential.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Scopes(BTreeSet<Scope>);

impl Scopes {
    /// Returns whether they permit what this scope does. `endpoints:write` includes `events:resend`.
    pub fn permit(&self, scope: Scope) -> bool {
        self.0.contains(&scope) || scope == Scope::EventsResend && self.0.contains(&Scope::EndpointsWrite)
    }

    /// Returns the first of these scopes that they do not permit.
    pub fn first_missing(&self, wanted: &Self) -> Option<Scope> {
        wanted.iter().find(|scope| !self.permit(*scope))
    }

    /// Returns the scopes that both permit.
    #[must_use]
    pub fn within(&self, limit: &Self) -> Self {
        self.iter().filter(|scope| limit.permit(*scope)).collect()
    }

    /// Returns whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns the scopes in their order.
    pub fn iter(&self) -> impl Iterator<Item = Scope> {
        self.0.iter().copied()
    }
}

impl From<&[Scope]> for Scopes {
    fn from(scopes: &[Scope]) -> Self {
        scopes.iter().copied().collect()
    }
}

impl FromIterator<Scope> for Scopes {
    fn from_iter<I: IntoIterator<Item = Scope>>(scopes: I) -> Self {
        Self(scopes.into_iter().collect())
    }
}

impl FromJson for Scopes {
    fn from_json(json: &RawValue) -> Result<Self, Invalid> {
        let texts: Vec<String> = serde_json::from_str(json.get())
            .map_err(|_| Invalid::because("must be a list of scopes, such as [\"endpoints:read\"]"))?;
        if texts.is_empty() {
            return Err(Invalid::because("must have at least one scope"));
        }
        texts.into_iter().map(Scope::try_from).collect()
    }
}

impl fmt::Display for Scopes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, scope) in self.iter().enumerate() {
            write!(f, "{}{scope}", if n == 0 { "" } else { ", " })?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scopes(texts: &str) -> Result<Scopes, Invalid> {
        Scopes::from_json(&RawValue::from_string(texts.to_owned()).unwrap())
    }

    #[test]
    fn scopes_are_read_as_they_are_written() {
        for &scope in Scope::ALL {
            assert_eq!(scope.to_string().parse(), Ok(scope));
        }
        assert!("endpoints".parse::<Scope>().is_err());
        let two = scopes(r#"["events:read", "endpoints:read", "events:read"]"#).unwrap();
        assert_eq!(two.to_string(), "endpoints:read, events:read");
        for wrong in ["[]", "{}", r#""events:read""#, r#"["events"]"#] {
            assert!(scopes(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn who_may_change_endpoints_may_also_resend() {
        let writes = scopes(r#"["endpoints:write"]"#).unwrap();
        assert!(writes.permit(Scope::EventsResend) && !writes.permit(Scope::EndpointsRead));
        let resends = scopes(r#"["events:resend", "events:read"]"#).unwrap();
        assert!(!resends.permit(Scope::EndpointsWrite));
        assert_eq!(writes.first_missing(&resends), Some(Scope::EventsRead));
        assert_eq!(resends.within(&writes).to_string(), "events:resend");
    }
}
