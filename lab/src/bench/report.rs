//! A benchmark's results: a table for people, JSON for programs.

use std::fmt;
use std::path::Path;

use anyhow::{Context as _, Result};
use comfy_table::presets::UTF8_FULL_CONDENSED;
use comfy_table::{CellAlignment, Table};
use serde::{Serialize, Serializer};

/// A benchmark's figures, and which goals they meet.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    pub(crate) benchmark: &'static str,
    pub(crate) rows: Vec<Row>,
    pub(crate) goals: Vec<Goal>,
}

/// A row of figures. Each figure's name is the title of its column.
#[derive(Debug, Default)]
pub(crate) struct Row(Vec<(&'static str, Figure)>);

#[derive(Debug, Serialize)]
#[serde(untagged)]
enum Figure {
    Text(String),
    Count(u64),
    Number(f64),
}

/// A figure's goal, and its value.
#[derive(Debug, Serialize)]
pub(crate) struct Goal {
    pub(crate) what: String,
    pub(crate) bound: Bound,
    pub(crate) measured: f64,
}

/// Whether a figure should be below or above a number.
#[derive(Debug, Clone, Copy, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Bound {
    AtMost(f64),
    AtLeast(f64),
}

impl Report {
    /// Prints the table and the goals, and writes the JSON file if a path is given.
    pub(crate) fn publish(&self, json: Option<&Path>) -> Result<()> {
        println!("{self}");
        if cfg!(debug_assertions) {
            println!(
                "This is a debug build: its counts are valid, its times are not. Measure with `cargo run --release`."
            );
        }
        let Some(file) = json else { return Ok(()) };
        let text = serde_json::to_string_pretty(self)? + "\n";
        std::fs::write(file, text).with_context(|| format!("cannot write {}", file.display()))
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut table = Table::new();
        table.load_style(UTF8_FULL_CONDENSED);
        if let Some(Row(figures)) = self.rows.first() {
            table.set_header(figures.iter().map(|(name, _)| name.replace('_', " ")));
        }
        for Row(figures) in &self.rows {
            table.add_row(figures.iter().map(|(_, figure)| figure.to_string()));
        }
        for (number, (_, figure)) in self.rows.iter().flat_map(|Row(figures)| figures.iter().enumerate()) {
            if let (Figure::Count(_) | Figure::Number(_), Some(column)) = (figure, table.column_mut(number)) {
                column.set_cell_alignment(CellAlignment::Right);
            }
        }
        writeln!(f, "{table}")?;
        self.goals.iter().try_for_each(|goal| writeln!(f, "{goal}"))
    }
}

impl Row {
    pub(crate) fn text(mut self, name: &'static str, text: impl fmt::Display) -> Self {
        self.0.push((name, Figure::Text(text.to_string())));
        self
    }

    pub(crate) fn count(mut self, name: &'static str, number: impl TryInto<u64>) -> Self {
        self.0.push((name, Figure::Count(number.try_into().unwrap_or(u64::MAX))));
        self
    }

    /// Adds a number. The name contains its unit.
    pub(crate) fn number(mut self, name: &'static str, number: f64) -> Self {
        self.0.push((name, Figure::Number(number)));
        self
    }
}

impl Serialize for Row {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(name, figure)| (name, figure)))
    }
}

impl fmt::Display for Figure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => f.write_str(text),
            Self::Count(number) => write!(f, "{number}"),
            Self::Number(number) if number.abs() >= 100.0 => write!(f, "{number:.0}"),
            Self::Number(number) => write!(f, "{number:.3}"),
        }
    }
}

impl Goal {
    fn is_met(&self) -> bool {
        match self.bound {
            Bound::AtMost(most) => self.measured <= most,
            Bound::AtLeast(least) => self.measured >= least,
        }
    }
}

impl fmt::Display for Goal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { what, bound, measured } = self;
        let verdict = if self.is_met() { "met   " } else { "MISSED" };
        match bound {
            Bound::AtMost(most) => write!(f, "{verdict}  {what}: {measured:.2} (goal: at most {most})"),
            Bound::AtLeast(least) => write!(f, "{verdict}  {what}: {measured:.2} (goal: at least {least})"),
        }
    }
}
