//! What a check found, and what to do about it.

use anstyle::{AnsiColor, Style};
use anyhow::Result;
use serde::Serialize;

use crate::output::{Output, print, print_styled};

/// How urgent a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Level {
    /// There is nothing to do.
    Ok,
    /// Worth knowing, or it could not be read.
    Note,
    /// Something does not work, or will soon stop.
    Fix,
}

impl Level {
    fn name(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Note => "note",
            Self::Fix => "fix",
        }
    }

    fn style(self) -> Style {
        match self {
            Self::Ok => AnsiColor::Green.on_default(),
            Self::Note => AnsiColor::Yellow.on_default(),
            Self::Fix => AnsiColor::Red.on_default().bold(),
        }
    }
}

/// What a check found. Both texts are whole sentences.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Finding {
    /// The name of the check.
    pub(super) check: &'static str,
    pub(super) level: Level,
    pub(super) found: String,
    /// `None` if there is nothing to do.
    #[serde(rename = "do")]
    pub(super) to_do: Option<String>,
}

impl Finding {
    pub(super) fn ok(check: &'static str, found: impl Into<String>) -> Self {
        Self { check, level: Level::Ok, found: found.into(), to_do: None }
    }

    pub(super) fn note(check: &'static str, found: impl Into<String>, to_do: impl Into<String>) -> Self {
        Self { check, level: Level::Note, found: found.into(), to_do: Some(to_do.into()) }
    }

    pub(super) fn fix(check: &'static str, found: impl Into<String>, to_do: impl Into<String>) -> Self {
        Self { check, level: Level::Fix, found: found.into(), to_do: Some(to_do.into()) }
    }

    /// Prints the finding in one line.
    pub(super) fn print(&self, output: Output) -> Result<()> {
        match output {
            Output::Text => print_styled(&self.line()),
            Output::Json => print(&serde_json::to_string(self)?),
        }
    }

    fn line(&self) -> String {
        let (style, level) = (self.level.style(), self.level.name());
        let to_do = self.to_do.as_deref().map_or_else(String::new, |to_do| format!(" {to_do}"));
        format!("{style}{level:<4}{style:#} {}: {}{to_do}", self.check, self.found)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_finding_is_one_line_for_people_and_one_value_for_programs() {
        let fix = Finding::fix("queues", "There are 3 dead letters.", "Redrive them.");
        let plain = anstream::adapter::strip_str(&fix.line()).to_string();
        assert_eq!(plain, "fix  queues: There are 3 dead letters. Redrive them.");
        let json =
            r#"{"check":"queues","level":"fix","found":"There are 3 dead letters.","do":"Redrive them."}"#;
        assert_eq!(serde_json::to_string(&fix).unwrap(), json);
    }

    #[test]
    fn a_finding_that_is_ok_asks_for_nothing() {
        let ok = Finding::ok("queues", "EventsQueue is empty.");
        let plain = anstream::adapter::strip_str(&ok.line()).to_string();
        assert_eq!(plain, "ok   queues: EventsQueue is empty.");
        let json = r#"{"check":"queues","level":"ok","found":"EventsQueue is empty.","do":null}"#;
        assert_eq!(serde_json::to_string(&ok).unwrap(), json);
    }
}
