//! The messages on the first attempts queue and the deliveries queue.

use serde::{Deserialize, Serialize};

use crate::account::{AccountId, Mode, Tenant};
use crate::id::{EndpointId, EventId};
use crate::json::without_byte_order_mark;

/// A message on the first attempts queue or the deliveries queue. It contains only ids; the event and its state are in
/// the event log.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct DeliveryMessage {
    /// The tenant that the event belongs to.
    pub tenant: Tenant,
    /// The event.
    pub event_id: EventId,
    /// The chunk of the event's record that holds the delivery; `None` for the record itself.
    pub chunk: Option<u32>,
    /// What to do.
    pub work: DeliveryWork,
}

/// What a delivery message asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum DeliveryWork {
    /// The first attempt at one endpoint, which is cut short after at most a second. Does nothing if an attempt is on
    /// record.
    First {
        /// The endpoint.
        endpoint_id: EndpointId,
    },
    /// One attempt at one endpoint, with the full timeout.
    Attempt {
        /// The endpoint.
        endpoint_id: EndpointId,
        /// The attempt's number, 1 for the first. If it is on record, the message does nothing.
        attempt: u32,
    },
    /// A manual retry: one attempt outside the retry schedule.
    Resend {
        /// The endpoint.
        endpoint_id: EndpointId,
        /// A token that identifies the request. If an attempt with it is on record, the message does nothing.
        resend: u32,
    },
    /// The first attempts at all endpoints of the chunk.
    Chunk,
}

impl DeliveryWork {
    /// Returns whether the work ends within seconds, however slow its endpoints are.
    pub fn is_quick(self) -> bool {
        match self {
            Self::First { .. } | Self::Chunk => true,
            Self::Attempt { .. } | Self::Resend { .. } => false,
        }
    }
}

/// The message as JSON: an attempt has `endpoint_id` and one of `first`, `attempt` and `resend`, a chunk has none of them.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Wire {
    account: AccountId,
    livemode: Mode,
    event_id: EventId,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    chunk: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    endpoint_id: Option<EndpointId>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    first: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    attempt: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    resend: Option<u32>,
}

/// Why a message body is not a delivery message.
#[derive(Debug, thiserror::Error)]
pub enum InvalidDeliveryMessage {
    /// It is not the JSON of a delivery message.
    #[error("not a valid delivery message: {0}")]
    Json(#[from] serde_json::Error),
    /// It has some fields of an attempt, some of a chunk.
    #[error(
        "a delivery message must have `endpoint_id` and one of `first`, `attempt` (at least 1) and `resend`, or `chunk` \
         without any of these"
    )]
    Mixed,
}

impl DeliveryMessage {
    /// Parses a message body.
    pub fn parse(body: &str) -> Result<Self, InvalidDeliveryMessage> {
        let wire: Wire = serde_json::from_str(without_byte_order_mark(body))?;
        let work = match (wire.endpoint_id, wire.first, wire.attempt, wire.resend) {
            (Some(endpoint_id), true, None, None) => DeliveryWork::First { endpoint_id },
            (Some(endpoint_id), false, Some(attempt @ 1..), None) => {
                DeliveryWork::Attempt { endpoint_id, attempt }
            }
            (Some(endpoint_id), false, None, Some(resend)) => DeliveryWork::Resend { endpoint_id, resend },
            (None, false, None, None) if wire.chunk.is_some() => DeliveryWork::Chunk,
            _ => return Err(InvalidDeliveryMessage::Mixed),
        };
        let tenant = Tenant { account: wire.account, mode: wire.livemode };
        Ok(Self { tenant, event_id: wire.event_id, chunk: wire.chunk, work })
    }

    /// Returns the message's body.
    pub fn to_json(&self) -> String {
        let (endpoint_id, first, attempt, resend) = match self.work {
            DeliveryWork::First { endpoint_id } => (Some(endpoint_id), true, None, None),
            DeliveryWork::Attempt { endpoint_id, attempt } => (Some(endpoint_id), false, Some(attempt), None),
            DeliveryWork::Resend { endpoint_id, resend } => (Some(endpoint_id), false, None, Some(resend)),
            DeliveryWork::Chunk => (None, false, None, None),
        };
        let wire = Wire {
            account: self.tenant.account.clone(),
            livemode: self.tenant.mode,
            event_id: self.event_id,
            chunk: self.chunk,
            endpoint_id,
            first,
            attempt,
            resend,
        };
        serde_json::to_string(&wire).expect("JSON can express every delivery message")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_read_back_and_malformed_ones_are_refused() {
        let ids = r#""account":"a","livemode":true,"event_id":"evt_01JDB5G8Z7M4X3W2V1T0S9R8Q7""#;
        let endpoint = r#""endpoint_id":"wh_01JDB5G8Z7M4X3W2V1T0S9R8Q7""#;
        let check = |rest: &str, good: bool| {
            let body = format!("{{{ids}{rest}}}");
            match DeliveryMessage::parse(&body) {
                Ok(message) => assert_eq!((message.to_json(), good), (body, true)),
                Err(error) => assert!(!good, "{body}: {error}"),
            }
        };
        check(&format!(",{endpoint},\"attempt\":2"), true);
        check(&format!(",\"chunk\":3,{endpoint},\"attempt\":2"), true);
        check(",\"chunk\":3", true);
        check(&format!(",{endpoint},\"first\":true"), true);
        check(&format!(",\"chunk\":3,{endpoint},\"first\":true"), true);
        check(&format!(",{endpoint},\"first\":true,\"attempt\":1"), false);
        check(",\"chunk\":3,\"first\":true", false);
        check(&format!(",{endpoint},\"resend\":7"), true);
        check(&format!(",{endpoint},\"attempt\":2,\"resend\":7"), false);
        check("", false);
        check(&format!(",{endpoint}"), false);
        check(&format!(",{endpoint},\"attempt\":0"), false);
        check(",\"chunk\":3,\"colour\":1", false);
    }
}
