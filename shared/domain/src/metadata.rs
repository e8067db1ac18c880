//! Notes that clients keep on an object.

use std::fmt::Write as _;

use serde::{Serialize, Serializer};
use serde_json::value::RawValue;

use crate::{FromJson, Invalid, fields};

/// A client's own key–value notes: at most 50 keys of at most 40 characters, each with a value of at most
/// 500 characters. A string counts its characters, any other value those of its JSON. Order, number digits and
/// escapes are kept as they came.
#[derive(Debug, Clone)]
pub struct Metadata(Box<RawValue>);

impl Metadata {
    /// The most keys.
    pub const MAX_KEYS: usize = 50;
    /// The longest key, in characters.
    pub const MAX_KEY_LENGTH: usize = 40;
    /// The longest value, in characters.
    pub const MAX_VALUE_LENGTH: usize = 500;

    /// The notes as a JSON object.
    pub fn as_json(&self) -> &str {
        self.0.get()
    }
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
        let pairs = fields::pairs(json)?;
        if pairs.len() > Self::MAX_KEYS {
            return Err(Invalid::because(format!(
                "must have at most {} keys (this one has {})",
                Self::MAX_KEYS,
                pairs.len()
            )));
        }
        let mut compact = String::from("{");
        for (index, (key, value)) in pairs.iter().enumerate() {
            check_entry(key, value)?;
            let comma = if index == 0 { "" } else { "," };
            let key = serde_json::Value::from(key.as_ref());
            write!(compact, "{comma}{key}:{}", value.get()).expect("writing to a string does not fail");
        }
        compact.push('}');
        let json = RawValue::from_string(compact).expect("pairs of JSON joined again are JSON");
        Ok(Self(json))
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
        let many: Vec<String> = (0..51).map(|n| format!("\"{n}\":0")).collect();
        check(&format!("{{{}}}", many.join(",")), "must have at most 50 keys (this one has 51)");
        assert!(read(&format!(r#"{{"{}": "{}"}}"#, "é".repeat(40), "é".repeat(500))).is_ok());
    }
}
