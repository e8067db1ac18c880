//! Serving messages from SQS.

use std::sync::Arc;

use aws_lambda_events::event::sqs::{SqsBatchResponse, SqsEvent, SqsMessage};
use futures::future::{BoxFuture, join_all};
use lambda_runtime::{LambdaEvent, service_fn};
use posthorn_delivery::{QueueMessage, WorkError};
use posthorn_domain::Timestamp;
use tracing::{error, warn};

use crate::{Error, Runtime, SettingsError};

/// A function behind a queue: takes a batch, answers which messages are not done with. It fails as a whole when it
/// cannot even name a message.
pub type SqsFunction =
    Arc<dyn Fn(SqsEvent) -> BoxFuture<'static, Result<SqsBatchResponse, Error>> + Send + Sync>;

/// Makes a function of a handler for one message and what it works with. The messages of a batch are handled at
/// once, each in a task of its own: neither an error nor a panic in one costs another.
pub fn sqs_function<App, Handler, Work>(app: App, handler: Handler) -> SqsFunction
where
    App: Send + Sync + 'static,
    Handler: Fn(Arc<App>, QueueMessage) -> Work + Copy + Send + Sync + 'static,
    Work: Future<Output = Result<(), WorkError>> + Send + 'static,
{
    let app = Arc::new(app);
    Arc::new(move |batch| {
        let app = Arc::clone(&app);
        Box::pin(async move {
            let work = batch.records.into_iter().map(|record| {
                let id = record.message_id.clone().ok_or("SQS sent a message without an id")?;
                let task =
                    queue_message(record).map(|message| tokio::spawn(handler(Arc::clone(&app), message)));
                Ok((id, task))
            });
            let work: Vec<_> = work.collect::<Result<_, Error>>()?;
            let outcomes = join_all(work.into_iter().map(|(id, task)| async move {
                let outcome = match task {
                    Ok(task) => task.await.map_err(|panic| WorkError::Poison(panic.to_string())).flatten(),
                    Err(error) => Err(error),
                };
                (id, outcome)
            }));
            Ok(report(outcomes.await))
        })
    })
}

/// Serves a function's batches until Lambda ends the process.
pub async fn serve_sqs(
    function: impl FnOnce(&Runtime) -> Result<SqsFunction, SettingsError>,
) -> Result<(), Error> {
    let function = function(&Runtime::start()?)?;
    lambda_runtime::run(service_fn(move |event: LambdaEvent<SqsEvent>| function(event.payload))).await
}

fn report(outcomes: Vec<(String, Result<(), WorkError>)>) -> SqsBatchResponse {
    let mut response = SqsBatchResponse::default();
    for (message_id, outcome) in outcomes {
        match outcome {
            Ok(()) => continue,
            Err(WorkError::Poison(reason)) => error!(message_id, reason, "message cannot be handled"),
            Err(WorkError::Storage(cause)) => {
                let cause = &cause as &dyn std::error::Error;
                warn!(message_id, error = cause, "message will be received again");
            }
        }
        response.add_failure(message_id);
    }
    response
}

fn queue_message(record: SqsMessage) -> Result<QueueMessage, WorkError> {
    let missing = |what: &str| WorkError::Poison(format!("SQS sent no {what}"));
    let number = |name: &str| record.attributes.get(name).and_then(|number| number.parse::<i64>().ok());
    let sent_at = number("SentTimestamp").ok_or_else(|| missing("SentTimestamp"))?;
    let receive_count =
        number("ApproximateReceiveCount").ok_or_else(|| missing("ApproximateReceiveCount"))?;
    Ok(QueueMessage {
        sent_at: Timestamp::from_millis(sent_at),
        receive_count: u32::try_from(receive_count).unwrap_or(u32::MAX),
        body: record.body.ok_or_else(|| missing("body"))?,
        id: record.message_id.ok_or_else(|| missing("message id"))?,
    })
}
