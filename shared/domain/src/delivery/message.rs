//! The messages on the first attempts queue and the deliveries queue.

use serde::Serialize;

use crate::account::{AccountId, Mode, Tenant};
use crate::id::{EndpointId, EventId, RecoveryId};
use crate::invalid::Invalid;
use crate::json::{Count, Fields, Flag, InvalidField, without_byte_order_mark};

/// A message on the first attempts queue or the deliveries queue. It contains only ids; the event and its state are in
/// the event log, a recovery in its own row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WorkMessage {
    /// Work on the deliveries of one event.
    Delivery(DeliveryMessage),
    /// The next slice of a recovery.
    Recovery(RecoveryMessage),
    /// The next probe of an endpoint that is down.
    Probe(ProbeMessage),
}

/// A message about the deliveries of one event.
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

/// A message that asks for the next slice of a recovery.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecoveryMessage {
    /// The tenant that the recovery belongs to.
    pub tenant: Tenant,
    /// The recovery.
    pub recovery_id: RecoveryId,
    /// The number of slices done before this one. If more are done, the message does nothing.
    pub slice: u32,
}

/// A message that asks for the next probe of an endpoint that is down.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProbeMessage {
    /// The tenant that the endpoint belongs to.
    pub tenant: Tenant,
    /// The endpoint.
    pub endpoint_id: EndpointId,
    /// The number of probes made before this one. If more were made, the message does nothing.
    pub probe: u32,
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

impl WorkMessage {
    /// Parses a message body. Its fields say which kind it is: an attempt has `event_id`, `endpoint_id` and one of
    /// `first`, `attempt` and `resend`; a chunk has `event_id` and `chunk` alone; a slice of a recovery has
    /// `recovery_id` and `slice`; a probe has `endpoint_id` and `probe` alone.
    pub fn parse(body: &str) -> Result<Self, InvalidField> {
        let mut fields = Fields::parse(without_byte_order_mark(body))?;
        let tenant = Tenant { account: fields.required("account")?, mode: fields.required("livemode")? };
        let message = if let Some(recovery_id) = fields.optional("recovery_id")? {
            let Count(slice) = fields.required("slice")?;
            Self::Recovery(RecoveryMessage { tenant, recovery_id, slice })
        } else if let Some(Count(probe)) = fields.optional("probe")? {
            Self::Probe(ProbeMessage { tenant, endpoint_id: fields.required("endpoint_id")?, probe })
        } else {
            let event_id = fields.required("event_id")?;
            let chunk = fields.optional("chunk")?.map(|Count(chunk)| chunk);
            let work = DeliveryWork::read(&mut fields, chunk.is_some())?;
            Self::Delivery(DeliveryMessage { tenant, event_id, chunk, work })
        };
        fields.finish()?;
        Ok(message)
    }
}

impl DeliveryWork {
    fn read(fields: &mut Fields<'_>, is_in_chunk: bool) -> Result<Self, InvalidField> {
        let endpoint_id = fields.optional("endpoint_id")?;
        let Flag(first) = fields.optional("first")?.unwrap_or_default();
        let attempt = fields.optional("attempt")?.map(|Count(attempt)| attempt);
        let resend = fields.optional("resend")?.map(|Count(resend)| resend);
        match (endpoint_id, first, attempt, resend) {
            (Some(endpoint_id), true, None, None) => Ok(Self::First { endpoint_id }),
            (Some(endpoint_id), false, Some(attempt @ 1..), None) => {
                Ok(Self::Attempt { endpoint_id, attempt })
            }
            (Some(endpoint_id), false, None, Some(resend)) => Ok(Self::Resend { endpoint_id, resend }),
            (None, false, None, None) if is_in_chunk => Ok(Self::Chunk),
            _ => {
                let reason = "needs one of `first`, `attempt` (from 1) and `resend` beside it, and is left out \
                              only for a whole `chunk`";
                Err(InvalidField::Field { param: "endpoint_id".to_owned(), reason: Invalid::because(reason) })
            }
        }
    }
}

impl DeliveryMessage {
    /// Returns the message's body.
    pub fn to_json(&self) -> String {
        #[derive(Serialize)]
        struct Message<'a> {
            account: &'a AccountId,
            livemode: Mode,
            event_id: EventId,
            #[serde(skip_serializing_if = "Option::is_none")]
            chunk: Option<u32>,
            #[serde(skip_serializing_if = "Option::is_none")]
            endpoint_id: Option<EndpointId>,
            #[serde(skip_serializing_if = "std::ops::Not::not")]
            first: bool,
            #[serde(skip_serializing_if = "Option::is_none")]
            attempt: Option<u32>,
            #[serde(skip_serializing_if = "Option::is_none")]
            resend: Option<u32>,
        }
        let (endpoint_id, first, attempt, resend) = match self.work {
            DeliveryWork::First { endpoint_id } => (Some(endpoint_id), true, None, None),
            DeliveryWork::Attempt { endpoint_id, attempt } => (Some(endpoint_id), false, Some(attempt), None),
            DeliveryWork::Resend { endpoint_id, resend } => (Some(endpoint_id), false, None, Some(resend)),
            DeliveryWork::Chunk => (None, false, None, None),
        };
        let message = Message {
            account: &self.tenant.account,
            livemode: self.tenant.mode,
            event_id: self.event_id,
            chunk: self.chunk,
            endpoint_id,
            first,
            attempt,
            resend,
        };
        serde_json::to_string(&message).expect("JSON can express every message")
    }
}

impl RecoveryMessage {
    /// Returns the message's body.
    pub fn to_json(&self) -> String {
        #[derive(Serialize)]
        struct Slice {
            recovery_id: RecoveryId,
            slice: u32,
        }
        body(&self.tenant, &Slice { recovery_id: self.recovery_id, slice: self.slice })
    }
}

impl ProbeMessage {
    /// Returns the message's body.
    pub fn to_json(&self) -> String {
        #[derive(Serialize)]
        struct Probe {
            endpoint_id: EndpointId,
            probe: u32,
        }
        body(&self.tenant, &Probe { endpoint_id: self.endpoint_id, probe: self.probe })
    }
}

/// Returns a body with the tenant and these fields.
fn body(tenant: &Tenant, fields: &impl Serialize) -> String {
    #[derive(Serialize)]
    struct Message<'a, Rest> {
        account: &'a AccountId,
        livemode: Mode,
        #[serde(flatten)]
        rest: &'a Rest,
    }
    let message = Message { account: &tenant.account, livemode: tenant.mode, rest: fields };
    serde_json::to_string(&message).expect("JSON can express every message")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_read_back_and_malformed_ones_are_refused() {
        let tenant = r#""account":"a","livemode":true"#;
        let event = r#""event_id":"evt_01JDB5G8Z7M4X3W2V1T0S9R8Q7""#;
        let endpoint = r#""endpoint_id":"wh_01JDB5G8Z7M4X3W2V1T0S9R8Q7""#;
        let recovery = r#""recovery_id":"rec_01JDB5G8Z7M4X3W2V1T0S9R8Q7""#;
        let parse = |rest: &str| {
            let body = format!("{{{tenant},{rest}}}");
            (WorkMessage::parse(&body), body)
        };
        for good in [
            format!("{event},{endpoint},\"attempt\":2"),
            format!("{event},\"chunk\":3,{endpoint},\"attempt\":2"),
            format!("{event},\"chunk\":3"),
            format!("{event},{endpoint},\"first\":true"),
            format!("{event},\"chunk\":3,{endpoint},\"first\":true"),
            format!("{event},{endpoint},\"resend\":7"),
            format!("{recovery},\"slice\":0"),
            format!("{endpoint},\"probe\":0"),
        ] {
            let (message, body) = parse(&good);
            let read_back = match message.unwrap() {
                WorkMessage::Delivery(message) => message.to_json(),
                WorkMessage::Recovery(message) => message.to_json(),
                WorkMessage::Probe(message) => message.to_json(),
            };
            assert_eq!(read_back, body);
        }
        let check = |rest: &str, sentence: &str| {
            let error = parse(rest).0.unwrap_err().to_string();
            assert!(error.starts_with(sentence), "{rest}: {error}");
        };
        check("\"slice\":1", "`event_id` is required");
        check(event, "`endpoint_id` needs one of");
        check(&format!("{event},{endpoint}"), "`endpoint_id` needs one of");
        check(&format!("{event},{endpoint},\"attempt\":0"), "`endpoint_id` needs one of");
        check(&format!("{event},{endpoint},\"attempt\":-1"), "`attempt` must be a whole number");
        check(&format!("{event},{endpoint},\"first\":true,\"attempt\":1"), "`endpoint_id` needs one of");
        check(&format!("{event},{endpoint},\"attempt\":2,\"resend\":7"), "`endpoint_id` needs one of");
        check(&format!("{event},\"chunk\":3,\"first\":true"), "`endpoint_id` needs one of");
        check(&format!("{event},\"chunk\":3,\"colour\":1"), "`colour` is not a field");
        check(recovery, "`slice` is required");
        check("\"probe\":1", "`endpoint_id` is required");
        check(&format!("{endpoint},\"probe\":1,{event}"), "`event_id` is not a field");
        check(&format!("{recovery},\"slice\":1,{event}"), "`event_id` is not a field");
    }
}
