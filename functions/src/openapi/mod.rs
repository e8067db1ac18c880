//! The API's description.

pub(crate) mod get;

/// The API as an OpenAPI 3.1 document. The system's tests hold every answer against it.
pub const DOCUMENT: &str = include_str!("openapi.json");
