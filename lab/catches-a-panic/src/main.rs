//! Panics, and exits with 0 if the panic is caught. With `panic = "abort"`, which cargo-lambda sets where
//! `[profile.release]` says nothing of panics, it dies of SIGABRT instead.

use std::panic::catch_unwind;
use std::process::ExitCode;

fn main() -> ExitCode {
    let caught = catch_unwind(|| panic!("this panic should be caught"));
    if caught.is_err() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
