//! An event's `data`.

use std::borrow::Cow;

use memchr::memchr2_iter;
use serde::{Serialize, Serializer};
use serde_json::value::RawValue;

use crate::invalid::Invalid;
use crate::json::{FromJson, depth, escape_noncharacters, require_object};

/// An event's data: any JSON object, kept byte for byte as the publisher wrote it, except that U+FFFE and U+FFFF become
/// escapes, because SQS does not accept these two characters.
#[derive(Debug, Clone)]
pub struct EventData(Box<RawValue>);

impl EventData {
    /// The deepest nesting: the limit of serde_json and of most other parsers, less the levels of the event around it.
    pub const MAX_NESTING: usize = 100;

    /// Returns the JSON as it was written.
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
            return Err(Invalid::because(format!(
                "must not be nested deeper than {} levels",
                Self::MAX_NESTING
            )));
        }
        Ok(Self(match escape_noncharacters(json.get()) {
            Cow::Borrowed(_) => json.to_owned(),
            Cow::Owned(json) => {
                RawValue::from_string(json).expect("escapes do not affect whether JSON is valid")
            }
        }))
    }
}

/// Returns whether objects and arrays are nested too deep for a receiver's parser. If there are few of them, they
/// cannot be, so the depth is not computed.
fn is_too_deep(json: &str) -> bool {
    memchr2_iter(b'{', b'[', json.as_bytes()).count() > EventData::MAX_NESTING
        && depth(json) > EventData::MAX_NESTING
}

impl Serialize for EventData {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}
