//! The messages on the events queue.

use serde::Serialize;

use crate::account::{AccountId, Mode, Tenant};
use crate::event::Event;
use crate::event::draft::EventDraft;
use crate::id::{EndpointId, EventId, EventShards, Partition};
use crate::invalid::Invalid;
use crate::json::{Fields, Flag, InvalidField, escape_noncharacters, without_byte_order_mark};
use crate::metadata::KeptMetadata;
use crate::time::Timestamp;

/// A message on the events queue: `{"account": …, "livemode": …, "event": {…}}`. The event has the fields that
/// [`EventDraft::read`] takes, and may have an `id`, as from `publish-event`. With an `endpoint_id` beside `account`,
/// it goes to that endpoint only, whatever the endpoint subscribes to; `test-endpoint` uses this.
///
/// A message on the queue was accepted, maybe by an earlier release. So its `created_at` is ignored, as the id contains
/// the time of acceptance, and metadata that is refused today is accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventMessage {
    /// The tenant that the event belongs to.
    pub tenant: Tenant,
    /// The only endpoint to send it to; `None` for all that subscribe to its type.
    pub endpoint_id: Option<EndpointId>,
    /// Whether the sender of the message has already claimed the event's idempotency key.
    pub claimed: bool,
    /// The event's id, if the producer gave one.
    pub id: Option<EventId>,
    /// The publisher's fields.
    pub draft: EventDraft,
}

impl EventMessage {
    /// Parses a message body.
    pub fn parse(body: &str) -> Result<Self, InvalidField> {
        let mut message = Fields::parse(without_byte_order_mark(body))?;
        let account: AccountId = message.required("account")?;
        let mode: Mode = message.required("livemode")?;
        let endpoint_id = message.optional("endpoint_id")?;
        let Flag(claimed) = message.optional("claimed")?.unwrap_or_default();
        let mut fields = message.object("event")?;
        message.finish()?;
        let id = fields.optional("id")?;
        let had_created_at = fields.ignore(&["created_at"]);
        let mut draft = EventDraft::read_as::<KeptMetadata>(&mut fields)?;
        fields.finish()?;
        // publish-event of 0.1.0, which gives both id and time, accepts an empty key. It means no key.
        if id.is_some() && had_created_at {
            draft.request.idempotency_key.take_if(|key| key.as_str().is_empty());
        }
        draft.require_key()?;
        Ok(Self { tenant: Tenant { account, mode }, endpoint_id, claimed, id, draft })
    }

    /// Returns the message's body.
    pub fn to_json(&self) -> String {
        #[derive(Serialize)]
        struct Message<'a> {
            account: &'a AccountId,
            livemode: Mode,
            #[serde(skip_serializing_if = "Option::is_none")]
            endpoint_id: Option<EndpointId>,
            #[serde(skip_serializing_if = "std::ops::Not::not")]
            claimed: bool,
            event: MessageEvent<'a>,
        }
        #[derive(Serialize)]
        struct MessageEvent<'a> {
            #[serde(skip_serializing_if = "Option::is_none")]
            id: Option<EventId>,
            #[serde(flatten)]
            draft: &'a EventDraft,
        }
        let message = Message {
            account: &self.tenant.account,
            livemode: self.tenant.mode,
            endpoint_id: self.endpoint_id,
            claimed: self.claimed,
            event: MessageEvent { id: self.id, draft: &self.draft },
        };
        let json = serde_json::to_string(&message).expect("JSON can express every message");
        escape_noncharacters(&json).into_owned()
    }

    /// Returns the event. `sent_at` and `message_id` are those of the message that was sent first: an event without an
    /// id gets one that follows from them, in one of `shards` shards. Errors if the event's id is not in a partition of
    /// its type, because nobody would find the event there. The id may be in any shard, whatever the number of shards
    /// is now.
    pub fn into_event(
        self,
        message_id: &str,
        sent_at: Timestamp,
        shards: EventShards,
    ) -> Result<(Tenant, Event), InvalidField> {
        let id = self.event_id(message_id, sent_at, shards)?;
        let event = self.draft.accept(self.tenant.mode, id);
        Ok((self.tenant, event))
    }

    /// Returns the message with the id that [`Self::into_event`] would give its event. Sent again under another message
    /// id, it is still the same event, byte for byte.
    pub fn identified(
        self,
        message_id: &str,
        sent_at: Timestamp,
        shards: EventShards,
    ) -> Result<Self, InvalidField> {
        Ok(Self { id: Some(self.event_id(message_id, sent_at, shards)?), ..self })
    }

    fn event_id(
        &self,
        message_id: &str,
        sent_at: Timestamp,
        shards: EventShards,
    ) -> Result<EventId, InvalidField> {
        let event_type = &self.draft.event_type;
        let id = self.id.unwrap_or_else(|| EventId::of_message(sent_at, message_id, event_type, shards));
        if id.partition().first() != Partition::of(event_type) {
            let reason =
                Invalid::because("is not an id for an event of this type. Leave it out to get a valid one.");
            return Err(InvalidField::Field { param: "id".to_owned(), reason });
        }
        Ok(id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::event_type::EventType;

    const ODD: &str = r#"{ "z": 12345678901234567890, "a": "\u00e9😀\/", "m": [1.0e5,  -0.10] }"#;

    fn message(event: &str) -> String {
        format!(r#"{{"account":"acct_1","livemode":false,"event":{event}}}"#)
    }

    #[test]
    fn data_travels_byte_for_byte() {
        let body = message(&format!(r#"{{"type":"a.b","data":{ODD}}}"#));
        let read = EventMessage::parse(&body).unwrap();
        let again = EventMessage::parse(&read.to_json()).unwrap();
        assert_eq!(read, again);
        let (_, event) = again.into_event("m", Timestamp::from_millis(0), EventShards::ONE).unwrap();
        assert!(event.to_json().contains(&format!("\"data\":{ODD},")));
    }

    #[test]
    fn the_two_characters_that_a_queue_does_not_take_travel_as_escapes() {
        let event = "{\"type\":\"a\",\"data\":{\"\u{fffe}\":\"，\u{ffff}\"},\"object_id\":\"\u{ffff}\",\
                     \"metadata\":{\"n\":\"\u{fffe}\"}}";
        let read = EventMessage::parse(&message(event)).unwrap();
        let sent = read.to_json();
        assert!(!sent.contains(['\u{fffe}', '\u{ffff}']), "{sent}");
        assert!(sent.contains("{\"\\ufffe\":\"，\\uffff\"}"), "{sent}");
        assert_eq!(EventMessage::parse(&sent).unwrap(), read);
    }

    #[test]
    fn what_an_earlier_release_put_on_the_queue_is_understood() {
        let id = EventId::new(Timestamp::from_millis(1_000), Partition::of(&"a".parse().unwrap()), 1);
        let deep = format!("{}{}", "[".repeat(60), "]".repeat(60));
        let event = |request: &str| {
            format!(
                r#"{{"id":"{id}","created_at":"2026-01-01T00:00:00Z","type":"a","data":{{}},"request":{request},
                "metadata":{{"n":"Ada \ud83d","m":1e999,"d":{deep}}}}}"#
            )
        };
        let read = EventMessage::parse(&message(&event(r#"{"idempotency_key":""}"#))).unwrap();
        assert_eq!(EventMessage::parse(&read.to_json()).unwrap(), read);
        let (_, event) = read.into_event("m", Timestamp::from_millis(9), EventShards::ONE).unwrap();
        assert_eq!(event.created_at(), Timestamp::from_millis(1_000));
        assert!(event.to_json().contains(r#""n":"Ada \ud83d","m":1e999"#), "{}", event.to_json());
    }

    #[test]
    fn a_message_may_begin_with_a_byte_order_mark() {
        let body = message(r#"{"type":"a","data":{}}"#);
        let marked = format!("\u{feff}{body}");
        assert_eq!(EventMessage::parse(&marked).unwrap(), EventMessage::parse(&body).unwrap());
    }

    #[test]
    fn an_empty_idempotency_key_is_an_error() {
        let error =
            EventMessage::parse(&message(r#"{"type":"a","data":{},"request":{"idempotency_key":""}}"#));
        let error = error.unwrap_err().to_string();
        assert!(error.starts_with("`request.idempotency_key` must not be empty"), "{error}");
        let mut fields = Fields::parse(r#"{"type":"a","data":{},"request":{"idempotency_key":""}}"#).unwrap();
        assert_eq!(EventDraft::read(&mut fields).unwrap_err().to_string(), error);
    }

    #[test]
    fn a_message_may_name_the_only_endpoint() {
        let id = "wh_01KARZ3NDEKTSV4RRFFQ69G5FA";
        let event = r#"{"type":"a.b","data":{}}"#;
        let body = format!(r#"{{"account":"acct_1","livemode":false,"endpoint_id":"{id}","event":{event}}}"#);
        let read = EventMessage::parse(&body).unwrap();
        assert_eq!(read.endpoint_id, Some(id.parse().unwrap()));
        assert_eq!(EventMessage::parse(&read.to_json()).unwrap(), read);
        assert_eq!(EventMessage::parse(&message(event)).unwrap().endpoint_id, None);
    }

    #[test]
    fn a_message_that_is_not_an_event_is_refused_with_the_reason() {
        let check = |body: &str, sentence: &str| {
            assert_eq!(EventMessage::parse(body).unwrap_err().to_string(), sentence);
        };
        check("", "not valid JSON: EOF while parsing a value at line 1 column 0");
        check("{}", "`account` is required");
        check(&message(r#"{"type":"a"}"#), "`data` is required");
        check(&message(r#"{"type":"a","data":[]}"#), "`data` must be an object");
        check(r#"{"account":"a","livemode":"yes","event":{}}"#, "`livemode` must be true or false");
        let unknown = EventMessage::parse(&message(r#"{"type":"a","data":{},"colour":1}"#)).unwrap_err();
        assert!(unknown.to_string().starts_with("`colour` is not a field"));
    }

    #[test]
    fn an_identified_message_is_the_same_event_under_any_other_message_id() {
        let read = || EventMessage::parse(&message(&format!(r#"{{"type":"a.b","data":{ODD}}}"#))).unwrap();
        let (first, later) = (Timestamp::from_millis(1_000), Timestamp::from_millis(9_000));
        let (tenant, event) = read().into_event("m1", first, EventShards::ONE).unwrap();
        let again = EventMessage::parse(&read().identified("m1", first, EventShards::ONE).unwrap().to_json())
            .unwrap();
        let (same_tenant, same) = again.into_event("m2", later, EventShards::ONE).unwrap();
        assert_eq!((same_tenant, same.to_json()), (tenant, event.to_json()));
        assert_ne!(read().into_event("m2", later, EventShards::ONE).unwrap().1.id, event.id);
    }

    #[test]
    fn an_id_made_for_another_type_is_refused() {
        let id = EventId::new(Timestamp::from_millis(1), Partition::of(&"a".parse().unwrap()), 1);
        let of = |event_type: &str| {
            let body = message(&format!(r#"{{"id":"{id}","type":"{event_type}","data":{{}}}}"#));
            EventMessage::parse(&body).unwrap().into_event("m", Timestamp::from_millis(0), EventShards::ONE)
        };
        assert_eq!(of("a").unwrap().1.id, id);
        assert!(of("b").is_err());
    }

    #[test]
    fn an_id_made_for_any_shard_of_its_type_is_taken_whatever_the_number_of_shards() {
        let event_type: EventType = "a".parse().unwrap();
        for shard in 0..16_u64 {
            let sixteen = "16".parse().unwrap();
            let id = EventId::of_event(Timestamp::from_millis(1), &event_type, sixteen, shard << 60);
            let body = message(&format!(r#"{{"id":"{id}","type":"a","data":{{}}}}"#));
            let read = EventMessage::parse(&body).unwrap();
            let (_, event) = read.into_event("m", Timestamp::from_millis(0), EventShards::ONE).unwrap();
            assert_eq!(
                (event.id, u64::from(id.partition() != Partition::of(&event_type))),
                (id, shard.min(1))
            );
        }
    }
}
