//! HTTP for Posthorn's functions: authentication, extracting, problem JSON, answers.
//!
//! A handler reads top to bottom as "who calls, what do they want, do it, answer", and `?` turns whatever goes
//! wrong into a [`Problem`].

mod access;
mod attempts;
mod enabled;
mod listing;
mod problem;
mod request;
mod response;

pub use access::Access;
pub use attempts::attempts_at;
pub use enabled::require_enabled;
pub use listing::{
    AttemptListing, AttemptsOf, EventListing, attempt_listing, endpoint_listing, event_listing,
    unknown_cursor,
};
pub use problem::Problem;
pub use request::{Query, Request};
pub use response::{Response, accepted, created, ok, replayed};
