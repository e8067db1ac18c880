//! The deliveries queue: makes the next attempt of each delivery.

use std::sync::Arc;

use posthorn_delivery::{Postman, QueueMessage, WorkError};
use posthorn_runtime::{Runtime, SettingsError, SqsFunction, sqs_function};

/// The function, as its environment sets it up.
pub fn function(runtime: &Runtime) -> Result<SqsFunction, SettingsError> {
    Ok(sqs_function(runtime.postman()?, deliver))
}

async fn deliver(postman: Arc<Postman>, message: QueueMessage) -> Result<(), WorkError> {
    postman.deliver(&message).await
}
