//! Filtering, ordering and paging a tenant's endpoints.

use std::cmp::Ordering;
use std::str::FromStr;

use serde::Serialize;

use crate::{Endpoint, EndpointId, EndpointStatus, Invalid};

/// What a client asks of a list of endpoints.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EndpointListing {
    /// Only endpoints of this status.
    pub status: Option<EndpointStatus>,
    /// What to sort by, the most important first. Ties are broken by id, in the direction of the last entry.
    pub order: Vec<(OrderField, Direction)>,
    /// Which part to answer.
    pub window: Window,
}

/// A field that endpoints can be ordered by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OrderField {
    /// When it was registered.
    CreatedAt,
    /// When it was last changed.
    UpdatedAt,
    /// Its URL, as text.
    Url,
    /// Its status: `disabled` before `enabled`.
    Status,
}

/// Which way to sort.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// Least first.
    Ascending,
    /// Greatest first.
    Descending,
}

impl Direction {
    fn apply(self, ordering: Ordering) -> Ordering {
        match self {
            Self::Ascending => ordering,
            Self::Descending => ordering.reverse(),
        }
    }
}

/// Which part of an ordered list to answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Window {
    /// A numbered page; the first is 1.
    Page {
        /// The page's number.
        number: usize,
        /// How many entries a page has.
        size: usize,
    },
    /// The first `limit` entries that follow the endpoint.
    After {
        /// The endpoint that the last page ended with.
        id: EndpointId,
        /// The most entries to answer.
        limit: usize,
    },
    /// The last `limit` entries that precede the endpoint, in the list's own order.
    Before {
        /// The endpoint that the next page begins with.
        id: EndpointId,
        /// The most entries to answer.
        limit: usize,
    },
}

/// A part of a list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Page<T> {
    /// How many entries match in all, on this page and elsewhere.
    pub count: usize,
    /// The entries on this page.
    pub list: Vec<T>,
}

/// The endpoint that a cursor names does not exist.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UnknownCursor(pub EndpointId);

impl EndpointListing {
    /// The part of `endpoints` that is asked for.
    pub fn select(&self, mut endpoints: Vec<Endpoint>) -> Result<Page<Endpoint>, UnknownCursor> {
        let matches = |endpoint: &Endpoint| self.status.is_none_or(|status| endpoint.status == status);
        let cursor = match self.window {
            Window::Page { .. } => None,
            // The cursor may itself have ceased to match; its place in the order is still known.
            Window::After { id, .. } | Window::Before { id, .. } => {
                Some(endpoints.iter().find(|endpoint| endpoint.id == id).cloned().ok_or(UnknownCursor(id))?)
            }
        };
        endpoints.retain(matches);
        endpoints.sort_by(|a, b| self.compare(a, b));
        let place = |wanted: fn(Ordering) -> bool| {
            cursor.as_ref().map_or(0, |cursor| {
                endpoints.partition_point(|endpoint| wanted(self.compare(endpoint, cursor)))
            })
        };
        let count = endpoints.len();
        let (from, limit) = match self.window {
            Window::Page { number, size } => (number.saturating_sub(1).saturating_mul(size), size),
            Window::After { limit, .. } => (place(Ordering::is_le), limit),
            Window::Before { limit, .. } => {
                let end = place(Ordering::is_lt);
                (end.saturating_sub(limit), limit.min(end))
            }
        };
        Ok(Page { count, list: endpoints.into_iter().skip(from).take(limit).collect() })
    }

    fn compare(&self, a: &Endpoint, b: &Endpoint) -> Ordering {
        let last = self.order.last().map_or(Direction::Descending, |(_, direction)| *direction);
        self.order
            .iter()
            .map(|(field, direction)| direction.apply(field.compare(a, b)))
            .find(|ordering| ordering.is_ne())
            .unwrap_or_else(|| last.apply(a.id.cmp(&b.id)))
    }
}

impl OrderField {
    fn compare(self, a: &Endpoint, b: &Endpoint) -> Ordering {
        match self {
            Self::CreatedAt => a.created_at.cmp(&b.created_at),
            Self::UpdatedAt => a.updated_at.cmp(&b.updated_at),
            Self::Url => a.url.cmp(&b.url),
            Self::Status => a.status.cmp(&b.status),
        }
    }
}

impl FromStr for OrderField {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        match text {
            "created_at" => Ok(Self::CreatedAt),
            "updated_at" => Ok(Self::UpdatedAt),
            "url" => Ok(Self::Url),
            "status" => Ok(Self::Status),
            _ => Err(Invalid::because(format!(
                "must sort by created_at, updated_at, url or status, not {text:?}"
            ))),
        }
    }
}

/// Reads `field:ASC` or `field:DESC` between commas; the direction may be in lower case, and is `ASC` when it is
/// left out.
pub fn parse_order(text: &str) -> Result<Vec<(OrderField, Direction)>, Invalid> {
    text.split(',')
        .map(|entry| {
            let (field, direction) = entry.trim().split_once(':').unwrap_or((entry.trim(), "ASC"));
            let direction = match direction.to_ascii_uppercase().as_str() {
                "ASC" => Direction::Ascending,
                "DESC" => Direction::Descending,
                _ => return Err(Invalid::because(format!("must sort ASC or DESC, not {direction:?}"))),
            };
            Ok((field.parse()?, direction))
        })
        .collect()
}
