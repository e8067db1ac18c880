//! Starts a function of Posthorn: settings, clients, logging, and the loops that serve HTTP, SQS and the schedule.
//!
//! Only this crate reads the environment, the clock and randomness; other code gets them passed in.

mod aws_http;
mod clients;
mod http;
mod logging;
mod metrics;
mod runtime;
mod schedule;
mod settings;
mod sqs;
mod system;
mod tls;

use std::time::Duration;

use posthorn_domain::{Clock as _, Timestamp};

pub use http::{HttpFunction, http_function, serve_http};
pub use logging::{log_json, log_text};
pub use metrics::{Metrics, NAMESPACE};
pub use runtime::Runtime;
pub use schedule::{ScheduleFunction, schedule_function, serve_schedule};
pub use settings::{Settings, SettingsError, handler_name};
pub use sqs::{SqsFunction, serve_sqs, sqs_function};
pub use system::{SystemClock, SystemRandom};

/// The allocator of every binary that runs functions. The AWS SDK makes many small allocations for each call.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// The time limit of an invocation without a deadline.
const UNLIMITED: Duration = Duration::from_hours(1);

/// Returns when Lambda ends an invocation. A deadline in the past counts as none: `cargo lambda watch` gives every
/// invocation the same one, ten minutes after the Unix epoch.
fn deadline(context: &lambda_runtime::Context) -> Timestamp {
    let (deadline, now) = (i64::try_from(context.deadline).unwrap_or(i64::MAX), SystemClock.now());
    Some(Timestamp::from_millis(deadline)).filter(|end| *end > now).unwrap_or_else(|| now.plus(UNLIMITED))
}

/// Why a function ends. Lambda writes it to the log.
pub type Error = Box<dyn std::error::Error + Send + Sync>;

#[cfg(test)]
mod tests {
    use lambda_runtime::Context;

    use super::*;

    #[test]
    fn an_invocation_without_time_left_has_no_deadline() {
        let with = |at: Timestamp| {
            let mut context = Context::default();
            context.deadline = u64::try_from(at.as_millis()).unwrap();
            context
        };
        let soon = Timestamp::from_millis(SystemClock.now().plus(Duration::from_secs(30)).as_millis());
        assert_eq!(deadline(&with(soon)), soon);
        assert!(deadline(&with(Timestamp::from_millis(600_000))) > soon);
    }
}
