//! Prints: tables for people, lines of JSON for programs.

use std::fmt;
use std::io::{ErrorKind, IsTerminal as _, Write as _};

use anstyle::Style;
use anyhow::Result;
use comfy_table::Table;
use comfy_table::presets::NOTHING;
use indicatif::{ProgressBar, ProgressStyle};
use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::Value;
use serde_json::value::RawValue;
use thiserror::Error;

use crate::api::pages::Pages;

/// A column of a table, and where its value is in an entry: a JSON pointer.
pub(crate) type Column = (&'static str, &'static str);

/// How to print.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Output {
    /// For people.
    Text,
    /// For programs: one value a line, as the API returns it.
    Json,
}

impl Output {
    /// Prints a list, page by page.
    pub(crate) async fn list(self, mut pages: Pages<'_>, columns: &[Column]) -> Result<()> {
        let mut number = 0;
        while let Some(page) = pages.next().await? {
            self.entries(&page, columns, number == 0)?;
            number += page.len();
        }
        if self == Self::Text && number == 0 {
            note("There are none.");
        } else if self == Self::Text && pages.has_more() {
            note(&format!("There are more than {number}: use --limit NUMBER or --all."));
        }
        Ok(())
    }

    /// Prints entries of a list.
    pub(crate) fn entries(
        self,
        entries: &[Box<RawValue>],
        columns: &[Column],
        has_header: bool,
    ) -> Result<()> {
        if self == Self::Json {
            return entries.iter().try_for_each(|entry| print(&compact(entry.get())));
        }
        if entries.is_empty() {
            return Ok(());
        }
        let mut table = table();
        if has_header {
            table.set_header(columns.iter().map(|(name, _)| name.to_uppercase()));
        }
        for entry in entries {
            let entry: Value = serde_json::from_str(entry.get())?;
            table.add_row(columns.iter().map(|(_, at)| entry.pointer(at).map_or_else(String::new, text)));
        }
        print_table(&table)
    }

    /// Prints a value with all its fields.
    pub(crate) fn one(self, value: &RawValue) -> Result<()> {
        if self == Self::Json {
            return print(&compact(value.get()));
        }
        let mut table = table();
        for (name, field) in serde_json::from_str::<Fields>(value.get())?.0 {
            add_field(&mut table, &safe(&name), &field)?;
        }
        print_table(&table)
    }

    /// Prints what was done, or in JSON the API's answer. It is done also if nobody reads the output.
    pub(crate) fn done(self, said: &str, answer: &RawValue) -> Result<()> {
        unless_closed(if self == Self::Json { print(&compact(answer.get())) } else { print(said) })
    }
}

/// The fields of an object, in their order. Numbers keep their digits.
struct Fields(Vec<(String, Box<RawValue>)>);

impl<'de> serde::Deserialize<'de> for Fields {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Ordered;
        impl<'de> Visitor<'de> for Ordered {
            type Value = Fields;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Fields, A::Error> {
                let mut fields = Vec::new();
                while let Some(field) = map.next_entry()? {
                    fields.push(field);
                }
                Ok(Fields(fields))
            }
        }
        deserializer.deserialize_map(Ordered)
    }
}

/// Adds a field to a table: each field of an object, and each object of a list, in a row of its own.
fn add_field(table: &mut Table, name: &str, value: &RawValue) -> Result<()> {
    let json = value.get();
    if json.starts_with('{') {
        let Fields(fields) = serde_json::from_str(json)?;
        if !fields.is_empty() {
            return fields
                .iter()
                .try_for_each(|(inner, value)| add_field(table, &format!("{name}.{}", safe(inner)), value));
        }
    }
    if json.starts_with('[') {
        let list: Vec<Box<RawValue>> = serde_json::from_str(json)?;
        if list.iter().any(|entry| entry.get().starts_with('{')) {
            let mut numbered = list.iter().enumerate();
            return numbered
                .try_for_each(|(index, value)| add_field(table, &format!("{name}.{index}"), value));
        }
    }
    let is_number = json.starts_with(|c: char| c == '-' || c.is_ascii_digit());
    table.add_row([
        name.to_owned(),
        if is_number { json.to_owned() } else { text(&serde_json::from_str(json)?) },
    ]);
    Ok(())
}

/// Returns a value as people read it.
fn text(value: &Value) -> String {
    match value {
        Value::Null => "-".to_owned(),
        Value::String(text) => safe(text),
        Value::Array(list) if list.is_empty() => "-".to_owned(),
        Value::Array(list) if list.iter().all(|entry| !entry.is_object() && !entry.is_array()) => {
            list.iter().map(text).collect::<Vec<_>>().join(", ")
        }
        Value::Object(fields) if fields.is_empty() => "-".to_owned(),
        other => safe(&other.to_string()),
    }
}

/// Returns a text that a terminal only shows: characters that control it, or turn the direction of writing, are written out. Some of
/// what is printed comes from strangers, such as an endpoint's response.
pub(crate) fn safe(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        if is_unsafe(c) { shown.extend(c.escape_default()) } else { shown.push(c) }
    }
    shown
}

fn is_unsafe(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Returns the same JSON in one line that a terminal only shows.
pub(crate) fn compact(json: &str) -> String {
    let (mut line, mut is_string, mut is_escaped) = (String::with_capacity(json.len()), false, false);
    for c in json.chars() {
        if !is_string && c.is_ascii_whitespace() {
            continue;
        }
        if is_unsafe(c) {
            // Valid JSON has such characters only within strings.
            let _ = fmt::Write::write_fmt(&mut line, format_args!("\\u{:04x}", u32::from(c)));
        } else {
            line.push(c);
        }
        is_string ^= c == '"' && !is_escaped;
        is_escaped = is_string && c == '\\' && !is_escaped;
    }
    line
}

/// Returns a number of things.
pub(crate) fn counted(number: u64, thing: &str) -> String {
    if number == 1 { format!("1 {thing}") } else { format!("{number} {thing}s") }
}

/// Returns an empty table without lines.
pub(crate) fn table() -> Table {
    let mut table = Table::new();
    table.load_style(NOTHING);
    table
}

/// Prints a table.
pub(crate) fn print_table(table: &Table) -> Result<()> {
    table.lines().try_for_each(|line| print(line.strip_prefix(' ').unwrap_or(&line).trim_end()))
}

/// Nobody reads the output any more.
#[derive(Debug, Error)]
#[error("nobody reads the output any more")]
pub(crate) struct Closed;

/// Prints a line. Errors with [`Closed`] if nobody reads the output any more.
pub(crate) fn print(line: &str) -> Result<()> {
    match writeln!(std::io::stdout(), "{line}") {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Err(Closed.into()),
        printed => Ok(printed?),
    }
}

/// Goes on though nobody reads the output any more: what a command changes must not end in the middle.
pub(crate) fn unless_closed(printed: Result<()>) -> Result<()> {
    printed.or_else(|error| if error.is::<Closed>() { Ok(()) } else { Err(error) })
}

/// Prints a line with styles, which only a terminal gets.
pub(crate) fn print_styled(line: &str) -> Result<()> {
    let is_colored = anstream::AutoStream::choice(&std::io::stdout()) != anstream::ColorChoice::Never;
    if is_colored { print(line) } else { print(&anstream::adapter::strip_str(line).to_string()) }
}

/// Says something that is no part of the output.
pub(crate) fn note(text: &str) {
    let bold = Style::new().bold();
    // If nobody reads it, there is nobody to tell.
    let _ = writeln!(anstream::stderr(), "{bold}> {}{bold:#}", safe(text));
}

/// Returns a progress bar of this length, which only a terminal shows.
pub(crate) fn progress(length: u64, what: &'static str) -> ProgressBar {
    if !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let style = ProgressStyle::with_template("{msg} [{bar:40}] {percent:>3} % {prefix}");
    let style = style.expect("the template is valid").progress_chars("=> ");
    ProgressBar::new(length).with_style(style).with_message(what)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_strangers_write_cannot_control_the_terminal() {
        assert_eq!(safe("\u{1b}[31mred\nrow\u{9b}x\u{202e}"), "\\u{1b}[31mred\\nrow\\u{9b}x\\u{202e}");
        assert_eq!(safe("Zoë → 日本"), "Zoë → 日本");
        let json = "{ \"a\": \"x\u{9b}\\\"\\\\\" ,\n \"b c\": [1.50, \"\u{202e}\"] }";
        let line = compact(json);
        assert_eq!(line, r#"{"a":"x\u009b\"\\","b c":[1.50,"\u202e"]}"#);
        let same = |text: &str| serde_json::from_str::<Value>(text).unwrap();
        assert_eq!(same(&line), same(json));
    }

    #[test]
    fn numbers_keep_their_digits() {
        let mut table = table();
        let value =
            RawValue::from_string(r#"{"a":1.50,"b":[{"c":12345678901234567890123}]}"#.to_owned()).unwrap();
        add_field(&mut table, "data", &value).unwrap();
        let lines: Vec<_> = table.lines().map(|line| line.trim().to_owned()).collect();
        assert!(lines[0].ends_with("1.50") && lines[1].ends_with(" 12345678901234567890123"), "{lines:?}");
        assert!(lines[1].starts_with("data.b.0.c"), "{lines:?}");
    }
}
