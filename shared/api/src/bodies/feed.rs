//! A page of the feed.

use posthorn_domain::FeedCursor;
use serde::Serialize;
use serde_json::value::RawValue;

/// Events as they are delivered, byte for byte, and where to go on.
#[derive(Debug, Serialize)]
pub struct FeedBody {
    list: Vec<Box<RawValue>>,
    has_more: bool,
    next_cursor: String,
}

impl FeedBody {
    /// Returns a page of these events. `has_more` says that the next page has events already.
    pub fn new(list: Vec<Box<RawValue>>, has_more: bool, next: &FeedCursor) -> Self {
        Self { list, has_more, next_cursor: next.to_string() }
    }
}
