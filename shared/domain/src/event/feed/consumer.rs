//! The names of readers whose cursors Posthorn keeps.

use std::str::FromStr;

use crate::invalid::Invalid;

/// The name of a reader of the feed: 1 to 64 letters, digits, dots, hyphens and underscores.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConsumerName(String);

impl ConsumerName {
    /// The most characters.
    pub const MAX_LENGTH: usize = 64;

    /// Returns the name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for ConsumerName {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        let is_usual = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
        if text.is_empty() || text.len() > Self::MAX_LENGTH || !text.chars().all(is_usual) {
            return Err(Invalid::because(
                "must be 1 to 64 letters, digits, dots, hyphens and underscores, such as billing",
            ));
        }
        Ok(Self(text.to_owned()))
    }
}
