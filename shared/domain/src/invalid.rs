//! Why a value is refused.

/// Why a value is not valid, as the end of a sentence that begins with the value's name:
/// "must be at most 1024 characters long (this one has 2000)".
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Invalid(pub String);

impl Invalid {
    /// An invalid value, with the reason that follows its name.
    pub fn because(reason: impl Into<String>) -> Self {
        Self(reason.into())
    }
}
