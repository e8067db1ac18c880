//! Things that happened, as publishers tell them and endpoints hear of them.

use std::borrow::Cow;

use memchr::{memchr_iter, memchr2_iter};
use serde::{Deserialize, Serialize, Serializer};
use serde_json::value::RawValue;

use crate::fields::require_object;
use crate::{
    AccountId, ApiVersion, EndpointId, EventId, EventType, Fields, FromJson, Invalid, InvalidField, Metadata,
    Mode, Partition, ShortText, Tenant, Timestamp,
};

/// The most bytes that an event's JSON may have: 256 KiB.
pub const MAX_EVENT_BYTES: usize = 256 * 1024;

/// How deep an event's data may be nested: what serde_json itself reads, and most parsers with it, less the event
/// around it.
const MAX_DEPTH: usize = 100;

/// What the event is about: any JSON object, kept byte for byte as the publisher wrote it.
#[derive(Debug, Clone)]
pub struct EventData(Box<RawValue>);

impl EventData {
    /// The JSON as it was written.
    pub fn as_json(&self) -> &str {
        self.0.get()
    }

    /// What `data.object` says of itself, in its `object` and `id` fields, where they are strings.
    fn described_object(&self) -> DescribedObject<'_> {
        #[derive(Deserialize)]
        struct Data<'a> {
            #[serde(borrow)]
            object: DescribedObject<'a>,
        }
        serde_json::from_str(self.as_json())
            .map_or_else(|_| DescribedObject::default(), |data: Data<'_>| data.object)
    }
}

#[derive(Default, Deserialize)]
struct DescribedObject<'a> {
    #[serde(borrow, default)]
    object: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    id: Option<Cow<'a, str>>,
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
        // SQS does not take these two, and data is never rewritten.
        if has_noncharacter(json.get()) {
            return Err(Invalid::because(
                "must not contain U+FFFE or U+FFFF; write them as \\ufffe, \\uffff",
            ));
        }
        Ok(Self(json.to_owned()))
    }
}

/// Whether U+FFFE or U+FFFF is in the text: EF BF BE and EF BF BF in UTF-8.
fn has_noncharacter(json: &str) -> bool {
    let json = json.as_bytes();
    memchr_iter(0xEF, json).any(|at| matches!(json[at + 1..], [0xBF, 0xBE | 0xBF, ..]))
}

/// Whether objects and arrays are nested too deep for a receiver's parser. Where there are few of them they cannot be.
fn is_too_deep(json: &str) -> bool {
    memchr2_iter(b'{', b'[', json.as_bytes()).count() > MAX_DEPTH && depth(json) > MAX_DEPTH
}

/// How deep the objects and arrays of a JSON text are nested. What they hold is not looked at: receivers' parsers may
/// break where ours does not.
fn depth(json: &str) -> usize {
    let (mut depth, mut deepest, mut in_string, mut escaped) = (0_usize, 0, false, false);
    for byte in json.bytes() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_string => escaped = true,
            b'"' => in_string = !in_string,
            _ if in_string => {}
            b'{' | b'[' => {
                depth += 1;
                deepest = deepest.max(depth);
            }
            b'}' | b']' => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    deepest
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
        let event_type = fields.required("type")?;
        let data: EventData = fields.required("data")?;
        let api_version = fields.optional("api_version")?.unwrap_or_default();
        let mut object_type = fields.optional("object_type")?;
        let mut object_id = fields.optional("object_id")?;
        if object_type.is_none() || object_id.is_none() {
            let described = data.described_object();
            let default = |text: Option<Cow<'_, str>>| text.and_then(|text| text.parse().ok());
            object_type = object_type.or_else(|| default(described.object));
            object_id = object_id.or_else(|| default(described.id));
        }
        Ok(Self {
            event_type,
            api_version,
            object_type,
            object_id,
            request: fields.optional("request")?.unwrap_or_default(),
            metadata: fields.optional("metadata")?.unwrap_or_default(),
            data,
        })
    }

    /// The accepted event.
    pub fn accept(self, mode: Mode, id: EventId, created_at: Timestamp) -> Event {
        Event { id, mode, draft: self, created_at }
    }
}

/// An accepted event: what a publisher said, and the id and time that Posthorn gave it. It serializes as the
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
    /// When it was accepted.
    pub created_at: Timestamp,
}

impl Event {
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
            created_at: self.created_at,
            updated_at: self.created_at,
        }
        .serialize(serializer)
    }
}

/// A message on the events queue: `{"account": …, "livemode": …, "event": {…}}`. The event is what
/// [`EventDraft::read`] takes, and may name its `id` and `created_at`, as `publish-event` does. With an `endpoint_id`
/// beside `account` it goes to that endpoint alone, whatever the endpoint subscribed to, as `test-endpoint` wants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventMessage {
    /// Whose event it is.
    pub tenant: Tenant,
    /// The only endpoint to send it to, where it is not for all that want it.
    pub endpoint_id: Option<EndpointId>,
    /// The event's id, where the producer gave it one.
    pub id: Option<EventId>,
    /// When it was accepted, where the producer said so.
    pub created_at: Option<Timestamp>,
    /// What happened.
    pub draft: EventDraft,
}

impl EventMessage {
    /// Reads a message body.
    pub fn parse(body: &str) -> Result<Self, InvalidField> {
        let mut message = Fields::parse(body)?;
        let account: AccountId = message.required("account")?;
        let mode: Mode = message.required("livemode")?;
        let endpoint_id = message.optional("endpoint_id")?;
        let mut fields = message.object("event")?;
        message.finish()?;
        let read = Self {
            tenant: Tenant { account, mode },
            endpoint_id,
            id: fields.optional("id")?,
            created_at: fields.optional("created_at")?,
            draft: EventDraft::read(&mut fields)?,
        };
        fields.finish()?;
        Ok(read)
    }

    /// The message's body.
    pub fn to_json(&self) -> String {
        #[derive(Serialize)]
        struct Message<'a> {
            account: &'a AccountId,
            livemode: Mode,
            #[serde(skip_serializing_if = "Option::is_none")]
            endpoint_id: Option<EndpointId>,
            event: MessageEvent<'a>,
        }
        #[derive(Serialize)]
        struct MessageEvent<'a> {
            #[serde(skip_serializing_if = "Option::is_none")]
            id: Option<EventId>,
            #[serde(skip_serializing_if = "Option::is_none")]
            created_at: Option<Timestamp>,
            #[serde(flatten)]
            draft: &'a EventDraft,
        }
        let message = Message {
            account: &self.tenant.account,
            livemode: self.tenant.mode,
            endpoint_id: self.endpoint_id,
            event: MessageEvent { id: self.id, created_at: self.created_at, draft: &self.draft },
        };
        let json = serde_json::to_string(&message).expect("a message holds nothing that JSON cannot");
        // The two characters that JSON allows and an SQS message does not can only stand in strings, where
        // their escapes mean the same.
        json.replace('\u{fffe}', "\\ufffe").replace('\u{ffff}', "\\uffff")
    }

    /// The event, where the message that brought it was first sent at `sent_at` under `message_id`: an event
    /// without an id gets the one that follows from the message's. An id that lies elsewhere than its type's
    /// events is refused: nobody would find the event there.
    pub fn into_event(self, message_id: &str, sent_at: Timestamp) -> Result<(Tenant, Event), InvalidField> {
        let (id, created_at) = self.identity(message_id, sent_at)?;
        let event = self.draft.accept(self.tenant.mode, id, created_at);
        Ok((self.tenant, event))
    }

    /// The message that names the id and the time which [`Self::into_event`] would give its event. Sent again under
    /// another message id, it is still the same event, to the byte.
    pub fn identified(self, message_id: &str, sent_at: Timestamp) -> Result<Self, InvalidField> {
        let (id, created_at) = self.identity(message_id, sent_at)?;
        Ok(Self { id: Some(id), created_at: Some(created_at), ..self })
    }

    fn identity(&self, message_id: &str, sent_at: Timestamp) -> Result<(EventId, Timestamp), InvalidField> {
        let partition = Partition::of(&self.draft.event_type);
        let id = self.id.unwrap_or_else(|| EventId::of_message(sent_at, message_id, partition));
        if id.partition() != partition {
            let reason = Invalid::because("was not made for an event of this type; leave it out");
            return Err(InvalidField::Field { param: "id".to_owned(), reason });
        }
        Ok((id, self.created_at.unwrap_or(sent_at)))
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
        let (_, event) = again.into_event("m", Timestamp::from_millis(0)).unwrap();
        assert!(event.to_json().contains(&format!("\"data\":{ODD},")));
    }

    #[test]
    fn the_two_characters_that_a_queue_does_not_take_are_refused() {
        let read =
            |text: &str| EventMessage::parse(&message(&format!(r#"{{"type":"a","data":{{"t":"{text}"}}}}"#)));
        for bad in ["\u{fffe}", "a\u{ffff}", "，\u{ffff}b"] {
            let error = read(bad).unwrap_err().to_string();
            assert!(error.starts_with("`data` must not contain U+FFFE or U+FFFF"), "{error}");
        }
        for good in ["\u{fffd}", "，", "\u{ffbe}", "\\ufffe"] {
            assert!(read(good).is_ok(), "{good}");
        }
    }

    #[test]
    fn depth_is_counted_outside_of_strings() {
        for (json, levels) in [("{}", 1), (r#"{"a":[{}, "[[\"[[", "\\"], "b": {}}"#, 3), (r#"{"[": "}"}"#, 1)]
        {
            assert_eq!(depth(json), levels, "{json}");
        }
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
        let (tenant, event) = read().into_event("m1", first).unwrap();
        let again = EventMessage::parse(&read().identified("m1", first).unwrap().to_json()).unwrap();
        let (same_tenant, same) = again.into_event("m2", later).unwrap();
        assert_eq!((same_tenant, same.to_json()), (tenant, event.to_json()));
        assert_ne!(read().into_event("m2", later).unwrap().1.id, event.id);
    }

    #[test]
    fn an_id_made_for_another_type_is_refused() {
        let id = EventId::new(Timestamp::from_millis(1), Partition::of(&"a".parse().unwrap()), 1);
        let of = |event_type: &str| {
            let body = message(&format!(r#"{{"id":"{id}","type":"{event_type}","data":{{}}}}"#));
            EventMessage::parse(&body).unwrap().into_event("m", Timestamp::from_millis(0))
        };
        assert_eq!(of("a").unwrap().1.id, id);
        assert!(of("b").is_err());
    }
}
