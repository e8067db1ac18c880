//! The results of attempts.

use serde::Serialize;
use strum::{Display, EnumString, VariantArray};

use crate::delivery::Attempt;
use crate::invalid::Invalid;

/// The result of an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Display, EnumString, VariantArray)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case", parse_err_ty = Invalid, parse_err_fn = Invalid::none_of::<AttemptStatus>)]
pub enum AttemptStatus {
    /// The endpoint acknowledged the event.
    Succeeded,
    /// The endpoint did not acknowledge the event.
    Failed,
    /// Unknown: Posthorn ended the attempt at the short time limit of first attempts, at most a second, and makes it
    /// again with the full timeout.
    CutShort,
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
