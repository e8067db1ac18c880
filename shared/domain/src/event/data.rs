//! What an event is about.

use std::borrow::Cow;

use memchr::memchr2_iter;
use serde::{Serialize, Serializer};
use serde_json::value::RawValue;

use crate::invalid::Invalid;
use crate::json::{FromJson, depth, escape_noncharacters, require_object};

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
