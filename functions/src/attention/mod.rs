//! Endpoints that need attention.

pub(crate) mod list;
