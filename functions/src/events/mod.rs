//! Events.

pub(crate) mod explain;
pub(crate) mod get;
pub(crate) mod list;
pub(crate) mod publish;
