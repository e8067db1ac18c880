//! Attempts at deliveries.

pub(crate) mod list;
pub(crate) mod retry;
