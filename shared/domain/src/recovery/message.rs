//! The messages that continue a recovery.

use serde::{Deserialize, Serialize};

use crate::account::{AccountId, Mode, Tenant};
use crate::id::RecoveryId;
use crate::json::without_byte_order_mark;

/// A message on the deliveries queue that asks for the next slice of a recovery.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecoveryMessage {
    /// The tenant that the recovery belongs to.
    pub tenant: Tenant,
    /// The recovery.
    pub recovery_id: RecoveryId,
    /// The number of slices done before this one. If more are done, the message does nothing.
    pub slice: u32,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Wire {
    account: AccountId,
    livemode: Mode,
    recovery_id: RecoveryId,
    slice: u32,
}

impl RecoveryMessage {
    /// Parses a message body; `None` if it is not a recovery message. It may be of another kind.
    pub fn parse(body: &str) -> Option<Self> {
        let wire: Wire = serde_json::from_str(without_byte_order_mark(body)).ok()?;
        let tenant = Tenant { account: wire.account, mode: wire.livemode };
        Some(Self { tenant, recovery_id: wire.recovery_id, slice: wire.slice })
    }

    /// Returns the message's body.
    pub fn to_json(&self) -> String {
        let wire = Wire {
            account: self.tenant.account.clone(),
            livemode: self.tenant.mode,
            recovery_id: self.recovery_id,
            slice: self.slice,
        };
        serde_json::to_string(&wire).expect("JSON can express every recovery message")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_read_back_and_others_are_left_to_others() {
        let body =
            r#"{"account":"a","livemode":true,"recovery_id":"rec_01JDB5G8Z7M4X3W2V1T0S9R8Q7","slice":3}"#;
        assert_eq!(RecoveryMessage::parse(body).unwrap().to_json(), body);
        assert_eq!(RecoveryMessage::parse(&body.replace("3}", "3,\"colour\":1}")), None);
        assert_eq!(RecoveryMessage::parse("{}"), None);
    }
}
