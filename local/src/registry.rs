//! The functions by the names of their binaries.

use anyhow::{Context as _, Result, bail};
use posthorn_runtime::{HttpFunction, Runtime, ScheduleFunction, SqsFunction};

/// A function, ready to be called.
#[derive(Clone)]
pub(crate) enum Function {
    /// It answers requests.
    Http(HttpFunction),
    /// It takes batches of messages.
    Sqs(SqsFunction),
    /// It is called by the clock.
    Schedule(ScheduleFunction),
}

/// Sets up the function of this name.
pub(crate) fn function(name: &str, runtime: &Runtime) -> Result<Function> {
    let function = match name {
        "create-endpoint" => create_endpoint::function(runtime).map(Function::Http),
        "delete-endpoint" => delete_endpoint::function(runtime).map(Function::Http),
        "deliver" => deliver::function(runtime).map(Function::Sqs),
        "fan-out" => fan_out::function(runtime).map(Function::Sqs),
        "get-endpoint" => get_endpoint::function(runtime).map(Function::Http),
        "get-event" => get_event::function(runtime).map(Function::Http),
        "get-openapi" => get_openapi::function(runtime).map(Function::Http),
        "get-recovery" => get_recovery::function(runtime).map(Function::Http),
        "get-secret" => get_secret::function(runtime).map(Function::Http),
        "list-attempts" => list_attempts::function(runtime).map(Function::Http),
        "list-endpoints" => list_endpoints::function(runtime).map(Function::Http),
        "list-event-types" => list_event_types::function(runtime).map(Function::Http),
        "list-events" => list_events::function(runtime).map(Function::Http),
        "publish-event" => publish_event::function(runtime).map(Function::Http),
        "recover-endpoint" => recover_endpoint::function(runtime).map(Function::Http),
        "retry-attempt" => retry_attempt::function(runtime).map(Function::Http),
        "rotate-secret" => rotate_secret::function(runtime).map(Function::Http),
        "sweep-due" => sweep_due::function(runtime).map(Function::Schedule),
        "test-endpoint" => test_endpoint::function(runtime).map(Function::Http),
        "update-endpoint" => update_endpoint::function(runtime).map(Function::Http),
        _ => bail!("the template names a function {name} that this program does not have"),
    };
    function.with_context(|| format!("the function {name} cannot start"))
}
