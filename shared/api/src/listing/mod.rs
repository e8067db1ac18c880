//! Lists, page by page: query parameters, orders, cursors, and the size limit of an answer.

mod attempts_at;
mod cursor;
mod endpoint_page;
mod endpoints;
mod log_page;
mod order;
mod parameters;
mod room;
mod window;

pub use self::attempts_at::attempts_at;
pub use self::log_page::{LogPageBuilder, MAX_LOOKED_AT};
pub use self::parameters::{
    AccountListing, AttemptListing, AttemptsOf, AttentionListing, DEFAULT_PAGE, EventListing, LAST_PAGE,
    MAX_NUMBERED_EVENTS, MAX_PAGE, account_listing, attempt_listing, attention_listing, audit_window,
    endpoint_listing, event_listing, unknown_cursor,
};
pub use self::room::{MAX_LIST_BYTES, bytes_in_answer};
pub use self::window::Window;
