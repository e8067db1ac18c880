//! The type and id of the object in an event's data.

use std::borrow::Cow;
use std::fmt;

use serde::de::{IgnoredAny, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use crate::text::ShortText;

/// The values of `data.object.object` and `data.object.id`, if present.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct DescribedObject<'a> {
    object: Option<&'a RawValue>,
    id: Option<&'a RawValue>,
}

impl<'a> DescribedObject<'a> {
    /// Finds the two values in the JSON of `data`.
    pub(crate) fn of(data: &'a str) -> Self {
        let [object] = named(data, ["object"]);
        let [object, id] = object.map_or([None; 2], |object| named(object.get(), ["object", "id"]));
        Self { object, id }
    }

    /// Returns the object's type, if it is a string.
    pub(crate) fn object_type(self) -> Option<ShortText> {
        text(self.object?)
    }

    /// Returns the object's id, if it is a string or a number. A number becomes its digits.
    pub(crate) fn id(self) -> Option<ShortText> {
        let id = self.id?;
        if id.get().starts_with(|c: char| c == '-' || c.is_ascii_digit()) {
            return id.get().parse().ok();
        }
        text(id)
    }
}

fn text(json: &RawValue) -> Option<ShortText> {
    let text: Cow<'_, str> = serde_json::from_str(json.get()).ok()?;
    text.parse().ok()
}

/// Returns the values of these fields of an object. If a field occurs twice, the last value counts, as for most
/// parsers. Nothing else in the object is checked; even a name that is not Unicode is accepted.
fn named<'a, const N: usize>(json: &'a str, names: [&'static str; N]) -> [Option<&'a RawValue>; N] {
    struct Named<const N: usize>([&'static str; N]);

    impl<'de, const N: usize> Visitor<'de> for Named<N> {
        type Value = [Option<&'de RawValue>; N];

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("an object")
        }

        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
            let mut values = [None; N];
            while let Some(Name(name)) = map.next_key()? {
                match self.0.iter().position(|wanted| wanted.as_bytes() == name.as_ref()) {
                    Some(place) => values[place] = Some(map.next_value()?),
                    None => {
                        map.next_value::<IgnoredAny>()?;
                    }
                }
            }
            Ok(values)
        }
    }

    serde_json::Deserializer::from_str(json).deserialize_map(Named(names)).unwrap_or([None; N])
}

/// A field's name as bytes, because it may not be Unicode.
struct Name<'a>(Cow<'a, [u8]>);

impl<'de: 'a, 'a> Deserialize<'de> for Name<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Bytes;

        impl<'de> Visitor<'de> for Bytes {
            type Value = Name<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a name")
            }

            fn visit_bytes<E>(self, name: &[u8]) -> Result<Self::Value, E> {
                Ok(Name(Cow::Owned(name.to_vec())))
            }

            fn visit_borrowed_bytes<E>(self, name: &'de [u8]) -> Result<Self::Value, E> {
                Ok(Name(Cow::Borrowed(name)))
            }
        }

        deserializer.deserialize_bytes(Bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_field_is_read_for_itself_and_a_number_is_its_digits() {
        let check = |data: &str, object_type: Option<&str>, id: Option<&str>| {
            let described = DescribedObject::of(data);
            let read = (described.object_type(), described.id());
            let text = |text: Option<&str>| text.map(|text| text.parse().unwrap());
            assert_eq!(read, (text(object_type), text(id)), "{data}");
        };
        let of = |object: &str| format!(r#"{{"a": 1, "object": {object}}}"#);
        check(&of(r#"{"object": "customer", "id": "cus_1"}"#), Some("customer"), Some("cus_1"));
        check(&of(r#"{"object": "customer", "id": 42}"#), Some("customer"), Some("42"));
        check(&of(r#"{"id": -7, "object": null}"#), None, Some("-7"));
        let long = "9".repeat(60);
        check(&of(&format!(r#"{{"id": {long}}}"#)), None, Some(&long));
        check(&of(r#"{"object": ["customer"], "id": "cus_1"}"#), None, Some("cus_1"));
        check(&of(r#"{"object": "customer", "id": {"a": 1}}"#), Some("customer"), None);
        check(&of(r#"{"object": "\ud83d", "id": "cus_1"}"#), None, Some("cus_1"));
        check(&of(r#"{"\ud83d": 1, "object": "customer", "id": 1}"#), Some("customer"), Some("1"));
        check(
            &of(&format!(r#"{{"object": "customer", "id": "{}"}}"#, "x".repeat(256))),
            Some("customer"),
            None,
        );
        check(&of(r#"{"object": "a", "id": 1, "object": "b", "o\u0062ject": "c"}"#), Some("c"), Some("1"));
        for none in ["{}", &of("null"), &of("[1]"), &of("\"customer\""), &of("true")] {
            check(none, None, None);
        }
    }
}
