//! Handles the events queue: sends each event to the endpoints that want it.

use std::sync::Arc;

use posthorn_delivery::{Postman, QueueMessage, WorkError};
use posthorn_runtime::{Runtime, SettingsError, SqsFunction, sqs_function};

use super::postman;

struct App {
    postman: Postman,
    /// For tests of a deployed stack: a message that contains this text makes the function panic. `template.yaml` never
    /// sets it.
    panic_on: Option<String>,
}

pub(crate) fn function(runtime: &Runtime) -> Result<SqsFunction, SettingsError> {
    let app =
        App { postman: postman(runtime, false)?, panic_on: runtime.setting_if_set("POSTHORN_PANIC_ON")? };
    Ok(sqs_function(app, fan_out, runtime.inbox(&["EVENTS_QUEUE_URL"])?, runtime.clock()))
}

async fn fan_out(app: Arc<App>, message: Arc<QueueMessage>) -> Result<(), WorkError> {
    if let Some(text) = &app.panic_on {
        assert!(!message.body.contains(text), "the message contains the text in POSTHORN_PANIC_ON");
    }
    app.postman.fan_out(&message).await
}
