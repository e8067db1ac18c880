//! Why a value is refused.

/// Why a value is refused, as the end of a sentence that begins with the value's name: "must be at most 1024 characters
/// long (this one has 2000)".
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Invalid(pub String);

impl Invalid {
    /// Returns an error with the reason that follows the value's name.
    pub fn because(reason: impl Into<String>) -> Self {
        Self(reason.into())
    }
}
