//! The console: the pages for the browser, which call the API.

pub(crate) mod embedders;
pub(crate) mod get;
