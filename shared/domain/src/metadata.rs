//! Clients' own notes on an object.

use std::borrow::Cow;
use std::fmt::Write as _;

use serde::{Serialize, Serializer};
use serde_json::value::RawValue;

use crate::invalid::Invalid;
use crate::json::{FromJson, escape_noncharacters, pairs, require_object, require_portable};

/// A client's own key–value notes: at most 50 keys of at most 40 characters, each with a value of at most 500
/// characters. A string counts its characters, any other value those of its JSON. Order, number digits and escapes are
/// kept. Notes read from a client are Unicode text and numbers that fit a double, nested at most 32 levels deep; notes
/// accepted by an [earlier release](KeptMetadata) may be otherwise.
#[derive(Debug, Clone)]
pub struct Metadata(Box<RawValue>);

impl Metadata {
    /// The most keys.
    pub const MAX_KEYS: usize = 50;
    /// The longest key, in characters.
    pub const MAX_KEY_LENGTH: usize = 40;
    /// The longest value, in characters.
    pub const MAX_VALUE_LENGTH: usize = 500;

    /// Returns the notes as a JSON object.
    pub fn as_json(&self) -> &str {
        self.0.get()
    }

    /// Returns the notes in a form that every parser reads, with only the escapes that JSON requires. Entries that an
    /// earlier release accepted and this one would refuse are left out.
    #[must_use]
    pub fn plain(&self) -> Self {
        let entries = pairs(&self.0).unwrap_or_default().into_iter();
        let entries = entries.filter(|(_, value)| require_portable(value.get()).is_ok());
        Self::join(entries.map(|(key, value)| {
            let text: Result<Cow<'_, str>, _> = serde_json::from_str(value.get());
            (key, text.map_or(Cow::Borrowed(value.get()), |text| Cow::Owned(quoted(&text))))
        }))
    }

    fn read(json: &RawValue) -> Result<Self, Invalid> {
        let pairs = pairs(json)?;
        if pairs.len() > Self::MAX_KEYS {
            return Err(Invalid::because(format!(
                "must have at most {} keys (this one has {})",
                Self::MAX_KEYS,
                pairs.len()
            )));
        }
        pairs.iter().try_for_each(|(key, value)| check_entry(key, value))?;
        Ok(Self::join(pairs.into_iter().map(|(key, value)| (key, Cow::Borrowed(value.get())))))
    }

    /// Returns an object of these keys and the JSON of their values.
    fn join<'a>(entries: impl Iterator<Item = (Cow<'a, str>, Cow<'a, str>)>) -> Self {
        let mut json = String::from("{");
        for (key, value) in entries {
            let comma = if json.len() == 1 { "" } else { "," };
            write!(json, "{comma}{}:{value}", quoted(&key)).expect("writing to a string does not fail");
        }
        json.push('}');
        let json = escape_noncharacters(&json).into_owned();
        Self(RawValue::from_string(json).expect("keys and values are valid JSON"))
    }
}

/// Returns the text as a JSON string.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

impl Default for Metadata {
    fn default() -> Self {
        Self(RawValue::from_string("{}".to_owned()).expect("{} is JSON"))
    }
}

impl PartialEq for Metadata {
    fn eq(&self, other: &Self) -> bool {
        self.as_json() == other.as_json()
    }
}

impl Eq for Metadata {}

impl FromJson for Metadata {
    fn from_json(json: &RawValue) -> Result<Self, Invalid> {
        require_object(json)?;
        require_portable(json.get())?;
        Self::read(json)
    }
}

/// Notes as stored by any release. They are read even if clients could not send them today.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptMetadata(Metadata);

impl FromJson for KeptMetadata {
    fn from_json(json: &RawValue) -> Result<Self, Invalid> {
        Metadata::read(json).map(Self)
    }
}

impl From<KeptMetadata> for Metadata {
    fn from(KeptMetadata(metadata): KeptMetadata) -> Self {
        metadata
    }
}

fn check_entry(key: &str, value: &RawValue) -> Result<(), Invalid> {
    let too_long = |what: &str, limit: usize| {
        Err(Invalid::because(format!("has a {what} longer than {limit} characters, at the key {key:?}")))
    };
    if key.chars().count() > Metadata::MAX_KEY_LENGTH {
        return too_long("key", Metadata::MAX_KEY_LENGTH);
    }
    let length = match serde_json::from_str::<String>(value.get()) {
        Ok(text) => text.chars().count(),
        Err(_) => value.get().chars().count(),
    };
    if length > Metadata::MAX_VALUE_LENGTH {
        return too_long("value", Metadata::MAX_VALUE_LENGTH);
    }
    Ok(())
}

impl Serialize for Metadata {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(json: &str) -> Result<Metadata, Invalid> {
        Metadata::from_json(&RawValue::from_string(json.to_owned()).unwrap())
    }

    #[test]
    fn order_digits_and_escapes_are_kept() {
        let metadata = read(r#"{ "z": "\u00e9", "a": 12345678901234567890, "m": null }"#).unwrap();
        assert_eq!(metadata.as_json(), r#"{"z":"\u00e9","a":12345678901234567890,"m":null}"#);
    }

    #[test]
    fn what_an_earlier_release_took_is_kept_and_left_out_where_everybody_reads() {
        let deep = format!("{}{}", "[".repeat(33), "]".repeat(33));
        let json =
            format!(r#"{{"a":"\u00e9","b":"Ada \ud83d","c":1e999,"d":{deep},"e":12345678901234567890}}"#);
        let raw = RawValue::from_string(json.clone()).unwrap();
        let kept: Metadata = KeptMetadata::from_json(&raw).unwrap().into();
        assert_eq!(kept.as_json(), json);
        assert_eq!(kept.plain().as_json(), r#"{"a":"é","e":12345678901234567890}"#);
        assert_eq!(Metadata::from_json(&raw).unwrap_err().0, "must not be nested deeper than 32 levels");
    }

    #[test]
    fn limits_are_kept_and_named() {
        let check = |json: &str, reason: &str| assert_eq!(read(json).unwrap_err().0, reason);
        let long_key = "k".repeat(41);
        check(
            &format!(r#"{{"{long_key}": 1}}"#),
            &format!("has a key longer than 40 characters, at the key {long_key:?}"),
        );
        check(
            &format!(r#"{{"a": "{}"}}"#, "v".repeat(501)),
            "has a value longer than 500 characters, at the key \"a\"",
        );
        check(r#"{"a": 1, "a": 2}"#, "has the key \"a\" twice");
        check("[]", "must be an object");
        check(
            r#"{"note": "Ada \ud83d"}"#,
            "must be Unicode text: \\ud83d is half of a surrogate pair, as if the text was cut within a character",
        );
        check(
            r#"{"a": -1e999}"#,
            "must have numbers that fit a double, up to about 1.8e308, not -1e999. Send it as a string",
        );
        let many: Vec<String> = (0..51).map(|n| format!("\"{n}\":0")).collect();
        check(&format!("{{{}}}", many.join(",")), "must have at most 50 keys (this one has 51)");
        assert!(read(&format!(r#"{{"{}": "{}"}}"#, "é".repeat(40), "é".repeat(500))).is_ok());
    }
}
