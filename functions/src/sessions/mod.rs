//! Portal sessions: a customer's own, limited access.

pub(crate) mod create;
pub(crate) mod end;
pub(crate) mod exchange;
