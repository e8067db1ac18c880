//! AWS as the operator's programs use it: with their own credentials, finding a stack by its name.

pub mod aws;
pub mod stack;
