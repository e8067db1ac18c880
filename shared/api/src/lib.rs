//! HTTP for Posthorn's functions: authentication, extracting, problem JSON, answers.
//!
//! A handler reads top to bottom as "who calls, what do they want, do it, answer", and `?` turns whatever goes
//! wrong into a [`Problem`].

mod access;
mod apps;
mod listing;
mod problem;
mod request;
mod response;

pub use access::Access;
pub use apps::{CatalogueApi, EndpointsApi, EventsApi, PublishApi, TestingApi};
pub use listing::{endpoint_listing, unknown_cursor};
pub use problem::Problem;
pub use request::{Query, Request};
pub use response::{Response, accepted, created, ok, replayed};
