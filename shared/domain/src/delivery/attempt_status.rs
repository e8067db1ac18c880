//! The results of attempts.

use std::str::FromStr;

use serde::Serialize;

use crate::delivery::Attempt;
use crate::invalid::Invalid;

/// The result of an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum AttemptStatus {
    /// The endpoint acknowledged the event.
    Succeeded,
    /// The endpoint did not acknowledge the event.
    Failed,
    /// Unknown: Posthorn ended the attempt at the short time limit of first attempts, at most a second, and makes it
    /// again with the full timeout.
    CutShort,
}

impl AttemptStatus {
    const ALL: [Self; 3] = [Self::Succeeded, Self::Failed, Self::CutShort];

    /// Returns the status as one word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::CutShort => "cut_short",
        }
    }
}

impl From<&Attempt> for AttemptStatus {
    fn from(attempt: &Attempt) -> Self {
        if attempt.succeeded() {
            Self::Succeeded
        } else if attempt.failed() {
            Self::Failed
        } else {
            Self::CutShort
        }
    }
}

impl FromStr for AttemptStatus {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        let known = Self::ALL.into_iter().find(|status| status.as_str() == text);
        known.ok_or_else(|| {
            let reason = format!("must be \"succeeded\", \"failed\" or \"cut_short\", not {text:?}");
            Invalid::because(reason)
        })
    }
}
