//! A portal session.

use posthorn_domain::{AccountId, Appearance, Grant, GrantId, Mode, PageUrl, Scopes, Session, Timestamp};
use serde::Serialize;

/// What a portal session opens, and until when.
#[derive(Debug, Serialize)]
struct OpenedBody {
    account: Option<AccountId>,
    livemode: Option<Mode>,
    capabilities: Scopes,
    expires_at: Option<Timestamp>,
}

impl From<Grant> for OpenedBody {
    fn from(grant: Grant) -> Self {
        Self {
            account: grant.reach.account().cloned(),
            livemode: grant.reach.mode(),
            capabilities: grant.scopes,
            expires_at: grant.expires_at,
        }
    }
}

/// A new portal session, and the URL that begins it.
#[derive(Debug, Serialize)]
pub struct SessionBody {
    id: GrantId,
    url: String,
    #[serde(flatten)]
    opened: OpenedBody,
}

impl SessionBody {
    /// Returns a session that this URL begins.
    pub fn new(session: Session, url: String) -> Self {
        Self { id: session.grant.id, url, opened: session.grant.into() }
    }
}

/// A portal session that has begun, and its token.
#[derive(Debug, Serialize)]
pub struct BegunSessionBody {
    id: GrantId,
    token: String,
    #[serde(flatten)]
    opened: OpenedBody,
    return_url: Option<PageUrl>,
    appearance: Appearance,
}

impl BegunSessionBody {
    /// Returns a session with its token.
    pub fn new(session: Session, token: String) -> Self {
        let Session { grant, return_url, appearance } = session;
        Self { id: grant.id, token, opened: grant.into(), return_url, appearance }
    }
}

/// How many sessions were ended.
#[derive(Debug, Serialize)]
pub struct EndedSessionsBody {
    /// Their number.
    pub ended: u64,
}
