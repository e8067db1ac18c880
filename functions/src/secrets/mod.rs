//! The secrets that webhooks are signed with.

pub(crate) mod get;
pub(crate) mod rotate;
