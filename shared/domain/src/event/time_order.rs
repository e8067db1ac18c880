//! The order of a list in time.

/// The order in which a list is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TimeOrder {
    /// The newest comes first.
    NewestFirst,
    /// The oldest comes first.
    OldestFirst,
}
