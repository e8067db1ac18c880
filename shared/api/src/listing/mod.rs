//! Lists, page by page: query parameters, orders, cursors, and the size limit of an answer.

mod attempts_at;
mod attempts_of_all;
mod cursor;
mod endpoint_page;
mod endpoints;
mod expansion;
mod log_page;
mod order;
mod parameters;
mod room;
mod window;

pub use self::attempts_at::{LAST_ATTEMPTS, attempts_at, last_attempts};
pub use self::attempts_of_all::attempts_of_all;
pub use self::expansion::Expansion;
pub use self::log_page::{LogPageBuilder, MAX_LOOKED_AT};
pub use self::parameters::{
    AccountListing, AttemptListing, AttemptsOf, AttentionListing, DEFAULT_PAGE, EventListing,
    ExplanationListing, FeedQuery, FeedStart, LAST_PAGE, MAX_NUMBERED_EVENTS, MAX_PAGE, MAX_WAIT,
    account_listing, attempt_listing, attention_listing, audit_window, endpoint_listing, event_listing,
    explanation_listing, feed_query, key_window, unknown_cursor,
};
pub use self::room::{MAX_LIST_BYTES, Room, bytes_in_answer, sized};
pub use self::window::Window;
