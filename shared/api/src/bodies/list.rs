//! Lists, whole and in parts.

use serde::Serialize;

/// A whole list, and its length.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ListBody<T> {
    count: usize,
    list: Vec<T>,
}

impl<T> ListBody<T> {
    /// Returns the list of these entries.
    pub fn new(list: Vec<T>) -> Self {
        Self { count: list.len(), list }
    }
}

/// A part of a list of endpoints. It may be shorter than `limit` though there are more, because the size of an answer
/// is limited.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct EndpointListBody<E> {
    /// The number of all endpoints that match, in this part and elsewhere.
    pub count: usize,
    /// The endpoints.
    pub list: Vec<E>,
    /// Whether there are more in the direction in which the list is read.
    pub has_more: bool,
    /// The cursor for the next part, if there are more.
    pub next_cursor: Option<String>,
}

/// A part of a list of events or attempts. It may be shorter than `limit` though there are more, because one request
/// scans a limited number of events, and the size of an answer is limited.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CursorListBody<Id, T> {
    /// The entries, newest first.
    pub list: Vec<T>,
    /// Whether there may be more in the direction in which the list is read.
    pub has_more: bool,
    /// The cursor for the next part, if there may be more.
    pub next_cursor: Option<Id>,
}
