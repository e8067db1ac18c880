//! Reading a JSON object field by field, so that whoever sent it learns which field is to blame and why.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use crate::Invalid;
use crate::json::require_unicode;

/// Why a JSON object could not be read. Prints as a sentence.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidField {
    /// It is no JSON at all, or no object; the reason has the position.
    #[error("{0}")]
    Malformed(String),
    /// One field is wrong, missing, given twice or not known.
    #[error("`{param}` {reason}")]
    Field {
        /// The field's name.
        param: String,
        /// The end of the sentence that begins with the name.
        reason: Invalid,
    },
}

impl InvalidField {
    fn of(param: &str, reason: Invalid) -> Self {
        Self::Field { param: param.to_owned(), reason }
    }
}

/// A value that can be read from one JSON value. Whatever parses from text reads from a JSON string.
pub trait FromJson: Sized {
    /// Reads the value.
    fn from_json(json: &RawValue) -> Result<Self, Invalid>;
}

impl<T: FromStr<Err = Invalid>> FromJson for T {
    fn from_json(json: &RawValue) -> Result<Self, Invalid> {
        if !json.get().starts_with('"') {
            return Err(Invalid::because("must be a string"));
        }
        require_unicode(json.get())?;
        let text: Cow<'_, str> =
            serde_json::from_str(json.get()).map_err(|_| Invalid::because("must be a string"))?;
        text.parse()
    }
}

struct Nullable<T>(Option<T>);

impl<T: FromJson> FromJson for Nullable<T> {
    fn from_json(json: &RawValue) -> Result<Self, Invalid> {
        Ok(Self(if json.get() == "null" { None } else { Some(T::from_json(json)?) }))
    }
}

/// `true` or `false`; `false` where nobody said.
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

/// The fields of a JSON object that have not been read yet.
#[derive(Debug)]
pub struct Fields<'a> {
    unread: Vec<(Cow<'a, str>, &'a RawValue)>,
    known: Vec<&'static str>,
}

impl<'a> Fields<'a> {
    /// Takes the text of a JSON object apart. A field that stands in it twice is refused.
    pub fn parse(json: &'a str) -> Result<Self, InvalidField> {
        let Pairs(unread) = serde_json::from_str(json).map_err(|error| malformed(&error))?;
        let mut names: Vec<&str> = unread.iter().map(|(name, _)| name.as_ref()).collect();
        names.sort_unstable();
        if let Some(twice) = names.windows(2).find(|pair| pair[0] == pair[1]) {
            return Err(InvalidField::of(twice[0], Invalid::because("is given twice")));
        }
        Ok(Self { unread, known: Vec::new() })
    }

    /// Reads a field that must be there.
    pub fn required<T: FromJson>(&mut self, name: &'static str) -> Result<T, InvalidField> {
        self.optional(name)?.ok_or_else(|| InvalidField::of(name, Invalid::because("is required")))
    }

    /// Reads a field that may be missing.
    pub fn optional<T: FromJson>(&mut self, name: &'static str) -> Result<Option<T>, InvalidField> {
        self.take(name)
            .map(|json| T::from_json(json).map_err(|reason| InvalidField::of(name, reason)))
            .transpose()
    }

    /// Reads a field that may be missing (`None`) or `null` (`Some(None)`).
    pub fn nullable<T: FromJson>(&mut self, name: &'static str) -> Result<Option<Option<T>>, InvalidField> {
        self.optional::<Nullable<T>>(name).map(|given| given.map(|Nullable(value)| value))
    }

    /// Takes an object apart that must be there.
    pub(crate) fn object(&mut self, name: &'static str) -> Result<Self, InvalidField> {
        let json = self.take(name).ok_or_else(|| InvalidField::of(name, Invalid::because("is required")))?;
        require_object(json).map_err(|reason| InvalidField::of(name, reason))?;
        Self::parse(json.get())
    }

    /// Leaves fields aside that a client may send back but not change. Returns whether there were any.
    pub fn ignore(&mut self, names: &'static [&'static str]) -> bool {
        let given = self.unread.len();
        self.unread.retain(|(name, _)| !names.contains(&name.as_ref()));
        self.unread.len() < given
    }

    /// Refuses whatever is left.
    pub fn finish(self) -> Result<(), InvalidField> {
        match self.unread.first() {
            None => Ok(()),
            Some((name, _)) => {
                let known = self.known.join(", ");
                let reason = format!("is not a field that can be given here; there are: {known}");
                Err(InvalidField::of(name, Invalid(reason)))
            }
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
                while let Some((Name(name), value)) = map.next_entry()? {
                    pairs.push((name, value));
                }
                Ok(Pairs(pairs))
            }
        }

        deserializer.deserialize_map(PairsVisitor)
    }
}

/// A field's name: borrowed unless it holds escapes.
#[derive(Deserialize)]
struct Name<'a>(#[serde(borrow)] Cow<'a, str>);

/// Refuses what is no object.
pub(crate) fn require_object(json: &RawValue) -> Result<(), Invalid> {
    if json.get().starts_with('{') { Ok(()) } else { Err(Invalid::because("must be an object")) }
}

/// The fields of an object as pairs, for values whose names are the sender's own.
pub(crate) fn pairs(json: &RawValue) -> Result<Vec<(Cow<'_, str>, &RawValue)>, Invalid> {
    match Fields::parse(json.get()) {
        Ok(fields) => Ok(fields.unread),
        Err(InvalidField::Field { param, .. }) => {
            Err(Invalid::because(format!("has the key {param:?} twice")))
        }
        Err(InvalidField::Malformed(_)) => Err(Invalid::because("must be an object")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Description;

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
            "`description` must be Unicode text: \\ud83d is half of a surrogate pair, as when a text is cut within a character",
        );
        check(r#"{"id": 1, "id": 2}"#, "`id` is given twice");
        check(
            r#"{"descripton": ""}"#,
            "`descripton` is not a field that can be given here; there are: description",
        );
    }

    #[test]
    fn missing_null_and_ignored_fields_are_no_errors() {
        assert_eq!(read("{}"), Ok(None));
        assert_eq!(read(r#"{"description": null, "id": {}}"#), Ok(None));
        assert_eq!(read(r#"{"d\u0065scription": "\u00e9"}"#), Ok(Some("é".parse().unwrap())));
    }
}
