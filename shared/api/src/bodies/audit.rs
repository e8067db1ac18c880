//! An entry of the audit log.

use posthorn_domain::{AccountId, AuditEntry, AuditId, GrantId, Mode, Timestamp};
use serde::Serialize;

/// Who did what to what, and when.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct AuditEntryBody {
    id: AuditId,
    created_at: Timestamp,
    account: Option<AccountId>,
    livemode: Option<Mode>,
    actor: ActorBody,
    action: String,
    target: String,
    request_id: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct ActorBody {
    kind: &'static str,
    id: GrantId,
}

impl From<AuditEntry> for AuditEntryBody {
    fn from(entry: AuditEntry) -> Self {
        Self {
            id: entry.id,
            created_at: entry.at(),
            account: entry.account,
            livemode: entry.mode,
            actor: ActorBody { kind: entry.actor.kind.into(), id: entry.actor.id },
            action: entry.action.to_string(),
            target: entry.target,
            request_id: entry.request_id,
        }
    }
}
