//! Texts of limited length.

use std::fmt;
use std::str::FromStr;

use serde::Serialize;

use crate::invalid::Invalid;

/// A text of at most `MAX` characters (Unicode scalar values).
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct Text<const MAX: usize>(String);

/// What an endpoint is for, in its owner's words: at most 1,024 characters.
pub type Description = Text<1024>;

/// A name or an id given by a client: at most 255 characters.
pub type ShortText = Text<255>;

impl<const MAX: usize> Text<MAX> {
    /// The most characters.
    pub const MAX_LENGTH: usize = MAX;

    /// Returns the text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl<const MAX: usize> FromStr for Text<MAX> {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        let length = text.chars().count();
        if length > MAX {
            return Err(Invalid::because(format!(
                "must be at most {MAX} characters long (this one has {length})"
            )));
        }
        Ok(Self(text.to_owned()))
    }
}

/// The version of the API whose event shapes an endpoint expects, such as `1.0.0`: 1 to 64 printable ASCII
/// characters without spaces.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct ApiVersion(String);

impl ApiVersion {
    /// The most characters.
    pub const MAX_LENGTH: usize = 64;

    /// Returns the version as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// `1.0.0`, the version that PaymentKit's guide shows.
impl Default for ApiVersion {
    fn default() -> Self {
        Self("1.0.0".to_owned())
    }
}

impl FromStr for ApiVersion {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        if text.is_empty() || text.len() > Self::MAX_LENGTH || !text.chars().all(|c| c.is_ascii_graphic()) {
            return Err(Invalid::because(
                "must be 1 to 64 printable ASCII characters without spaces, such as 1.0.0",
            ));
        }
        Ok(Self(text.to_owned()))
    }
}

impl fmt::Display for ApiVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
