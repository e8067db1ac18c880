//! Events that try an endpoint.

use serde::Serialize;
use serde_json::value::RawValue;

use crate::{EventDraft, EventType, Fields, InvalidField, sample};

impl EventDraft {
    /// An event to try an endpoint with: about a sample of what its type is about, with the metadata
    /// `{"test": "true"}`.
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
        let json = serde_json::to_string(&event).expect("it holds nothing that JSON cannot");
        let read = || -> Result<Self, InvalidField> { Self::read(&mut Fields::parse(&json)?) };
        read().expect("a test reads the event of every type")
    }
}

/// The object of a type that the catalogue does not have.
const UNKNOWN: &str =
    r#"{"id": "test_1", "object": "test", "description": "This event tries the endpoint."}"#;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event_types;

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
}
