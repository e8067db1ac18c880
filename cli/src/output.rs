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
            return entries.iter().try_for_each(|entry| print(entry.get()));
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
            return print(value.get());
        }
        let mut table = table();
        for (name, field) in serde_json::from_str::<Fields>(value.get())?.0 {
            add_field(&mut table, &name, &field);
        }
        print_table(&table)
    }

    /// Prints what was done, or in JSON the API's answer.
    pub(crate) fn done(self, said: &str, answer: &RawValue) -> Result<()> {
        if self == Self::Json { print(answer.get()) } else { print(said) }
    }
}

/// The fields of an object, in their order.
struct Fields(Vec<(String, Value)>);

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
fn add_field(table: &mut Table, name: &str, value: &Value) {
    match value {
        Value::Object(fields) if !fields.is_empty() => {
            for (inner, value) in fields {
                add_field(table, &format!("{name}.{inner}"), value);
            }
        }
        Value::Array(list) if list.iter().any(Value::is_object) => {
            for (index, value) in list.iter().enumerate() {
                add_field(table, &format!("{name}.{index}"), value);
            }
        }
        value => drop(table.add_row([name.to_owned(), text(value)])),
    }
}

/// Returns a value as people read it.
pub(crate) fn text(value: &Value) -> String {
    match value {
        Value::Null => "-".to_owned(),
        Value::String(text) => text.clone(),
        Value::Array(list) if list.is_empty() => "-".to_owned(),
        Value::Array(list) if list.iter().all(|entry| !entry.is_object() && !entry.is_array()) => {
            list.iter().map(text).collect::<Vec<_>>().join(", ")
        }
        Value::Object(fields) if fields.is_empty() => "-".to_owned(),
        other => other.to_string(),
    }
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

/// Prints a line. Ends the process if nobody reads the output any more.
pub(crate) fn print(line: &str) -> Result<()> {
    match writeln!(std::io::stdout(), "{line}") {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => std::process::exit(0),
        printed => Ok(printed?),
    }
}

/// Prints a line with styles, which only a terminal gets.
pub(crate) fn print_styled(line: &str) -> Result<()> {
    let is_colored = anstream::AutoStream::choice(&std::io::stdout()) != anstream::ColorChoice::Never;
    if is_colored { print(line) } else { print(&anstream::adapter::strip_str(line).to_string()) }
}

/// Tells something that is no part of the output.
pub(crate) fn note(text: &str) {
    let bold = Style::new().bold();
    anstream::eprintln!("{bold}> {text}{bold:#}");
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
