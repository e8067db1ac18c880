//! The report of a redrive.

use std::time::Duration;

use anyhow::Result;
use comfy_table::Table;
use comfy_table::presets::UTF8_FULL_CONDENSED;
use posthorn_domain::Clock as _;
use posthorn_runtime::SystemClock;

use super::queue::DeadLetter;
use crate::output::{print, safe};

/// The results of the messages.
#[derive(Debug, Default)]
pub(crate) struct Report {
    rows: Vec<[String; 5]>,
    receipts: Vec<String>,
    shown: usize,
    moved: usize,
    left: usize,
    failed: usize,
}

impl Report {
    /// Adds a message that can be moved.
    pub(crate) fn show(&mut self, letter: &DeadLetter, about: String) {
        self.shown += 1;
        self.row(letter, about, "");
    }

    /// Counts messages that were moved.
    pub(crate) fn move_some(&mut self, number: usize) {
        self.moved += number;
    }

    /// Adds a message that stays because it would fail again.
    pub(crate) fn leave(&mut self, letter: &DeadLetter, reason: &str) {
        self.left += 1;
        self.row(letter, String::new(), reason);
    }

    /// Adds a message that stays because a call failed.
    pub(crate) fn fail(&mut self, letter: &DeadLetter, reason: &str) {
        self.failed += 1;
        self.row(letter, String::new(), reason);
    }

    fn row(&mut self, letter: &DeadLetter, about: String, reason: &str) {
        let age = age(SystemClock.now().since(letter.sent_at));
        let received = letter.receive_count.to_string();
        self.rows.push([letter.id.clone(), age, received, about, reason.to_owned()]);
        self.receipts.push(letter.receipt.clone());
    }

    /// Returns the receipts of the messages that are still in the dead-letter queue.
    pub(crate) fn receipts(&self) -> &[String] {
        &self.receipts
    }

    /// Returns the number of messages that were not moved, but should have been.
    pub(crate) fn stuck(&self) -> usize {
        self.left + self.failed
    }

    pub(crate) fn has_left_some(&self) -> bool {
        self.left > 0
    }

    /// Prints the messages that are still in the dead-letter queue, and the counts.
    pub(crate) fn print(&self, noun: &str, dry_run: bool) -> Result<()> {
        if !self.rows.is_empty() {
            let mut table = Table::new();
            table.load_style(UTF8_FULL_CONDENSED);
            table.set_header(["Message", "Age", "Received", "What", "Why it stays"]);
            for row in &self.rows {
                table.add_row(row.iter().map(|text| safe(text)));
            }
            table.lines().try_for_each(|line| print(&line))?;
        }
        let Self { shown, moved, left, failed, .. } = self;
        if dry_run {
            print(&format!("{noun}: {shown} can be moved, {left} can't"))
        } else {
            print(&format!("{noun}: {moved} moved, {left} left, {failed} failed"))
        }
    }
}

/// Formats a duration in its two largest units.
fn age(age: Duration) -> String {
    let seconds = age.as_secs();
    let (days, hours, minutes) = (seconds / 86_400, seconds / 3_600 % 24, seconds / 60 % 60);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{seconds} s"),
        (0, 0, _) => format!("{minutes} min"),
        (0, ..) => format!("{hours} h {minutes} min"),
        _ => format!("{days} d {hours} h"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_age_has_the_units_that_matter() {
        let check = |seconds: u64, text: &str| assert_eq!(age(Duration::from_secs(seconds)), text);
        check(59, "59 s");
        check(60, "1 min");
        check(3_600 + 125, "1 h 2 min");
        check(13 * 86_400 + 7_200, "13 d 2 h");
    }
}
