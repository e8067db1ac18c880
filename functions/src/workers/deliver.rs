//! Handles the first attempts queue and the deliveries queue: makes the next attempt of each delivery, a slice of each
//! recovery, and the probes of endpoints that are down.

use std::sync::Arc;

use posthorn_delivery::{Postman, QueueMessage, Recoverer, WorkError};
use posthorn_domain::WorkMessage;
use posthorn_runtime::{Runtime, SettingsError, SqsFunction, sqs_function};

use super::postman;

struct App {
    postman: Postman,
    recoverer: Recoverer,
}

pub(crate) fn function(runtime: &Runtime) -> Result<SqsFunction, SettingsError> {
    let recoverer = Recoverer {
        endpoints: runtime.endpoints()?,
        log: runtime.event_log()?,
        recoveries: runtime.recoveries()?,
        outbox: runtime.deliveries_queue()?,
        rate: runtime.setting("RECOVERIES_PER_SECOND")?,
        clock: runtime.clock(),
        tally: runtime.tally(),
    };
    let inbox = runtime.inbox(&["FIRST_ATTEMPTS_QUEUE_URL", "DELIVERIES_QUEUE_URL"])?;
    Ok(sqs_function(App { postman: postman(runtime, true)?, recoverer }, deliver, inbox, runtime.clock()))
}

async fn deliver(app: Arc<App>, message: Arc<QueueMessage>) -> Result<(), WorkError> {
    match WorkMessage::parse(&message.body)? {
        WorkMessage::Delivery(asked) => app.postman.deliver(&message, &asked).await,
        WorkMessage::Recovery(asked) => app.recoverer.recover(&message, &asked).await,
        WorkMessage::Probe(asked) => app.postman.probe(&message, &asked).await,
    }
}
