//! Pages of lists: filters, orders, cursors, and the size limit of an answer.
//!
//! The listed types are in other modules.

mod cursor;
mod endpoints;
mod log_page;
mod room;
mod window;

pub use self::cursor::EndpointCursor;
pub use self::endpoints::{
    Direction, EndpointListing, EndpointOutline, EndpointPage, EndpointPageBuilder, OrderField, Page,
    UnknownCursor, parse_order,
};
pub use self::log_page::{LogPage, LogPageBuilder, MAX_LOOKED_AT};
pub use self::room::{MAX_LIST_BYTES, PageTooLarge, bytes_in_answer};
pub use self::window::Window;
