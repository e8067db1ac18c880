//! The catalogue of event types.

pub(crate) mod list;
