//! The checks. Each returns a text to report, or an error that says what was expected and what happened.

pub(crate) mod dead_letters;
pub(crate) mod endpoints;
pub(crate) mod feed;
pub(crate) mod latency;
pub(crate) mod poison;
pub(crate) mod problems;
pub(crate) mod publishing;
pub(crate) mod recovery;
pub(crate) mod retries;
pub(crate) mod sweep;

use anyhow::Result;

/// The result of a check: a text to report, if it has one.
pub(crate) type Checked = Result<Option<String>>;
