//! One JSON object a line, on standard output, as CloudWatch Logs likes it.

use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

/// What the names of our own crates begin with.
const OURS: &str = "posthorn";

/// Writes this process's log lines as JSON, ours from `level` up. Libraries are heard from warnings up, whatever the
/// level: their finer lines hold request bodies.
pub fn log_json(level: LevelFilter) {
    let layer = tracing_subscriber::fmt::layer().json().flatten_event(true).with_current_span(false);
    let filter = Targets::new().with_default(LevelFilter::WARN).with_target(OURS, level);
    // Fails only when the process has a subscriber already, which then stays.
    let _ = tracing_subscriber::registry().with(layer).with(filter).try_init();
}
