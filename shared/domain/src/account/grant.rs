//! Credentials and what they open: API keys, components' keys, portal sessions.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::account::{AccountId, Mode, Scopes, Tenant};
use crate::id::GrantId;
use crate::random::Random;
use crate::text::ShortText;
use crate::time::Timestamp;

/// A secret text that opens something: a prefix that says what, and 256 random bits in base64 (URL alphabet). It is
/// shown once, when it is created; Posthorn stores only its SHA-256. `Debug` prints `…`.
#[derive(Clone, PartialEq, Eq)]
pub struct Token(String);

impl Token {
    /// Returns a new API key of an account, for this mode: `sk_live_…` or `sk_test_…`.
    pub fn key(mode: Mode, random: &dyn Random) -> Self {
        Self::new(&format!("sk_{mode}_"), random)
    }

    /// Returns a new platform key: `sk_platform_…`.
    pub fn platform_key(random: &dyn Random) -> Self {
        Self::new("sk_platform_", random)
    }

    /// Returns the token of a new portal session: `ss_…`.
    pub fn session(random: &dyn Random) -> Self {
        Self::new("ss_", random)
    }

    /// Returns a new one-time code, which is exchanged for a session's token: `sc_…`.
    pub fn code(random: &dyn Random) -> Self {
        Self::new("sc_", random)
    }

    fn new(prefix: &str, random: &dyn Random) -> Self {
        let mut bytes = [0; 32];
        random.fill(&mut bytes);
        Self(format!("{prefix}{}", URL_SAFE_NO_PAD.encode(bytes)))
    }

    /// Returns the token as text. Show it to its owner only.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("…")
    }
}

/// Whose data a credential opens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reach {
    /// One mode of one account: an account's key, a portal session.
    Tenant(Tenant),
    /// Both modes of one account: a component's key. Each request names the mode.
    Account(AccountId),
    /// Every account: a platform key. Each request names the account and the mode.
    Platform,
}

impl Reach {
    /// Returns the only account that it reaches; `None` if it reaches all.
    pub fn account(&self) -> Option<&AccountId> {
        match self {
            Self::Tenant(tenant) => Some(&tenant.account),
            Self::Account(account) => Some(account),
            Self::Platform => None,
        }
    }

    /// Returns the only mode that it reaches; `None` if it reaches both.
    pub fn mode(&self) -> Option<Mode> {
        if let Self::Tenant(tenant) = self { Some(tenant.mode) } else { None }
    }
}

/// What Posthorn stores about a credential.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grant {
    /// Its id, which is safe to show.
    pub id: GrantId,
    /// Whose data it opens.
    pub reach: Reach,
    /// What its holder may do.
    pub scopes: Scopes,
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

impl Grant {
    /// Returns a grant without a name, which never expires and was not used yet.
    pub fn new(id: GrantId, reach: Reach, scopes: Scopes, now: Timestamp) -> Self {
        Self {
            id,
            reach,
            scopes,
            name: ShortText::default(),
            created_at: now,
            expires_at: None,
            revoked_at: None,
            last_used_on: None,
        }
    }

    /// Returns whether it is neither revoked nor expired at this time.
    pub fn is_valid(&self, now: Timestamp) -> bool {
        self.revoked_at.is_none() && self.expires_at.is_none_or(|end| now < end)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::account::Scope;
    use crate::id::{KeyId, SessionId};
    use crate::testing::Same;

    #[test]
    fn a_token_says_what_it_is_for_and_nothing_prints_it() {
        let random = Same::byte(7);
        for (token, prefix) in [
            (Token::key(Mode::Live, &random), "sk_live_"),
            (Token::key(Mode::Test, &random), "sk_test_"),
            (Token::platform_key(&random), "sk_platform_"),
            (Token::session(&random), "ss_"),
            (Token::code(&random), "sc_"),
        ] {
            assert_eq!(token.reveal().len(), prefix.len() + 43);
            assert!(token.reveal().starts_with(prefix));
            assert_eq!(format!("{token:?}"), "…");
        }
    }

    #[test]
    fn a_grant_is_valid_until_it_ends_or_is_revoked() {
        let at = Timestamp::from_millis;
        let (id, reach) = (KeyId::new(at(0), &Same::byte(1)), Reach::Account("acct_1".parse().unwrap()));
        let endless = Grant::new(GrantId::Key(id), reach, [Scope::EventsRead][..].into(), at(0));
        let grant = Grant { expires_at: Some(at(10)), ..endless };
        assert!(grant.is_valid(at(9)) && !grant.is_valid(at(10)));
        assert!(!Grant { revoked_at: Some(at(1)), ..grant }.is_valid(at(0)));
    }

    #[test]
    fn an_id_is_of_a_key_or_of_a_session() {
        let (at, random) = (Timestamp::from_millis(0), Same::byte(1));
        for id in [GrantId::Key(KeyId::new(at, &random)), GrantId::Session(SessionId::new(at, &random))] {
            assert_eq!(id.to_string().parse(), Ok(id));
        }
        assert!("evt_00000000000000000000000000".parse::<GrantId>().is_err());
    }
}
