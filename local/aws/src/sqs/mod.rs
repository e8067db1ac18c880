//! stub
use std::time::Duration;
/// stub
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueueSpec {
    /// s
    pub name: String,
    /// s
    pub visibility_timeout: Duration,
    /// s
    pub delay: Duration,
    /// s
    pub retention: Duration,
    /// s
    pub redrive: Option<Redrive>,
}
/// stub
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Redrive {
    /// s
    pub dead_letter_queue: String,
    /// s
    pub max_receive_count: u32,
}
