//! The feed.

pub(crate) mod read;
