//! A key, without its secret.

use posthorn_domain::{AccountId, Did, Grant, GrantId, Mode, Scopes, ShortText, Timestamp};
use posthorn_storage::Credential;
use serde::Serialize;

/// An API key or a component's key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct KeyBody {
    id: GrantId,
    kind: &'static str,
    account: Option<AccountId>,
    livemode: Option<Mode>,
    scopes: Scopes,
    name: ShortText,
    did: Option<Did>,
    public_key: Option<String>,
    created_at: Timestamp,
    expires_at: Option<Timestamp>,
    revoked_at: Option<Timestamp>,
    last_used_on: Option<String>,
}

impl KeyBody {
    /// Returns the key of this grant.
    pub fn new(credential: Credential, grant: Grant) -> Self {
        let (kind, component) = match credential {
            Credential::Component(key) => ("component", Some(key)),
            Credential::Token(_) if grant.reach.account().is_none() => ("platform", None),
            Credential::Token(_) => ("account", None),
        };
        Self {
            id: grant.id,
            kind,
            account: grant.reach.account().cloned(),
            livemode: grant.reach.mode(),
            scopes: grant.scopes,
            name: grant.name,
            public_key: component.as_ref().map(|key| key.public_key.to_string()),
            did: component.map(|key| key.did),
            created_at: grant.created_at,
            expires_at: grant.expires_at,
            revoked_at: grant.revoked_at,
            last_used_on: grant.last_used_on.map(Timestamp::date),
        }
    }
}

/// A new key, and its secret, which is shown once.
#[derive(Debug, Serialize)]
pub struct CreatedKeyBody {
    /// The key.
    #[serde(flatten)]
    pub body: KeyBody,
    /// What requests send in `Authorization`; `None` for a component's key.
    pub key: Option<String>,
}
