//! Lists that come page by page.

use serde::Deserialize;
use serde_json::value::RawValue;

use super::Call;

/// The most entries of one page.
const PAGE: usize = 100;

/// The rest of a list.
pub(crate) struct Pages<'a> {
    call: Call<'a>,
    cursor: Option<String>,
    left: usize,
    /// Whether the list has more entries than were asked for.
    has_more: bool,
    is_finished: bool,
}

/// A page of a list.
#[derive(Deserialize)]
struct Page {
    list: Vec<Box<RawValue>>,
    has_more: bool,
    next_cursor: Option<String>,
}

impl<'a> Pages<'a> {
    /// Returns the list that a call begins, at most so many entries.
    pub(crate) fn new(call: Call<'a>, at_most: usize) -> Self {
        Self { call, cursor: None, left: at_most, has_more: false, is_finished: at_most == 0 }
    }

    /// Returns the entries of the next page, which may be none; `None` if the list has ended.
    pub(crate) async fn next(&mut self) -> anyhow::Result<Option<Vec<Box<RawValue>>>> {
        if self.is_finished {
            return Ok(None);
        }
        let call = self.call.clone().query("limit", Some(self.left.min(PAGE)));
        let page: Page = call.query("starting_after", self.cursor.take()).read().await?;
        self.left = self.left.saturating_sub(page.list.len());
        self.cursor = page.next_cursor.filter(|_| page.has_more);
        self.has_more = self.cursor.is_some();
        self.is_finished = !self.has_more || self.left == 0;
        Ok(Some(page.list))
    }

    /// Returns where the next page begins.
    pub(crate) fn cursor(&self) -> Option<&str> {
        self.cursor.as_deref()
    }

    /// Returns whether the list has more entries than were asked for.
    pub(crate) fn has_more(&self) -> bool {
        self.has_more
    }
}
