//! An event as its publisher sends it.

use serde::Serialize;
use serde_json::value::RawValue;
use sha2::{Digest as _, Sha256};

use crate::account::Mode;
use crate::event::Event;
use crate::event::catalogue::sample;
use crate::event::data::EventData;
use crate::event::described_object::DescribedObject;
use crate::event::event_type::EventType;
use crate::event::request::EventRequest;
use crate::id::EventId;
use crate::json::{Fields, FromJson, InvalidField};
use crate::metadata::Metadata;
use crate::text::{ApiVersion, ShortText};

/// The sample object for a type outside the catalogue.
const UNKNOWN: &str =
    r#"{"id": "test_1", "object": "test", "description": "This event tries the endpoint."}"#;

/// The fields of an event that the publisher sets.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct EventDraft {
    /// What kind of thing happened.
    #[serde(rename = "type")]
    pub event_type: EventType,
    /// The version of the data's shape.
    pub api_version: ApiVersion,
    /// What the event is about.
    pub data: EventData,
    /// The type of the object that the event is about.
    pub object_type: Option<ShortText>,
    /// That object's id.
    pub object_id: Option<ShortText>,
    /// What caused the event.
    pub request: EventRequest,
    /// The publisher's own notes.
    pub metadata: Metadata,
}

impl EventDraft {
    /// Reads the publisher's fields: `type` and `data` are required. `object_type` and `object_id` default to the
    /// `object` and `id` fields of `data.object`.
    pub fn read(fields: &mut Fields<'_>) -> Result<Self, InvalidField> {
        let draft = Self::read_as::<Metadata>(fields)?;
        draft.require_key()?;
        Ok(draft)
    }

    /// The same, with `metadata` read as `M`.
    pub(super) fn read_as<M: FromJson + Into<Metadata>>(
        fields: &mut Fields<'_>,
    ) -> Result<Self, InvalidField> {
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

    pub(super) fn require_key(&self) -> Result<(), InvalidField> {
        let wrong = |reason| InvalidField::Field { param: "request.idempotency_key".to_owned(), reason };
        self.request.require_key().map_err(wrong)
    }

    /// Returns the SHA-256 of the publisher's fields, in hexadecimal. `request.id` is left out, so the same event
    /// published again has the same fingerprint.
    pub fn fingerprint(&self) -> String {
        let request = EventRequest { id: None, ..self.request.clone() };
        let draft = Self { request, ..self.clone() };
        let json = serde_json::to_string(&draft).expect("JSON can express every draft");
        hex::encode(Sha256::digest(json.as_bytes()))
    }

    /// Returns a test event with this data: its metadata is `{"test": "true"}`.
    pub fn test_with(event_type: &EventType, data: EventData) -> Self {
        let mut draft = Self::test(event_type);
        let described = DescribedObject::of(data.as_json());
        (draft.object_type, draft.object_id) = (described.object_type(), described.id());
        Self { data, ..draft }
    }

    /// Returns a test event: its data is a sample for its type, its metadata `{"test": "true"}`.
    pub fn test(event_type: &EventType) -> Self {
        #[derive(Serialize)]
        struct TestEvent<'a> {
            r#type: &'a EventType,
            data: TestData<'a>,
            metadata: TestMetadata,
        }
        #[derive(Serialize)]
        struct TestData<'a> {
            object: &'a RawValue,
        }
        #[derive(Serialize)]
        struct TestMetadata {
            test: &'static str,
        }
        let unknown = RawValue::from_string(UNKNOWN.to_owned()).expect("it is JSON");
        let event = TestEvent {
            r#type: event_type,
            data: TestData { object: sample(event_type).unwrap_or(&unknown) },
            metadata: TestMetadata { test: "true" },
        };
        let json = serde_json::to_string(&event).expect("JSON can express every test event");
        let read = || -> Result<Self, InvalidField> { Self::read(&mut Fields::parse(&json)?) };
        read().expect("a test parses the test event of every type")
    }

    /// Returns the accepted event.
    pub fn accept(self, mode: Mode, id: EventId) -> Event {
        Event { id, mode, draft: self }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::catalogue::event_types;

    fn read(event: &str) -> EventDraft {
        EventDraft::read(&mut Fields::parse(event).unwrap()).unwrap()
    }

    #[test]
    fn every_type_has_a_test_event() {
        let check = |event_type: &EventType, object: &str| {
            let test = EventDraft::test(event_type);
            assert_eq!(test.event_type, *event_type);
            assert_eq!(test.object_type, Some(object.parse().unwrap()));
            assert_eq!(test.metadata.as_json(), r#"{"test":"true"}"#);
        };
        for entry in event_types() {
            check(&entry.event_type, &entry.object);
        }
        check(&"parcel.lost".parse().unwrap(), "test");
    }

    #[test]
    fn the_request_that_published_an_event_does_not_count_in_its_fingerprint() {
        let of = |event: &str| read(event).fingerprint();
        let plain = of(r#"{"type":"a","data":{"n":1},"request":{"idempotency_key":"k"}}"#);
        assert_eq!(of(r#"{"data":{"n":1},"type":"a","request":{"id":"r","idempotency_key":"k"}}"#), plain);
        assert_ne!(of(r#"{"type":"a","data":{"n":2},"request":{"idempotency_key":"k"}}"#), plain);
        assert_ne!(
            of(r#"{"type":"a","data":{"n":1},"request":{"idempotency_key":"k","requested_by":"r"}}"#),
            plain
        );
    }

    #[test]
    fn the_object_is_described_by_the_data_unless_the_publisher_says_otherwise() {
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
}
