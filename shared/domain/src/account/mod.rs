//! Accounts, modes, and who may do what: credentials, scopes, portal sessions, the audit log.
//!
//! What an account owns is in other modules.

mod appearance;
mod audit;
mod component;
mod grant;
mod key;
mod page_url;
mod record;
mod scope;
mod session;

pub use self::appearance::{Appearance, Color, Logo};
pub use self::audit::{Actor, ActorKind, AuditAction, AuditEntry};
pub use self::component::{ComponentKey, ComponentSecret, Did, PublicKey};
pub use self::grant::{Grant, Reach, Token};
pub use self::key::{KeyKind, KeyRequest};
pub use self::page_url::PageUrl;
pub use self::record::{Account, AccountEdit, AccountStatus, Deletion};
pub use self::scope::{Scope, Scopes};
pub use self::session::{Session, SessionRequest};

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::invalid::Invalid;
use crate::json::FromJson;

/// A customer of the publisher: the owner of endpoints and events. 1 to 64 of `A-Z a-z 0-9 _ -`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct AccountId(String);

impl AccountId {
    /// The longest account id, in characters.
    pub const MAX_LENGTH: usize = 64;

    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for AccountId {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        let allowed = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
        if text.is_empty() || text.len() > Self::MAX_LENGTH || !text.chars().all(allowed) {
            return Err(Invalid::because(format!(
                "must be 1 to {} letters, digits, underscores or hyphens",
                Self::MAX_LENGTH
            )));
        }
        Ok(Self(text.to_owned()))
    }
}

impl TryFrom<String> for AccountId {
    type Error = Invalid;

    fn try_from(text: String) -> Result<Self, Invalid> {
        text.parse()
    }
}

impl From<AccountId> for String {
    fn from(account: AccountId) -> Self {
        account.0
    }
}

impl fmt::Display for AccountId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Live or test data. In JSON and in queries it is `livemode`, `true` or `false`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(from = "bool", into = "bool")]
pub enum Mode {
    /// Real data, `livemode: true`.
    Live,
    /// Test data, `livemode: false`.
    Test,
}

impl FromJson for Mode {
    fn from_json(json: &RawValue) -> Result<Self, Invalid> {
        match json.get() {
            "true" => Ok(Self::Live),
            "false" => Ok(Self::Test),
            _ => Err(Invalid::because("must be true or false")),
        }
    }
}

impl From<bool> for Mode {
    fn from(livemode: bool) -> Self {
        if livemode { Self::Live } else { Self::Test }
    }
}

impl From<Mode> for bool {
    fn from(mode: Mode) -> Self {
        mode == Mode::Live
    }
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Live => "live",
            Self::Test => "test",
        })
    }
}

/// One mode of one account: the unit of isolation. Every endpoint and event belongs to one tenant, and no
/// tenant ever sees another's. It prints as `{account}#{live|test}`, which begins its keys in every table.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Tenant {
    /// The account.
    pub account: AccountId,
    /// Live or test.
    pub mode: Mode,
}

impl fmt::Display for Tenant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}#{}", self.account, self.mode)
    }
}
