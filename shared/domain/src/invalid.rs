//! Why a value is refused.

use std::fmt::Display;

use strum::VariantArray;

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

    /// Returns an error for a text that is no variant of this enum.
    pub fn none_of<Words: VariantArray + Display>(text: &str) -> Self {
        let words: Vec<_> = Words::VARIANTS.iter().map(|word| format!("\"{word}\"")).collect();
        let words = match words.split_last() {
            Some((last, [])) => last.clone(),
            Some((last, others)) => format!("{} or {last}", others.join(", ")),
            None => "left out".to_owned(),
        };
        Self(format!("must be {words}, not {text:?}"))
    }
}
