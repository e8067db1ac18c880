//! The order of things in this process.

use std::sync::atomic::{AtomicU64, Ordering};

/// A position in the order in which things happen in this process. It does not come from a clock, which can be set, and
/// can show the same time twice: of two moments, one is always earlier.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Moment(u64);

impl Moment {
    /// Returns a moment later than all before it, on any thread.
    pub fn now() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        Self(NEXT.fetch_add(1, Ordering::SeqCst))
    }
}
