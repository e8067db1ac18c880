//! Which part of a list a client requests.

use posthorn_domain::TimeOrder;

/// The part of an ordered list to return.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Window<Id> {
    /// The first `limit` entries of a list that continues by cursor.
    First {
        /// The most entries to return.
        limit: usize,
    },
    /// A numbered page; the first is 1.
    Page {
        /// The page's number.
        number: usize,
        /// The number of entries on a page.
        size: usize,
    },
    /// The first `limit` entries that follow one.
    After {
        /// The entry that the last page ended with.
        id: Id,
        /// The most entries to return.
        limit: usize,
    },
    /// The last `limit` entries that precede one, in the list's own order.
    Before {
        /// The entry that the next page begins with.
        id: Id,
        /// The most entries to return.
        limit: usize,
    },
}

impl<Id> Window<Id> {
    /// Returns the most entries to return.
    pub fn limit(&self) -> usize {
        match self {
            Self::Page { size, .. } => *size,
            Self::First { limit } | Self::After { limit, .. } | Self::Before { limit, .. } => *limit,
        }
    }

    /// Returns the number of entries before the page; 0 for a list by cursor.
    pub fn skip(&self) -> usize {
        match self {
            Self::Page { number, size } => number.saturating_sub(1).saturating_mul(*size),
            Self::First { .. } | Self::After { .. } | Self::Before { .. } => 0,
        }
    }

    /// Returns the entry that the part follows; `None` if it does not follow one.
    pub fn after(&self) -> Option<&Id> {
        if let Self::After { id, .. } = self { Some(id) } else { None }
    }

    /// Returns the order in which a list with the newest first has to be read for this part of it.
    pub fn time_order(&self) -> TimeOrder {
        match self {
            Self::First { .. } | Self::Page { .. } | Self::After { .. } => TimeOrder::NewestFirst,
            Self::Before { .. } => TimeOrder::OldestFirst,
        }
    }
}
