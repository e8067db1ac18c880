//! HTTP for Posthorn's functions: authentication, reading requests, answers, problem JSON.
//!
//! A handler reads top to bottom as "authenticate, read, act, answer", and `?` turns every error into a [`Problem`].

mod access;
pub mod bodies;
mod code;
mod listing;
mod problem;
mod request;
mod require_enabled;
mod response;

pub use access::{Access, Caller, Principal};
pub use code::Code;
pub use listing::{
    AccountListing, AttemptListing, AttemptsOf, AttentionListing, DEFAULT_PAGE, EventListing, Expansion,
    ExplanationListing, FeedQuery, FeedStart, LAST_ATTEMPTS, LAST_PAGE, LogPageBuilder, MAX_LIST_BYTES,
    MAX_LOOKED_AT, MAX_NUMBERED_EVENTS, MAX_PAGE, MAX_WAIT, Room, Window, account_listing, attempt_listing,
    attempts_at, attempts_of_all, attention_listing, audit_window, bytes_in_answer, endpoint_listing,
    event_listing, explanation_listing, feed_query, key_window, last_attempts, sized, unknown_cursor,
};
pub use problem::{Problem, ProblemBody};
pub use request::{Query, Request, read_fields};
pub use require_enabled::require_enabled;
pub use response::{Response, accepted, created, ok, replayed};
