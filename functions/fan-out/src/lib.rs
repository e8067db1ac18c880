//! The events queue: carries each event to the endpoints that want it.

use std::sync::Arc;

use posthorn_delivery::{Postman, QueueMessage, WorkError};
use posthorn_runtime::{Runtime, SettingsError, SqsFunction, sqs_function};

/// The function, as its environment sets it up.
pub fn function(runtime: &Runtime) -> Result<SqsFunction, SettingsError> {
    Ok(sqs_function(runtime.postman()?, fan_out))
}

async fn fan_out(postman: Arc<Postman>, message: QueueMessage) -> Result<(), WorkError> {
    postman.fan_out(&message).await
}
