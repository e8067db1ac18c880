//! The OpenAPI document.

pub(crate) mod get;
#[cfg(test)]
mod limits;

/// The API as an OpenAPI 3.1 document. The system tests check every answer against it.
pub const DOCUMENT: &str = include_str!("openapi.json");
