//! Starts a function of Posthorn: settings, clients, logging, and the loops that serve HTTP and SQS.
//!
//! Here alone is the environment read, the clock asked and chance drawn; everything below gets them passed in.

mod aws_http;
mod clients;
mod http;
mod logging;
mod metrics;
mod outside;
mod runtime;
mod schedule;
mod settings;
mod sqs;
mod tls;

pub use http::{HttpFunction, http_function, serve_http};
pub use logging::{log_json, log_text};
pub use metrics::{Metrics, NAMESPACE};
pub use outside::{SystemClock, SystemRandom};
pub use runtime::Runtime;
pub use schedule::{ScheduleFunction, schedule_function, serve_schedule};
pub use settings::{Settings, SettingsError, handler_name};
pub use sqs::{SqsFunction, serve_sqs, sqs_function};

/// When an invocation is ended.
fn deadline(context: &lambda_runtime::Context) -> posthorn_domain::Timestamp {
    posthorn_domain::Timestamp::from_millis(i64::try_from(context.deadline).unwrap_or(i64::MAX))
}

/// Why a function ends; Lambda writes it to the log.
pub type Error = Box<dyn std::error::Error + Send + Sync>;
