//! Moves dead letters back to the queues that they come from. Needs AWS credentials.

mod contents;
mod queue;
pub(crate) mod redrive;
mod report;
mod resend;

pub(crate) use contents::Contents;
