//! API keys and components' keys.

pub(crate) mod create;
pub(crate) mod delete;
pub(crate) mod list;
