//! Routes that the API does not have.

pub(crate) mod not_found;
