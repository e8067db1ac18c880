//! The audit log: who changed what, and who read a secret.

use std::time::Duration;

use strum::{Display, EnumString, IntoStaticStr, VariantArray};

use crate::account::{AccountId, Mode};
use crate::id::{AuditId, GrantId};
use crate::invalid::Invalid;
use crate::time::Timestamp;

/// An entry of the audit log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditEntry {
    /// Its id.
    pub id: AuditId,
    /// The account that the change concerns; `None` for the platform itself.
    pub account: Option<AccountId>,
    /// Live or test data; `None` if the change concerns both.
    pub mode: Option<Mode>,
    /// Who made the change.
    pub actor: Actor,
    /// What was done.
    pub action: AuditAction,
    /// The id of what it was done to.
    pub target: String,
    /// The id of the request.
    pub request_id: String,
}

impl AuditEntry {
    /// How long an entry is kept.
    pub const KEPT: Duration = Duration::from_hours(365 * 24);

    /// Returns when the change was made.
    pub fn at(&self) -> Timestamp {
        self.id.at()
    }
}

/// Who made a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Actor {
    /// The kind of its credential.
    pub kind: ActorKind,
    /// The id of its credential.
    pub id: GrantId,
}

/// The kind of a credential.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Display, EnumString, IntoStaticStr, VariantArray)]
#[strum(serialize_all = "snake_case", parse_err_ty = Invalid, parse_err_fn = Invalid::none_of::<ActorKind>)]
pub enum ActorKind {
    /// An account's API key.
    Key,
    /// A platform key.
    PlatformKey,
    /// The key of a component, which signs its requests.
    Component,
    /// A portal session.
    Session,
}

/// What was done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Display, EnumString, IntoStaticStr, VariantArray)]
#[strum(parse_err_ty = Invalid, parse_err_fn = Invalid::none_of::<AuditAction>)]
pub enum AuditAction {
    /// An endpoint was registered.
    #[strum(serialize = "webhook_endpoint.created")]
    EndpointCreated,
    /// An endpoint was changed.
    #[strum(serialize = "webhook_endpoint.updated")]
    EndpointUpdated,
    /// An endpoint was paused.
    #[strum(serialize = "webhook_endpoint.paused")]
    EndpointPaused,
    /// An endpoint was resumed.
    #[strum(serialize = "webhook_endpoint.resumed")]
    EndpointResumed,
    /// An endpoint was deleted.
    #[strum(serialize = "webhook_endpoint.deleted")]
    EndpointDeleted,
    /// An endpoint's signing secret was read.
    #[strum(serialize = "secret.read")]
    SecretRead,
    /// An endpoint's signing secret was replaced.
    #[strum(serialize = "secret.rotated")]
    SecretRotated,
    /// A key was created.
    #[strum(serialize = "key.created")]
    KeyCreated,
    /// A key was revoked.
    #[strum(serialize = "key.revoked")]
    KeyRevoked,
    /// A portal session was created.
    #[strum(serialize = "session.created")]
    SessionCreated,
    /// All portal sessions of an account were ended.
    #[strum(serialize = "sessions.ended")]
    SessionsEnded,
    /// An account was created or changed.
    #[strum(serialize = "account.updated")]
    AccountUpdated,
    /// The deletion of an account was requested.
    #[strum(serialize = "account.deleted")]
    AccountDeleted,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn actions_and_kinds_are_read_as_they_are_written() {
        for &action in AuditAction::VARIANTS {
            assert_eq!(action.to_string().parse(), Ok(action));
        }
        for &kind in ActorKind::VARIANTS {
            assert_eq!(kind.to_string().parse(), Ok(kind));
        }
        assert!("endpoint.created".parse::<AuditAction>().is_err());
    }
}
