//! Reads JSON from clients: objects field by field, and checks of JSON text without parsing it.

mod fields;

pub(crate) use self::fields::{Count, pairs, require_object};
pub use self::fields::{Fields, Flag, FromJson, InvalidField};

use std::borrow::Cow;

use memchr::{memchr, memchr_iter};

use crate::invalid::Invalid;

/// The deepest nesting of metadata. Some parsers stop at 64 levels, and notes are nested in other objects.
pub const MAX_NESTING: usize = 32;

/// A byte order mark, which some editors and runtimes put at the start of a text.
const BYTE_ORDER_MARK: char = '\u{feff}';

/// Returns the text without a leading byte order mark. No JSON may begin with one ([RFC 8259
/// §8.1](https://www.rfc-editor.org/rfc/rfc8259#section-8.1)), and no sender intends it.
pub fn without_byte_order_mark(text: &str) -> &str {
    text.strip_prefix(BYTE_ORDER_MARK).unwrap_or(text)
}

/// Errors if some parsers could not read this JSON: text that is not Unicode, numbers too large for a double, deep
/// nesting.
pub(crate) fn require_portable(json: &str) -> Result<(), Invalid> {
    if depth(json) > MAX_NESTING {
        return Err(Invalid::because(format!("must not be nested deeper than {MAX_NESTING} levels")));
    }
    require_unicode(json)?;
    match number_beyond_double(json) {
        None => Ok(()),
        Some(number) => Err(Invalid::because(format!(
            "must have numbers that fit a double, up to about 1.8e308, not {number}. Send it as a string"
        ))),
    }
}

/// Errors if the JSON has a lone escape such as `\ud83d`, which is half of a character.
pub(crate) fn require_unicode(json: &str) -> Result<(), Invalid> {
    match lone_surrogate(json) {
        None => Ok(()),
        Some(escape) => Err(Invalid::because(format!(
            "must be Unicode text: {escape} is half of a surrogate pair, as if the text was cut within a character"
        ))),
    }
}

/// Returns the text with U+FFFE and U+FFFF as escapes, which mean the same. JSON allows these characters, which can
/// only be in strings; SQS messages do not.
pub(crate) fn escape_noncharacters(json: &str) -> Cow<'_, str> {
    if has_noncharacter(json) {
        Cow::Owned(json.replace('\u{fffe}', "\\ufffe").replace('\u{ffff}', "\\uffff"))
    } else {
        Cow::Borrowed(json)
    }
}

/// Returns whether the text contains U+FFFE or U+FFFF: EF BF BE and EF BF BF in UTF-8.
fn has_noncharacter(json: &str) -> bool {
    let json = json.as_bytes();
    memchr_iter(0xEF, json).any(|at| matches!(json[at + 1..], [0xBF, 0xBE | 0xBF, ..]))
}

/// Returns how deep the objects and arrays of a JSON text are nested. It does not parse their contents, because
/// receivers' parsers may fail where ours does not.
pub(crate) fn depth(json: &str) -> usize {
    let (mut depth, mut deepest) = (0_usize, 0);
    for byte in between_strings(json).flat_map(str::bytes) {
        match byte {
            b'{' | b'[' => {
                depth += 1;
                deepest = deepest.max(depth);
            }
            b'}' | b']' => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    deepest
}

/// Returns the first number that is too large for a double.
fn number_beyond_double(json: &str) -> Option<&str> {
    let in_number = |c: char| c.is_ascii_digit() || matches!(c, '+' | '-' | '.' | 'e' | 'E');
    let tokens = between_strings(json).flat_map(|part| part.split(move |c| !in_number(c)));
    tokens.into_iter().find(|token| token.parse::<f64>().is_ok_and(f64::is_infinite))
}

/// Returns the first escape that is half of a surrogate pair without its other half.
fn lone_surrogate(json: &str) -> Option<&str> {
    let mut rest = json;
    while let Some(at) = memchr(b'\\', rest.as_bytes()) {
        rest = &rest[at..];
        let length = match (code_unit(rest), rest.get(6..).and_then(code_unit)) {
            (Some(0xD800..=0xDBFF), Some(0xDC00..=0xDFFF)) => 12,
            (Some(0xD800..=0xDFFF), _) => return rest.get(..6),
            (Some(_), _) => 6,
            (None, _) => 2,
        };
        rest = rest.get(length..)?;
    }
    None
}

/// Returns the code unit of the escape that the text begins with, such as `\u00e9`.
fn code_unit(text: &str) -> Option<u16> {
    u16::from_str_radix(text.strip_prefix("\\u")?.get(..4)?, 16).ok()
}

/// Returns the parts of a JSON text between its strings.
fn between_strings(json: &str) -> impl Iterator<Item = &str> {
    let mut rest = Some(json);
    std::iter::from_fn(move || {
        let text = rest?;
        let Some((part, string)) = text.split_once('"') else { return rest.take() };
        rest = string.get(string_length(string)..);
        Some(part)
    })
}

/// Returns the number of bytes of the string whose opening quote precedes the text, with the closing quote.
fn string_length(text: &str) -> usize {
    let mut escaped = false;
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => return at + 1,
            _ => {}
        }
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::Value;

    use super::*;

    #[test]
    fn depth_is_counted_outside_of_strings() {
        for (json, levels) in [("{}", 1), (r#"{"a":[{}, "[[\"[[", "\\"], "b": {}}"#, 3), (r#"{"[": "}"}"#, 1)]
        {
            assert_eq!(depth(json), levels, "{json}");
        }
    }

    #[test]
    fn what_a_reader_along_the_way_could_not_take_is_refused_with_the_place() {
        let check = |json: &str, reason: Option<&str>| {
            let found = require_portable(json).err().map(|invalid| invalid.0);
            let says = |reason: &str| found.as_deref().is_some_and(|found| found.contains(reason));
            assert!(reason.map_or(found.is_none(), says), "{json}: {found:?}");
        };
        for fine in [
            r#"{"a": "\ud83d\ude00", "b": "\\ud83d", "c": "\ufffe\uffff\u0000"}"#,
            r#"{"a": [1.7e308, -1e308, 1e-999, 123456789012345678901234567890], "1e999": "1e999"}"#,
            "[true, false, null, \"\u{fffe}\"]",
        ] {
            check(fine, None);
        }
        check(r#"{"note": "Ada \ud83d"}"#, Some(r"\ud83d is half"));
        check(r#"{"\udE00": 1}"#, Some(r"\udE00 is half"));
        check(r#"["\ud83d\ud83d\ude00"]"#, Some(r"\ud83d is half"));
        check(r#"["\ud83d\\ude00"]"#, Some(r"\ud83d is half"));
        check(r#"{"a": [1, -1e400]}"#, Some("not -1e400"));
        check(&format!("{}1e309", "9".repeat(3)), Some("not 9991e309"));
        check(&format!("{}{}", "[".repeat(32), "]".repeat(32)), None);
        check(&format!("{}{}", "[".repeat(33), "]".repeat(33)), Some("nested deeper than 32"));
    }

    #[test]
    fn a_byte_order_mark_is_skipped_once_and_only_at_the_start() {
        for (text, rest) in [("\u{feff}{}", "{}"), ("{}", "{}"), (" \u{feff}", " \u{feff}"), ("\u{feff}", "")]
        {
            assert_eq!(without_byte_order_mark(text), rest);
        }
    }

    #[test]
    fn the_two_characters_that_a_queue_does_not_take_are_escaped() {
        for (text, escaped) in [
            ("\u{fffe}", "\\ufffe"),
            ("a\u{ffff}", "a\\uffff"),
            ("，\u{ffff}b\u{fffe}", "，\\uffffb\\ufffe"),
            ("\u{fffd}，\u{ffbe}\\ufffe", "\u{fffd}，\u{ffbe}\\ufffe"),
        ] {
            assert_eq!(escape_noncharacters(text), escaped);
        }
    }

    proptest! {
        #[test]
        fn whatever_is_portable_a_parser_reads(
            json in r#"[\[{]{0,3}("(\\u(d83d|de00|00e9)|\\\\|\\"|[a-z]){0,4}"|-?[1-9][0-9]{0,3}(e[0-9]{1,3})?)[\]}]{0,3}"#,
        ) {
            let read: Result<&serde_json::value::RawValue, _> = serde_json::from_str(&json);
            if let Ok(json) = read {
                let parsed = serde_json::from_str::<Value>(json.get());
                prop_assert_eq!(require_portable(json.get()).is_ok(), parsed.is_ok(), "{}", json);
            }
        }
    }
}
