//! Reads what options, files and standard input have.

use std::fs;
use std::io::Read as _;
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use clap::ValueEnum;
use posthorn_domain::Timestamp;
use reqwest::header::{HeaderName, HeaderValue};
use serde_json::{Map, Value};

/// A time, as people name it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Moment {
    At(Timestamp),
    Ago(Duration),
}

impl Moment {
    /// Returns the time that is meant.
    pub(crate) fn seen_from(self, now: Timestamp) -> Timestamp {
        match self {
            Self::At(at) => at,
            Self::Ago(ago) => now.minus(ago),
        }
    }
}

/// Reads a time, or how long ago it was.
pub(crate) fn moment(text: &str) -> Result<Moment> {
    let unit = |seconds: u64| {
        let number: u64 = text[..text.len() - 1].parse().ok()?;
        Some(Moment::Ago(Duration::from_secs(number.checked_mul(seconds)?)))
    };
    let ago = match text.chars().last() {
        Some('s') => unit(1),
        Some('m') => unit(60),
        Some('h') => unit(3_600),
        Some('d') => unit(86_400),
        _ => None,
    };
    let at = || text.parse().ok().map(Moment::At);
    ago.or_else(at)
        .context("must be a time such as 2026-11-24T09:00:00Z, or how long ago, such as 30m, 1h or 2d")
}

/// Reads a header as it is written in a request.
pub(crate) fn header(text: &str) -> Result<(HeaderName, HeaderValue)> {
    let (name, value) =
        text.split_once(':').context("must be a name and a value, such as \"X-Tenant: 7\"")?;
    Ok((name.trim().parse()?, value.trim().parse()?))
}

/// Reads a name and a value.
pub(crate) fn pair(text: &str) -> Result<(String, String)> {
    let (name, value) = text.split_once('=').context("must be a name and a value, such as team=orders")?;
    ensure!(!name.is_empty(), "must have a name before the equals sign");
    Ok((name.to_owned(), value.to_owned()))
}

/// Reads a path within an object, and a value for it: JSON, or else a string.
pub(crate) fn assignment(text: &str) -> Result<(String, Value)> {
    let (path, value) =
        text.split_once('=').context("must be a path and a value, such as data.object.amount=5")?;
    ensure!(path.split('.').all(|part| !part.is_empty()), "must have a path before the equals sign");
    let read: Value = serde_json::from_str(value).unwrap_or_else(|_| Value::from(value));
    let written = read.to_string();
    ensure!(
        !read.is_number() || written == value.trim(),
        "would change the number {value} to {written}: use `posthorn events publish --data`"
    );
    Ok((path.to_owned(), read))
}

/// Sets the value at a path, whose parts are separated by dots. A number is an index where there is a list.
pub(crate) fn set(value: &mut Value, path: &str, new: Value) -> Result<()> {
    let mut place = value;
    for part in path.split('.') {
        if place.is_null() {
            *place = Value::Object(Map::new());
        }
        place = match place {
            Value::Object(fields) => fields.entry(part).or_insert(Value::Null),
            Value::Array(list) => {
                let length = list.len();
                let entry = part.parse::<usize>().ok().and_then(|index| list.get_mut(index));
                entry.with_context(|| format!("{path}: the list has no entry {part}, it has {length}"))?
            }
            other => bail!("{path}: {part} cannot be within {other}, which is no object"),
        };
    }
    *place = new;
    Ok(())
}

/// Returns the name of an option's value.
pub(crate) fn name(value: &impl ValueEnum) -> String {
    let value = value.to_possible_value().expect("no value is skipped");
    value.get_name().to_owned()
}

/// Returns metadata as the API takes it; `None` if there is none.
pub(crate) fn metadata(pairs: Vec<(String, String)>) -> Option<Value> {
    let fields: Map<_, _> = pairs.into_iter().map(|(name, value)| (name, value.into())).collect();
    (!fields.is_empty()).then_some(Value::Object(fields))
}

/// Reads a file byte for byte, or standard input for `-`.
pub(crate) fn read_bytes(path: &str) -> Result<Vec<u8>> {
    if path != "-" {
        return fs::read(path).with_context(|| format!("cannot read {path}"));
    }
    let mut bytes = Vec::new();
    std::io::stdin().read_to_end(&mut bytes).context("cannot read the standard input")?;
    Ok(bytes)
}

/// Reads a text from a file, or from standard input for `-`.
pub(crate) fn read(path: &str) -> Result<String> {
    let text = String::from_utf8(read_bytes(path)?).with_context(|| format!("{path} must be UTF-8"))?;
    // Some editors and shells begin a file with a byte order mark.
    Ok(text.strip_prefix('\u{feff}').unwrap_or(&text).to_owned())
}

/// Reads the secret that a file has, or standard input for `-`.
pub(crate) fn read_secret(path: &str) -> Result<String> {
    let secret = read(path)?.trim().to_owned();
    ensure!(!secret.is_empty(), "{path} is empty");
    Ok(secret)
}

/// Reads an object of JSON from a file, or from standard input for `-`.
pub(crate) fn read_object(path: &str) -> Result<Map<String, Value>> {
    serde_json::from_str(&read(path)?).with_context(|| format!("{path} must have an object of JSON"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_past_is_a_time_or_how_long_ago() {
        let ago = |text| match moment(text) {
            Ok(Moment::Ago(ago)) => Some(ago.as_secs()),
            _ => None,
        };
        assert_eq!([ago("90s"), ago("30m"), ago("1h"), ago("2d")], [90, 1_800, 3_600, 172_800].map(Some));
        assert!(matches!(moment("2026-11-24T09:00:00Z"), Ok(Moment::At(_))));
        for wrong in ["", "h", "1w", "-1h", "é", "99999999999999999999d"] {
            assert!(moment(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_path_leads_into_objects_and_lists_and_makes_what_is_missing() {
        let set_all = |assignments: &[&str]| -> Result<Value> {
            let mut value = json!({ "data": { "items": [{ "id": 1 }], "total": 5 } });
            for text in assignments {
                let (path, new) = assignment(text)?;
                set(&mut value, &path, new)?;
            }
            Ok(value)
        };
        let value = set_all(&["data.items.0.id=2", "data.name=Ada=Lovelace", "data.a.b=[true]"]).unwrap();
        let expected =
            json!({ "items": [{ "id": 2 }], "total": 5, "name": "Ada=Lovelace", "a": { "b": [true] } });
        assert_eq!(value["data"], expected);
        for wrong in [
            "data.total=1.50",
            "data.total=12345678901234567890123",
            "data.total.x=1",
            "data.items.1.id=2",
            "data.items.x=2",
            "data",
            "=1",
            "a..b=1",
        ] {
            assert!(set_all(&[wrong]).is_err(), "{wrong}");
        }
    }
}
