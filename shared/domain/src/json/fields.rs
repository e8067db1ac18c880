//! Reads a JSON object field by field, so that errors tell the sender which field is wrong and why.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use crate::invalid::Invalid;
use crate::json::require_unicode;

/// Why a JSON object could not be read. Prints as a sentence.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidField {
    /// It is not JSON, or not an object; the reason has the position.
    #[error("{0}")]
    Malformed(String),
    /// One field is wrong, or given twice.
    #[error("`{param}` {reason}")]
    Field {
        /// The field's name.
        param: String,
        /// The end of the sentence that begins with the name.
        reason: Invalid,
    },
    /// A required field is missing or `null`.
    #[error("`{param}` is required")]
    Missing {
        /// The field's name.
        param: String,
    },
    /// The field does not exist.
    #[error("`{param}` is not a field of this object. {}", known_fields(.known))]
    Unknown {
        /// The name given.
        param: String,
        /// The fields that exist.
        known: Vec<&'static str>,
    },
}

fn known_fields(known: &[&str]) -> String {
    if known.is_empty() {
        "No fields are allowed.".to_owned()
    } else {
        format!("Allowed fields: {}", known.join(", "))
    }
}

impl InvalidField {
    fn of(param: &str, reason: Invalid) -> Self {
        Self::Field { param: param.to_owned(), reason }
    }
}

/// A value that can be read from one JSON value. Types that parse from text are read from a JSON string.
pub trait FromJson: Sized {
    /// Reads the value.
    fn from_json(json: &RawValue) -> Result<Self, Invalid>;
}

impl<T: FromStr<Err = Invalid>> FromJson for T {
    fn from_json(json: &RawValue) -> Result<Self, Invalid> {
        text_of(json)?.parse()
    }
}

/// Returns the text of a JSON string.
pub(crate) fn text_of(json: &RawValue) -> Result<Cow<'_, str>, Invalid> {
    let text: Result<TextOrName<'_>, _> = serde_json::from_str(json.get());
    text.map(|TextOrName(text)| text).map_err(|error| {
        let is_a_string = !error.is_data();
        let half = require_unicode(json.get()).err().filter(|_| is_a_string);
        half.unwrap_or_else(|| Invalid::because("must be a string"))
    })
}

/// `true` or `false`; `false` by default.
#[derive(Default)]
pub struct Flag(pub bool);

impl FromJson for Flag {
    fn from_json(json: &RawValue) -> Result<Self, Invalid> {
        match json.get() {
            "true" => Ok(Self(true)),
            "false" => Ok(Self(false)),
            _ => Err(Invalid::because("must be true or false")),
        }
    }
}

/// A whole number from 0 on.
pub(crate) struct Count(pub(crate) u32);

impl FromJson for Count {
    fn from_json(json: &RawValue) -> Result<Self, Invalid> {
        let reason = || Invalid::because(format!("must be a whole number from 0 to {}", u32::MAX));
        json.get().parse().map(Self).map_err(|_| reason())
    }
}

/// The fields of a JSON object that have not been read yet.
#[derive(Debug)]
pub struct Fields<'a> {
    unread: Vec<(Cow<'a, str>, &'a RawValue)>,
    known: Vec<&'static str>,
}

impl<'a> Fields<'a> {
    /// Splits the text of a JSON object into its fields. Errors if a field occurs twice.
    pub fn parse(json: &'a str) -> Result<Self, InvalidField> {
        let Pairs(unread) = serde_json::from_str(json).map_err(|error| malformed(&error))?;
        if let Some(name) = twice(&unread) {
            return Err(InvalidField::of(name, Invalid::because("is given twice")));
        }
        Ok(Self { unread, known: Vec::new() })
    }

    /// Reads an object that is itself the value of a field. Errors if it has a field that `read` does not take.
    pub fn read_object<T>(
        json: &'a RawValue,
        read: impl FnOnce(&mut Self) -> Result<T, InvalidField>,
    ) -> Result<T, Invalid> {
        let read = || {
            let mut fields = Self::parse(json.get())?;
            let object = read(&mut fields)?;
            fields.finish()?;
            Ok(object)
        };
        read().map_err(|error: InvalidField| Invalid::because(format!("is invalid: {error}")))
    }

    /// Reads a field that must be present and not `null`.
    pub fn required<T: FromJson>(&mut self, name: &'static str) -> Result<T, InvalidField> {
        self.optional(name)?.ok_or_else(|| InvalidField::Missing { param: name.to_owned() })
    }

    /// Reads a field that may be missing or `null`, which means the same.
    pub fn optional<T: FromJson>(&mut self, name: &'static str) -> Result<Option<T>, InvalidField> {
        self.nullable(name).map(Option::flatten)
    }

    /// Reads a field for which missing (`None`) and `null` (`Some(None)`) differ.
    pub fn nullable<T: FromJson>(&mut self, name: &'static str) -> Result<Option<Option<T>>, InvalidField> {
        let read = |json: &RawValue| match json.get() {
            "null" => Ok(None),
            _ => T::from_json(json).map(Some).map_err(|reason| InvalidField::of(name, reason)),
        };
        self.take(name).map(read).transpose()
    }

    /// Splits the object in a required field into its fields.
    pub(crate) fn object(&mut self, name: &'static str) -> Result<Self, InvalidField> {
        let json = self.take(name).ok_or_else(|| InvalidField::Missing { param: name.to_owned() })?;
        require_object(json).map_err(|reason| InvalidField::of(name, reason))?;
        Self::parse(json.get())
    }

    /// Splits each object in a list into its fields. `None` if there is no such field. Errors if the list is empty.
    pub(crate) fn objects(&mut self, name: &'static str) -> Result<Option<Vec<Self>>, InvalidField> {
        let Some(json) = self.take(name) else { return Ok(None) };
        let of_objects = || InvalidField::of(name, Invalid::because("must be a list of objects"));
        let objects: Vec<&RawValue> = serde_json::from_str(json.get()).map_err(|_| of_objects())?;
        if objects.is_empty() || objects.iter().any(|object| require_object(object).is_err()) {
            return Err(of_objects());
        }
        objects.into_iter().map(|object| Self::parse(object.get())).collect::<Result<_, _>>().map(Some)
    }

    /// Drops fields that a client may send back but not change. Returns whether there were any.
    pub fn ignore(&mut self, names: &'static [&'static str]) -> bool {
        let given = self.unread.len();
        self.unread.retain(|(name, _)| !names.contains(&name.as_ref()));
        self.unread.len() < given
    }

    /// Errors if any field has not been read.
    pub fn finish(self) -> Result<(), InvalidField> {
        match self.unread.first() {
            None => Ok(()),
            Some((name, _)) => Err(InvalidField::Unknown { param: name.to_string(), known: self.known }),
        }
    }

    fn take(&mut self, name: &'static str) -> Option<&'a RawValue> {
        self.known.push(name);
        let index = self.unread.iter().position(|(field, _)| field == name)?;
        Some(self.unread.remove(index).1)
    }
}

fn malformed(error: &serde_json::Error) -> InvalidField {
    InvalidField::Malformed(if error.is_data() {
        "not a JSON object ({…})".to_owned()
    } else {
        format!("not valid JSON: {error}")
    })
}

/// The fields of an object in the order written, values untouched.
struct Pairs<'a>(Vec<(Cow<'a, str>, &'a RawValue)>);

impl<'de: 'a, 'a> Deserialize<'de> for Pairs<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct PairsVisitor;

        impl<'de> Visitor<'de> for PairsVisitor {
            type Value = Pairs<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut pairs = Vec::new();
                while let Some((TextOrName(name), value)) = map.next_entry()? {
                    pairs.push((name, value));
                }
                Ok(Pairs(pairs))
            }
        }

        deserializer.deserialize_map(PairsVisitor)
    }
}

/// A string, or a field's name: borrowed unless it contains escapes.
#[derive(Deserialize)]
struct TextOrName<'a>(#[serde(borrow)] Cow<'a, str>);

/// Errors if this is not an object.
pub(crate) fn require_object(json: &RawValue) -> Result<(), Invalid> {
    if json.get().starts_with('{') { Ok(()) } else { Err(Invalid::because("must be an object")) }
}

/// Returns the fields of an object as pairs, for objects whose field names are free.
pub(crate) fn pairs(json: &RawValue) -> Result<Vec<(Cow<'_, str>, &RawValue)>, Invalid> {
    require_object(json)?;
    let Pairs(pairs) = serde_json::from_str(json.get()).map_err(|_| {
        let half = require_unicode(json.get()).err();
        half.unwrap_or_else(|| Invalid::because("has a key that is not Unicode text"))
    })?;
    match twice(&pairs) {
        None => Ok(pairs),
        Some(name) => Err(Invalid::because(format!("has the key {name:?} twice"))),
    }
}

/// Returns a name that occurs twice.
fn twice<'p>(pairs: &'p [(Cow<'_, str>, &RawValue)]) -> Option<&'p str> {
    let mut names: Vec<&str> = pairs.iter().map(|(name, _)| name.as_ref()).collect();
    names.sort_unstable();
    names.windows(2).find(|pair| pair[0] == pair[1]).map(|pair| pair[0])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text::Description;

    fn read(json: &str) -> Result<Option<Description>, InvalidField> {
        let mut fields = Fields::parse(json)?;
        fields.ignore(&["id"]);
        let description = fields.nullable("description")?.flatten();
        fields.finish()?;
        Ok(description)
    }

    #[test]
    fn what_is_wrong_is_said_in_a_sentence() {
        let check = |json: &str, sentence: &str| assert_eq!(read(json).unwrap_err().to_string(), sentence);
        check("{", "not valid JSON: EOF while parsing an object at line 1 column 1");
        check("{\n  \"a\": x}", "not valid JSON: expected value at line 2 column 8");
        check("[]", "not a JSON object ({…})");
        check("7", "not a JSON object ({…})");
        check(r#"{"description": 5}"#, "`description` must be a string");
        check(
            r#"{"description": "Ada \ud83d"}"#,
            "`description` must be Unicode text: \\ud83d is half of a surrogate pair, as if the text was cut within a character",
        );
        check(r#"{"id": 1, "id": 2}"#, "`id` is given twice");
        check(
            r#"{"descripton": ""}"#,
            "`descripton` is not a field of this object. Allowed fields: description",
        );
        check(r#"{"\ud83d!": 1}"#, "not valid JSON: unexpected end of hex escape at line 1 column 9");
        let nothing = Fields::parse(r#"{"a": 1}"#).unwrap().finish().unwrap_err().to_string();
        assert_eq!(nothing, "`a` is not a field of this object. No fields are allowed.");
    }

    #[test]
    fn an_object_with_a_broken_key_is_not_called_none() {
        let check = |json: &str, reason: &str| {
            let json = RawValue::from_string(json.to_owned()).unwrap();
            assert_eq!(pairs(&json).unwrap_err().0, reason);
        };
        check(
            r#"{"a\ud83d": 1}"#,
            "must be Unicode text: \\ud83d is half of a surrogate pair, as if the text was cut within a character",
        );
        check("[]", "must be an object");
        check("7", "must be an object");
        check(r#"{"a": 1, "a": 2}"#, "has the key \"a\" twice");
    }

    #[test]
    fn a_required_field_is_missing_where_it_is_null() {
        for json in ["{}", r#"{"description": null}"#] {
            let error = Fields::parse(json).unwrap().required::<Description>("description").unwrap_err();
            assert_eq!(error.to_string(), "`description` is required");
        }
    }

    #[test]
    fn missing_null_and_ignored_fields_are_no_errors() {
        assert_eq!(read("{}"), Ok(None));
        assert_eq!(read(r#"{"description": null, "id": {}}"#), Ok(None));
        assert_eq!(read(r#"{"d\u0065scription": "\u00e9"}"#), Ok(Some("é".parse().unwrap())));
    }
}
