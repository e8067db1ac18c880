//! API keys: who may call the API, and with which scopes.

use std::collections::BTreeSet;
use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use strum::{Display, EnumString, VariantArray};

use crate::account::{AccountId, Mode, Tenant};
use crate::id::KeyId;
use crate::invalid::Invalid;
use crate::random::Random;
use crate::text::ShortText;
use crate::time::Timestamp;

/// An API key: `sk_live_` or `sk_test_` and 256 random bits in base64 (URL alphabet). It is shown once, when it is
/// created; Posthorn stores only its SHA-256. `Debug` prints `sk_…`.
#[derive(Clone, PartialEq, Eq)]
pub struct ApiKey(String);

impl ApiKey {
    /// Returns a new key for this mode.
    pub fn new(mode: Mode, random: &dyn Random) -> Self {
        let mut bytes = [0; 32];
        random.fill(&mut bytes);
        Self(format!("sk_{mode}_{}", URL_SAFE_NO_PAD.encode(bytes)))
    }

    /// Returns the key as text. Show it to its owner only.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for ApiKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("sk_…")
    }
}

/// A permission that an API key may have.
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
    /// Register, change, delete, test and recover endpoints, and retry attempts.
    #[strum(serialize = "endpoints:write")]
    EndpointsWrite,
    /// Read events and attempts.
    #[strum(serialize = "events:read")]
    EventsRead,
    /// Publish events.
    #[strum(serialize = "events:publish")]
    EventsPublish,
    /// Read endpoints' signing secrets.
    #[strum(serialize = "secrets:read")]
    SecretsRead,
}

impl Scope {
    /// All scopes.
    pub const ALL: &[Self] = Self::VARIANTS;
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

/// What Posthorn stores about an API key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyGrant {
    /// The key's id, which is safe to show.
    pub id: KeyId,
    /// The account it acts for.
    pub account: AccountId,
    /// Live or test data.
    pub mode: Mode,
    /// Its permissions.
    pub scopes: BTreeSet<Scope>,
    /// The name that its owner gave it.
    pub name: ShortText,
    /// When it was created.
    pub created_at: Timestamp,
    /// When it expires; `None` if never.
    pub expires_at: Option<Timestamp>,
    /// When it was revoked; `None` if it was not.
    pub revoked_at: Option<Timestamp>,
    /// The start of the day (UTC) on which it was last used.
    pub last_used_on: Option<Timestamp>,
}

impl KeyGrant {
    /// Returns whether the key is neither revoked nor expired at this time.
    pub fn is_valid(&self, now: Timestamp) -> bool {
        self.revoked_at.is_none() && self.expires_at.is_none_or(|end| now < end)
    }

    /// Returns the tenant whose data the key opens.
    pub fn tenant(&self) -> Tenant {
        Tenant { account: self.account.clone(), mode: self.mode }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Same;

    #[test]
    fn a_key_tells_its_mode_and_nothing_prints_it() {
        let live = ApiKey::new(Mode::Live, &Same::byte(7));
        assert_eq!(live.reveal().len(), "sk_live_".len() + 43);
        assert!(live.reveal().starts_with("sk_live_"));
        assert!(ApiKey::new(Mode::Test, &Same::byte(7)).reveal().starts_with("sk_test_"));
        assert_eq!(format!("{live:?}"), "sk_…");
    }

    #[test]
    fn scopes_are_read_as_they_are_written() {
        for &scope in Scope::ALL {
            assert_eq!(scope.to_string().parse(), Ok(scope));
        }
        assert!("endpoints".parse::<Scope>().is_err());
    }

    #[test]
    fn a_key_is_valid_until_it_ends_or_is_revoked() {
        let at = Timestamp::from_millis;
        let grant = KeyGrant {
            id: KeyId::new(at(0), &Same::byte(1)),
            account: "acct_1".parse().unwrap(),
            mode: Mode::Test,
            scopes: BTreeSet::from([Scope::EventsRead]),
            name: ShortText::default(),
            created_at: at(0),
            expires_at: Some(at(10)),
            revoked_at: None,
            last_used_on: None,
        };
        assert!(grant.is_valid(at(9)) && !grant.is_valid(at(10)));
        assert!(!KeyGrant { revoked_at: Some(at(1)), ..grant }.is_valid(at(0)));
    }
}
