//! Posthorn's Lambda functions. Each is a file, `<resource>/<verb>.rs`, with its request, its answer, its dependencies
//! (`App`) and its handler. [`FUNCTIONS`] is the only list of them: Lambda and the laptop choose from it by name.

mod accounts;
mod attempts;
mod attention;
mod audit;
mod console;
mod endpoints;
mod event_types;
mod events;
mod feed;
mod keys;
mod openapi;
mod recoveries;
mod routes;
mod secrets;
mod sessions;
mod workers;

use posthorn_runtime::{
    Error, HttpFunction, Runtime, ScheduleFunction, SettingsError, SqsFunction, serve_http, serve_schedule,
    serve_sqs,
};

pub use openapi::DOCUMENT;

/// A function, ready to be called.
#[derive(Clone)]
pub enum Function {
    /// Serves HTTP requests.
    Http(HttpFunction),
    /// Handles batches of SQS messages.
    Sqs(SqsFunction),
    /// Is called by a schedule.
    Schedule(ScheduleFunction),
}

impl Function {
    /// Returns the function if it serves HTTP requests.
    pub fn http(self) -> Option<HttpFunction> {
        if let Self::Http(function) = self { Some(function) } else { None }
    }

    /// Returns the function if it handles SQS messages.
    pub fn sqs(self) -> Option<SqsFunction> {
        if let Self::Sqs(function) = self { Some(function) } else { None }
    }

    /// Returns the function if a schedule calls it.
    pub fn schedule(self) -> Option<ScheduleFunction> {
        if let Self::Schedule(function) = self { Some(function) } else { None }
    }
}

/// Sets a function up from its runtime.
#[derive(Clone, Copy)]
enum SetUp {
    Http(fn(&Runtime) -> Result<HttpFunction, SettingsError>),
    Sqs(fn(&Runtime) -> Result<SqsFunction, SettingsError>),
    Schedule(fn(&Runtime) -> Result<ScheduleFunction, SettingsError>),
}

impl SetUp {
    fn with(self, runtime: &Runtime) -> Result<Function, SettingsError> {
        Ok(match self {
            Self::Http(function) => Function::Http(function(runtime)?),
            Self::Sqs(function) => Function::Sqs(function(runtime)?),
            Self::Schedule(function) => Function::Schedule(function(runtime)?),
        })
    }
}

/// Every function by its name: the `Handler` in `template.yaml`, and the name of its sample in `events/`.
const FUNCTIONS: &[(&str, SetUp)] = &[
    ("create-endpoint", SetUp::Http(endpoints::create::function)),
    ("list-endpoints", SetUp::Http(endpoints::list::function)),
    ("get-endpoint", SetUp::Http(endpoints::get::function)),
    ("update-endpoint", SetUp::Http(endpoints::update::function)),
    ("delete-endpoint", SetUp::Http(endpoints::delete::function)),
    ("test-endpoint", SetUp::Http(endpoints::test::function)),
    ("pause-endpoint", SetUp::Http(endpoints::pause::function)),
    ("resume-endpoint", SetUp::Http(endpoints::resume::function)),
    ("recover-endpoint", SetUp::Http(endpoints::recover::function)),
    ("get-recovery", SetUp::Http(recoveries::get::function)),
    ("get-secret", SetUp::Http(secrets::get::function)),
    ("rotate-secret", SetUp::Http(secrets::rotate::function)),
    ("publish-event", SetUp::Http(events::publish::function)),
    ("list-events", SetUp::Http(events::list::function)),
    ("get-event", SetUp::Http(events::get::function)),
    ("explain-event", SetUp::Http(events::explain::function)),
    ("read-feed", SetUp::Http(feed::read::function)),
    ("list-attempts", SetUp::Http(attempts::list::function)),
    ("retry-attempt", SetUp::Http(attempts::retry::function)),
    ("list-attention", SetUp::Http(attention::list::function)),
    ("put-account", SetUp::Http(accounts::put::function)),
    ("list-accounts", SetUp::Http(accounts::list::function)),
    ("get-account", SetUp::Http(accounts::get::function)),
    ("delete-account", SetUp::Http(accounts::delete::function)),
    ("create-key", SetUp::Http(keys::create::function)),
    ("list-keys", SetUp::Http(keys::list::function)),
    ("delete-key", SetUp::Http(keys::delete::function)),
    ("create-session", SetUp::Http(sessions::create::function)),
    ("exchange-session", SetUp::Http(sessions::exchange::function)),
    ("end-sessions", SetUp::Http(sessions::end::function)),
    ("list-audit", SetUp::Http(audit::list::function)),
    ("list-event-types", SetUp::Http(event_types::list::function)),
    ("get-console", SetUp::Http(console::get::function)),
    ("get-openapi", SetUp::Http(openapi::get::function)),
    ("not-found", SetUp::Http(routes::not_found::function)),
    ("fan-out", SetUp::Sqs(workers::fan_out::function)),
    ("deliver", SetUp::Sqs(workers::deliver::function)),
    ("sweep-due", SetUp::Schedule(workers::sweep_due::function)),
    ("erase-accounts", SetUp::Schedule(workers::erase_accounts::function)),
];

/// Why a function does not start.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum StartError {
    /// `_HANDLER` is not set.
    #[error(
        "the environment variable _HANDLER is not set. Set it to the name of the function to run, one of: {}",
        names().collect::<Vec<_>>().join(", ")
    )]
    Unnamed,
    /// No function has this name.
    #[error(
        "there is no function {name:?}. Set the environment variable _HANDLER to one of: {}",
        names().collect::<Vec<_>>().join(", ")
    )]
    Unknown {
        /// The name given.
        name: String,
    },
    /// A setting is missing or invalid.
    #[error(transparent)]
    Settings(#[from] SettingsError),
}

/// Returns the names of all functions.
pub fn names() -> impl Iterator<Item = &'static str> {
    FUNCTIONS.iter().map(|(name, _)| *name)
}

fn find(name: &str) -> Result<SetUp, StartError> {
    let found = FUNCTIONS.iter().find(|(known, _)| *known == name);
    found.map(|(_, set_up)| *set_up).ok_or_else(|| StartError::Unknown { name: name.to_owned() })
}

/// Sets up the function with this name, from its runtime. Errors if there is none, or a setting is missing or invalid.
pub fn set_up(name: &str, runtime: &Runtime) -> Result<Function, StartError> {
    Ok(find(name)?.with(runtime)?)
}

/// Runs the function with this name until Lambda ends the process.
pub async fn start(name: Option<&str>) -> Result<(), Error> {
    let set_up = find(name.ok_or(StartError::Unnamed)?)?;
    let runtime = Runtime::start()?;
    match set_up.with(&runtime)? {
        Function::Http(function) => serve_http(function).await,
        Function::Sqs(function) => serve_sqs(function, runtime.metrics()?).await,
        Function::Schedule(function) => serve_schedule(function, runtime.metrics()?).await,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_function_has_a_name_of_its_own() {
        assert_eq!(names().collect::<BTreeSet<_>>().len(), FUNCTIONS.len());
    }

    #[tokio::test]
    async fn a_missing_or_unknown_name_is_answered_with_all_names() {
        let error = start(None).await.unwrap_err().to_string();
        let beginning = "the environment variable _HANDLER is not set. Set it to the name of the function to run, \
                         one of: create-";
        assert!(
            error.starts_with(beginning) && error.ends_with("deliver, sweep-due, erase-accounts"),
            "{error}"
        );
        // Neither error depends on the environment.
        let error = start(Some("fan_out")).await.unwrap_err().to_string();
        assert!(
            error.starts_with(
                "there is no function \"fan_out\". Set the environment variable _HANDLER to one of: create-"
            ),
            "{error}"
        );
    }
}
