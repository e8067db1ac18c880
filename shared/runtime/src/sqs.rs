//! Serving messages from SQS.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use aws_lambda_events::event::sqs::{SqsBatchResponse, SqsEvent, SqsMessage};
use futures::FutureExt as _;
use futures::future::{BoxFuture, join_all};
use lambda_runtime::{LambdaEvent, service_fn};
use posthorn_delivery::{Moment, QueueMessage, WorkError};
use posthorn_domain::Timestamp;
use tracing::{error, warn};

use crate::http::describe;
use crate::{Error, Metrics, deadline};

/// A function behind a queue: takes a batch, and when it will be ended; answers which messages are not done with. It
/// fails as a whole when it cannot even name a message.
pub type SqsFunction =
    Arc<dyn Fn(SqsEvent, Timestamp) -> BoxFuture<'static, Result<SqsBatchResponse, Error>> + Send + Sync>;

/// Makes a function of a handler for one message and what it works with. The messages of a batch are handled at
/// once: neither an error nor a panic in one costs another.
pub fn sqs_function<App, Handler, Work>(app: App, handler: Handler) -> SqsFunction
where
    App: Send + Sync + 'static,
    Handler: Fn(Arc<App>, QueueMessage) -> Work + Copy + Send + Sync + 'static,
    Work: Future<Output = Result<(), WorkError>> + Send + 'static,
{
    let app = Arc::new(app);
    Arc::new(move |batch, deadline| {
        let app = Arc::clone(&app);
        let received = Moment::now();
        Box::pin(async move {
            let work = batch.records.into_iter().map(|record| {
                let id = record.message_id.clone().ok_or("SQS sent a message without an id")?;
                let app = Arc::clone(&app);
                Ok(async move {
                    let message = queue_message(record, received, deadline);
                    (id, contained(message, |message| handler(app, message)).await)
                })
            });
            let work: Vec<_> = work.collect::<Result<_, Error>>()?;
            Ok(report(join_all(work).await))
        })
    })
}

/// Handles a message; a panic becomes an error.
async fn contained<Work: Future<Output = Result<(), WorkError>>>(
    message: Result<QueueMessage, WorkError>,
    handler: impl FnOnce(QueueMessage) -> Work,
) -> Result<(), WorkError> {
    let message = message?;
    let outcome = AssertUnwindSafe(async { handler(message).await }).catch_unwind().await;
    outcome.unwrap_or_else(|panic| Err(WorkError::Poison(describe(&*panic))))
}

/// Serves a function's batches until Lambda ends the process.
pub async fn serve_sqs(function: SqsFunction, metrics: Metrics) -> Result<(), Error> {
    lambda_runtime::run(service_fn(|event: LambdaEvent<SqsEvent>| {
        let deadline = deadline(&event.context);
        metrics.written_after(function(event.payload, deadline))
    }))
    .await
}

fn report(outcomes: Vec<(String, Result<(), WorkError>)>) -> SqsBatchResponse {
    let mut response = SqsBatchResponse::default();
    for (message_id, outcome) in outcomes {
        match outcome {
            Ok(()) => continue,
            Err(WorkError::Poison(reason)) => error!(message_id, reason, "message cannot be handled"),
            Err(cause @ (WorkError::OutOfTime | WorkError::NoSockets(_))) => {
                warn!(message_id, error = &cause as &dyn std::error::Error, "message will be received again");
            }
            Err(WorkError::Storage(cause)) => {
                let cause = &cause as &dyn std::error::Error;
                warn!(message_id, error = cause, "message will be received again");
            }
        }
        response.add_failure(message_id);
    }
    response
}

fn queue_message(
    record: SqsMessage,
    received: Moment,
    deadline: Timestamp,
) -> Result<QueueMessage, WorkError> {
    let missing = |what: &str| WorkError::Poison(format!("SQS sent no {what}"));
    let number = |name: &str| record.attributes.get(name).and_then(|number| number.parse::<i64>().ok());
    let sent_at = number("SentTimestamp").ok_or_else(|| missing("SentTimestamp"))?;
    let receive_count =
        number("ApproximateReceiveCount").ok_or_else(|| missing("ApproximateReceiveCount"))?;
    Ok(QueueMessage {
        sent_at: Timestamp::from_millis(sent_at),
        received,
        receive_count: u32::try_from(receive_count).unwrap_or(u32::MAX),
        body: record.body.ok_or_else(|| missing("body"))?,
        deadline,
        id: record.message_id.ok_or_else(|| missing("message id"))?,
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn batch(bodies: &[&str]) -> SqsEvent {
        let records = bodies.iter().enumerate().map(|(n, body)| {
            let attributes = json!({ "SentTimestamp": "1", "ApproximateReceiveCount": "1" });
            json!({ "messageId": n.to_string(), "body": body, "attributes": attributes, "messageAttributes": {} })
        });
        serde_json::from_value(json!({ "Records": records.collect::<Vec<_>>() })).unwrap()
    }

    #[tokio::test]
    async fn a_panic_or_an_error_in_one_message_costs_no_other() {
        let handle = |_: Arc<()>, message: QueueMessage| async move {
            match message.body.as_str() {
                "panic" => panic!("on purpose"),
                "poison" => Err(WorkError::Poison("on purpose".to_owned())),
                "late" => Err(WorkError::OutOfTime),
                _ => Ok(()),
            }
        };
        let function = sqs_function((), handle);
        let batch = batch(&["fine", "panic", "fine", "poison", "late", "fine"]);
        let response = function(batch, Timestamp::from_millis(0)).await.unwrap();
        let failed: Vec<_> =
            response.batch_item_failures.into_iter().map(|failure| failure.item_identifier).collect();
        assert_eq!(failed, ["1", "3", "4"]);
    }
}
