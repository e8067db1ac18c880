//! What came first in this process.

use std::sync::atomic::{AtomicU64, Ordering};

/// A place in the order in which things happen in this process. It is not taken from a clock, which can be set, and shows
/// the same time twice: of two moments, one is earlier.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Moment(u64);

impl Moment {
    /// This moment: later than all that were taken before it, on whatever thread.
    pub fn now() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        Self(NEXT.fetch_add(1, Ordering::SeqCst))
    }
}
