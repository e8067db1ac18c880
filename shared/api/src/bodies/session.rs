//! A portal session.

use posthorn_domain::{AccountId, GrantId, Mode, PageUrl, Scopes, Session, Timestamp};
use serde::Serialize;

/// A new portal session, and the URL that begins it.
#[derive(Debug, Serialize)]
pub struct SessionBody {
    id: GrantId,
    url: String,
    account: Option<AccountId>,
    livemode: Option<Mode>,
    capabilities: Scopes,
    expires_at: Option<Timestamp>,
}

impl SessionBody {
    /// Returns a session that this URL begins.
    pub fn new(session: Session, url: String) -> Self {
        let grant = session.grant;
        Self {
            id: grant.id,
            url,
            account: grant.reach.account().cloned(),
            livemode: grant.reach.mode(),
            capabilities: grant.scopes,
            expires_at: grant.expires_at,
        }
    }
}

/// A portal session that has begun, and its token.
#[derive(Debug, Serialize)]
pub struct BegunSessionBody {
    id: GrantId,
    token: String,
    account: Option<AccountId>,
    livemode: Option<Mode>,
    capabilities: Scopes,
    expires_at: Option<Timestamp>,
    return_url: Option<PageUrl>,
}

impl BegunSessionBody {
    /// Returns a session with its token.
    pub fn new(session: Session, token: String) -> Self {
        let Session { grant, return_url } = session;
        Self {
            id: grant.id,
            token,
            account: grant.reach.account().cloned(),
            livemode: grant.reach.mode(),
            capabilities: grant.scopes,
            expires_at: grant.expires_at,
            return_url,
        }
    }
}

/// How many sessions were ended.
#[derive(Debug, Serialize)]
pub struct EndedSessionsBody {
    /// Their number.
    pub ended: u64,
}
