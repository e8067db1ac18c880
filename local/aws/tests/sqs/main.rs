//! The embedded SQS as the AWS SDK sees it, over HTTP.

#![allow(clippy::unwrap_used, reason = "a test may fail")]

mod harness;
mod messages;
mod move_tasks;
