//! The exit codes.

use std::process::ExitCode;

use thiserror::Error;

use crate::api::failure::Failure;

/// What the exit codes mean, for the help.
pub(crate) const CODES: &str = "\
Exit codes:
  0  done
  1  refused, or failed for a reason that the message gives
  2  the options are wrong
  3  the API cannot be reached or is busy: the same command may succeed later
  4  the command has checked something, and it is not as it should be";

/// Something was checked, and is not as it should be.
#[derive(Debug, Error)]
#[error("{0}")]
pub(crate) struct Bad(pub(crate) String);

/// The options contradict each other, or lack something.
#[derive(Debug, Error)]
#[error("{0}")]
pub(crate) struct Usage(pub(crate) String);

/// Errors with the text as wrong usage, unless the condition holds.
pub(crate) fn require(condition: bool, text: impl FnOnce() -> String) -> Result<(), Usage> {
    if condition { Ok(()) } else { Err(Usage(text())) }
}

/// Returns the exit code for an error.
pub(crate) fn code(error: &anyhow::Error) -> ExitCode {
    let is = |code: u8| ExitCode::from(code);
    if error.is::<Usage>() {
        return is(2);
    }
    if error.is::<Bad>() {
        return is(4);
    }
    match error.downcast_ref::<Failure>() {
        Some(Failure::Passing { .. }) => is(3),
        Some(Failure::Lasting(error)) => code(error),
        _ => is(1),
    }
}
