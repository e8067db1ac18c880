//! Things that happened, as publishers tell them and endpoints hear of them.

use std::borrow::Cow;
use std::fmt::Write as _;

use memchr::memchr2_iter;
use serde::{Serialize, Serializer};
use serde_json::value::RawValue;
use sha2::{Digest as _, Sha256};

use crate::described_object::DescribedObject;
use crate::fields::require_object;
use crate::json::{depth, escape_noncharacters, without_byte_order_mark};
use crate::metadata::KeptMetadata;
use crate::{
    AccountId, ApiVersion, EndpointId, EventId, EventShards, EventType, Fields, Flag, FromJson, Invalid,
    InvalidField, Metadata, Mode, Partition, ShortText, Tenant, Timestamp,
};

/// The most bytes that an event's JSON may have: 256 KiB.
pub const MAX_EVENT_BYTES: usize = 256 * 1024;

/// How deep an event's data may be nested: what serde_json itself reads, and most parsers with it, less the event
/// around it.
const MAX_DEPTH: usize = 100;

/// What the event is about: any JSON object, kept byte for byte as the publisher wrote it, but for U+FFFE and U+FFFF: SQS
/// does not take these two characters, so they become their escapes.
#[derive(Debug, Clone)]
pub struct EventData(Box<RawValue>);

impl EventData {
    /// The JSON as it was written.
    pub fn as_json(&self) -> &str {
        self.0.get()
    }
}

impl PartialEq for EventData {
    fn eq(&self, other: &Self) -> bool {
        self.as_json() == other.as_json()
    }
}

impl Eq for EventData {}

impl FromJson for EventData {
    fn from_json(json: &RawValue) -> Result<Self, Invalid> {
        require_object(json)?;
        if is_too_deep(json.get()) {
            return Err(Invalid::because(format!("must not be nested deeper than {MAX_DEPTH} levels")));
        }
        Ok(Self(match escape_noncharacters(json.get()) {
            Cow::Borrowed(_) => json.to_owned(),
            Cow::Owned(json) => RawValue::from_string(json).expect("JSON with other escapes is JSON"),
        }))
    }
}

/// Whether objects and arrays are nested too deep for a receiver's parser. Where there are few of them they cannot be.
fn is_too_deep(json: &str) -> bool {
    memchr2_iter(b'{', b'[', json.as_bytes()).count() > MAX_DEPTH && depth(json) > MAX_DEPTH
}

impl Serialize for EventData {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}

/// What caused an event, as far as the publisher knows.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct EventRequest {
    /// The request that caused it.
    pub id: Option<ShortText>,
    /// The key that made that request safe to repeat.
    pub idempotency_key: Option<ShortText>,
    /// Who made it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub requested_by: Option<ShortText>,
}

impl EventRequest {
    /// Refuses an empty idempotency key: whoever sends one has forgotten to fill it in, and all of their events would
    /// be the same one.
    fn require_key(&self) -> Result<(), Invalid> {
        if self.idempotency_key.as_ref().is_some_and(|key| key.as_str().is_empty()) {
            return Err(Invalid::because(
                "must not be empty: give each event a key of its own, or leave the field out",
            ));
        }
        Ok(())
    }
}

impl FromJson for EventRequest {
    fn from_json(json: &RawValue) -> Result<Self, Invalid> {
        let read = || {
            let mut fields = Fields::parse(json.get())?;
            let request = Self {
                id: fields.optional("id")?,
                idempotency_key: fields.optional("idempotency_key")?,
                requested_by: fields.optional("requested_by")?,
            };
            fields.finish()?;
            Ok(request)
        };
        read().map_err(|error: InvalidField| Invalid::because(format!("is wrong inside: {error}")))
    }
}

/// What a publisher says of an event.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct EventDraft {
    /// What kind of thing happened.
    #[serde(rename = "type")]
    pub event_type: EventType,
    /// The version of the data's shape.
    pub api_version: ApiVersion,
    /// What the event is about.
    pub data: EventData,
    /// The type of that object.
    pub object_type: Option<ShortText>,
    /// Its id.
    pub object_id: Option<ShortText>,
    /// What caused the event.
    pub request: EventRequest,
    /// The publisher's own notes.
    pub metadata: Metadata,
}

impl EventDraft {
    /// Reads the fields that a publisher gives: `type` and `data` are required. `object_type` and `object_id`
    /// default to what `data.object` says of itself in its `object` and `id` fields.
    pub fn read(fields: &mut Fields<'_>) -> Result<Self, InvalidField> {
        let draft = Self::read_as::<Metadata>(fields)?;
        draft.require_key()?;
        Ok(draft)
    }

    /// The same, where `metadata` is read as `M`.
    fn read_as<M: FromJson + Into<Metadata>>(fields: &mut Fields<'_>) -> Result<Self, InvalidField> {
        let event_type = fields.required("type")?;
        let data: EventData = fields.required("data")?;
        let api_version = fields.optional("api_version")?.unwrap_or_default();
        let mut object_type = fields.optional("object_type")?;
        let mut object_id = fields.optional("object_id")?;
        if object_type.is_none() || object_id.is_none() {
            let described = DescribedObject::of(data.as_json());
            object_type = object_type.or_else(|| described.object_type());
            object_id = object_id.or_else(|| described.id());
        }
        let metadata = fields.optional::<M>("metadata")?;
        Ok(Self {
            event_type,
            api_version,
            object_type,
            object_id,
            request: fields.optional("request")?.unwrap_or_default(),
            metadata: metadata.map(M::into).unwrap_or_default(),
            data,
        })
    }

    fn require_key(&self) -> Result<(), InvalidField> {
        let wrong = |reason| InvalidField::Field { param: "request.idempotency_key".to_owned(), reason };
        self.request.require_key().map_err(wrong)
    }

    /// The SHA-256 of what the publisher said, in hexadecimal. The request that said it does not count: the same event
    /// said again has the same one.
    pub fn fingerprint(&self) -> String {
        let request = EventRequest { id: None, ..self.request.clone() };
        let draft = Self { request, ..self.clone() };
        let json = serde_json::to_string(&draft).expect("a draft holds nothing that JSON cannot");
        Sha256::digest(json.as_bytes()).iter().fold(String::new(), |mut hash, byte| {
            write!(hash, "{byte:02x}").expect("writing to a string does not fail");
            hash
        })
    }

    /// The accepted event.
    pub fn accept(self, mode: Mode, id: EventId) -> Event {
        Event { id, mode, draft: self }
    }
}

/// An accepted event: what a publisher said, and the id that Posthorn gave it. It serializes as the
/// API's event object. As that depends on nothing else, every attempt at every endpoint sends the same bytes;
/// hence `pending_webhooks`, a live count in the API, reads 0 here: the state when the event was accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// What the event is called; also its `webhook-id`.
    pub id: EventId,
    /// Live or test.
    pub mode: Mode,
    /// What the publisher said.
    pub draft: EventDraft,
}

impl Event {
    /// When it was accepted: its id's time, by which events are listed, filtered and recovered.
    pub fn created_at(&self) -> Timestamp {
        self.id.at()
    }

    /// The event's JSON: the body of every delivery.
    pub fn to_json(&self) -> String {
        serde_json::to_string(self).expect("an event holds nothing that JSON cannot")
    }
}

impl Serialize for Event {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct EventObject<'a> {
            id: EventId,
            livemode: Mode,
            r#type: &'a EventType,
            api_version: &'a ApiVersion,
            data: &'a EventData,
            object_type: Option<&'a ShortText>,
            object_id: Option<&'a ShortText>,
            request: &'a EventRequest,
            pending_webhooks: u32,
            metadata: &'a Metadata,
            created_at: Timestamp,
            updated_at: Timestamp,
        }
        let EventDraft { event_type, api_version, data, object_type, object_id, request, metadata } =
            &self.draft;
        EventObject {
            id: self.id,
            livemode: self.mode,
            r#type: event_type,
            api_version,
            data,
            object_type: object_type.as_ref(),
            object_id: object_id.as_ref(),
            request,
            pending_webhooks: 0,
            metadata,
            created_at: self.created_at(),
            updated_at: self.created_at(),
        }
        .serialize(serializer)
    }
}

/// A message on the events queue: `{"account": …, "livemode": …, "event": {…}}`. The event is what
/// [`EventDraft::read`] takes, and may name its `id`, as `publish-event` does. With an `endpoint_id` beside `account` it
/// goes to that endpoint alone, whatever the endpoint subscribed to, as `test-endpoint` wants.
///
/// What is on the queue was accepted, maybe by an earlier release: its `created_at` is overlooked, as the id says when it
/// was accepted, and its metadata may be such as is refused today.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventMessage {
    /// Whose event it is.
    pub tenant: Tenant,
    /// The only endpoint to send it to, where it is not for all that want it.
    pub endpoint_id: Option<EndpointId>,
    /// Whether its idempotency key stands for it already: whoever sent the message has seen to that.
    pub claimed: bool,
    /// The event's id, where the producer gave it one.
    pub id: Option<EventId>,
    /// What happened.
    pub draft: EventDraft,
}

impl EventMessage {
    /// Reads a message body.
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
        // publish-event of 0.1.0, which names both id and time, takes an empty key: it stands for none.
        if id.is_some() && had_created_at {
            draft.request.idempotency_key.take_if(|key| key.as_str().is_empty());
        }
        draft.require_key()?;
        Ok(Self { tenant: Tenant { account, mode }, endpoint_id, claimed, id, draft })
    }

    /// The message's body.
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
        let json = serde_json::to_string(&message).expect("a message holds nothing that JSON cannot");
        escape_noncharacters(&json).into_owned()
    }

    /// The event, where the message that brought it was first sent at `sent_at` under `message_id`: an event
    /// without an id gets the one that follows from the message's, in one of so many shards. An id that lies elsewhere
    /// than its type's events is refused: nobody would find the event there. It may lie in any shard, whatever the number
    /// of shards is now.
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

    /// The message that names the id which [`Self::into_event`] would give its event. Sent again under another message
    /// id, it is still the same event, to the byte.
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
            let reason = Invalid::because("was not made for an event of this type; leave it out");
            return Err(InvalidField::Field { param: "id".to_owned(), reason });
        }
        Ok(id)
    }
}

impl FromJson for Mode {
    fn from_json(json: &RawValue) -> Result<Self, Invalid> {
        match json.get() {
            "true" => Ok(Self::Live),
            "false" => Ok(Self::Test),
            _ => Err(Invalid::because("must be true or false")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
    fn the_request_that_published_an_event_does_not_count_in_its_fingerprint() {
        let of = |event: &str| EventMessage::parse(&message(event)).unwrap().draft.fingerprint();
        let plain = of(r#"{"type":"a","data":{"n":1},"request":{"idempotency_key":"k"}}"#);
        assert_eq!(of(r#"{"data":{"n":1},"type":"a","request":{"id":"r","idempotency_key":"k"}}"#), plain);
        assert_ne!(of(r#"{"type":"a","data":{"n":2},"request":{"idempotency_key":"k"}}"#), plain);
        assert_ne!(
            of(r#"{"type":"a","data":{"n":1},"request":{"idempotency_key":"k","requested_by":"r"}}"#),
            plain
        );
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
    fn the_object_is_described_by_the_data_unless_the_publisher_says_otherwise() {
        let read = |event: &str| EventMessage::parse(&message(event)).unwrap().draft;
        let text = |text: &str| Some(text.parse().unwrap());
        let data = r#"{"object":{"object":"customer","id":"cus_1"}}"#;
        let draft = read(&format!(r#"{{"type":"a","data":{data}}}"#));
        assert_eq!((draft.object_type, draft.object_id), (text("customer"), text("cus_1")));
        let draft = read(&format!(r#"{{"type":"a","data":{data},"object_id":"cus_2"}}"#));
        assert_eq!(draft.object_id, text("cus_2"));
        let draft = read(r#"{"type":"a","data":{"object":{"object":"customer","id":42}}}"#);
        assert_eq!((draft.object_type, draft.object_id), (text("customer"), text("42")));
        assert_eq!(read(r#"{"type":"a","data":{"object":[1]}}"#).object_id, None);
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
