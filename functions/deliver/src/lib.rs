//! The deliveries queue: makes the next attempt of each delivery, and works recoveries off.

use std::sync::Arc;

use posthorn_delivery::{Postman, QueueMessage, Recoverer, WorkError};
use posthorn_domain::RecoveryMessage;
use posthorn_runtime::{Runtime, SettingsError, SqsFunction, sqs_function};

/// What does what the messages ask for.
struct Deliverer {
    postman: Postman,
    recoverer: Recoverer,
}

/// The function, as its environment sets it up.
pub fn function(runtime: &Runtime) -> Result<SqsFunction, SettingsError> {
    let deliverer = Deliverer { postman: runtime.postman()?, recoverer: runtime.recoverer()? };
    Ok(sqs_function(deliverer, deliver))
}

async fn deliver(deliverer: Arc<Deliverer>, message: QueueMessage) -> Result<(), WorkError> {
    match RecoveryMessage::parse(&message.body) {
        Some(recovery) => deliverer.recoverer.recover(&message, &recovery).await,
        None => deliverer.postman.deliver(&message).await,
    }
}
