//! Recoveries of endpoints that missed events.

pub(crate) mod get;
