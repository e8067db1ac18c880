//! Logging.

use tracing::Subscriber;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::{Layer, SubscriberExt as _};
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{fmt, registry};

/// Prefix of the names of our own crates.
const OURS: &str = "posthorn";

/// Writes log lines as JSON objects to standard output, for CloudWatch Logs. Our own lines are written from `level` up.
pub fn log_json(level: LevelFilter) {
    log(fmt::layer().json().flatten_event(true).with_current_span(false), level);
}

/// Writes log lines as text to standard error. Our own lines are written from `level` up.
pub fn log_text(level: LevelFilter) {
    log(fmt::layer().with_ansi(false).with_target(false).with_writer(std::io::stderr), level);
}

/// Libraries log from warnings up, whatever the level: their more detailed lines contain request bodies.
fn log<L>(layer: L, level: LevelFilter)
where
    L: Layer<tracing_subscriber::Registry> + Send + Sync + 'static,
    tracing_subscriber::Registry: Subscriber + for<'a> LookupSpan<'a>,
{
    let filter = Targets::new().with_default(LevelFilter::WARN.min(level)).with_target(OURS, level);
    // Fails only if the process has a subscriber already, which then stays.
    let _ = registry().with(layer.with_filter(filter)).try_init();
}
