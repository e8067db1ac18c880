//! Which part of a list a client wants.

/// Which part of an ordered list to answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Window<Id> {
    /// The first `limit` entries, of a list that is gone on with by cursor.
    First {
        /// The most entries to answer.
        limit: usize,
    },
    /// A numbered page; the first is 1.
    Page {
        /// The page's number.
        number: usize,
        /// How many entries a page has.
        size: usize,
    },
    /// The first `limit` entries that follow one.
    After {
        /// The entry that the last page ended with.
        id: Id,
        /// The most entries to answer.
        limit: usize,
    },
    /// The last `limit` entries that precede one, in the list's own order.
    Before {
        /// The entry that the next page begins with.
        id: Id,
        /// The most entries to answer.
        limit: usize,
    },
}

impl<Id> Window<Id> {
    /// The most entries to answer.
    pub fn limit(&self) -> usize {
        match self {
            Self::Page { size, .. } => *size,
            Self::First { limit } | Self::After { limit, .. } | Self::Before { limit, .. } => *limit,
        }
    }

    /// How many entries precede the page; none where it begins at a cursor.
    pub fn skip(&self) -> usize {
        match self {
            Self::Page { number, size } => number.saturating_sub(1).saturating_mul(*size),
            Self::First { .. } | Self::After { .. } | Self::Before { .. } => 0,
        }
    }
}
