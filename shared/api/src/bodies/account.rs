//! An account.

use posthorn_domain::{Account, AccountId, Deletion, GrantId, Metadata, ShortText, Timestamp};
use serde::Serialize;

/// An account, as lists show it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct AccountBody {
    id: AccountId,
    name: ShortText,
    metadata: Metadata,
    status: &'static str,
    deletion: Option<DeletionBody>,
    created_at: Timestamp,
    updated_at: Timestamp,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct DeletionBody {
    requested_at: Timestamp,
    requested_by: GrantId,
    completed_at: Option<Timestamp>,
    webhook_endpoints: u64,
    keys: u64,
    sessions: u64,
}

impl From<Deletion> for DeletionBody {
    fn from(deletion: Deletion) -> Self {
        let Deletion { requested_at, requested_by, completed_at, endpoints, keys, sessions } = deletion;
        Self { requested_at, requested_by, completed_at, webhook_endpoints: endpoints, keys, sessions }
    }
}

impl From<Account> for AccountBody {
    fn from(account: Account) -> Self {
        Self {
            status: account.status().into(),
            id: account.id,
            name: account.name,
            metadata: account.metadata,
            deletion: account.deletion.map(DeletionBody::from),
            created_at: account.created_at,
            updated_at: account.updated_at,
        }
    }
}

/// An account, and how many endpoints it has.
#[derive(Debug, Serialize)]
pub struct CountedAccountBody {
    #[serde(flatten)]
    account: AccountBody,
    webhook_endpoints: CountsBody,
}

/// Numbers in each mode.
#[derive(Debug, Serialize)]
struct CountsBody {
    live: u64,
    test: u64,
}

impl CountedAccountBody {
    /// Returns an account that has this many endpoints in live and in test mode.
    pub fn new(account: Account, live: u64, test: u64) -> Self {
        Self { account: account.into(), webhook_endpoints: CountsBody { live, test } }
    }
}
