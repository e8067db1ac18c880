//! Serves messages from SQS.

use std::sync::Arc;
use std::time::Duration;

use aws_lambda_events::event::sqs::{SqsBatchResponse, SqsEvent, SqsMessage};
use futures::future::{BoxFuture, join_all};
use lambda_runtime::{LambdaEvent, service_fn};
use posthorn_delivery::{Moment, QueueMessage, WorkError, contained};
use posthorn_domain::{Clock, Timestamp};
use posthorn_storage::{Inbox, Received, StorageError};
use tokio::time::timeout;
use tracing::{error, warn};

use crate::{Error, Metrics, deadline};

/// A function behind a queue: takes a batch, and the time at which Lambda will end it. Returns the messages that SQS
/// has to deliver again. Errors as a whole if a message has no id to name it by.
pub type SqsFunction =
    Arc<dyn Fn(SqsEvent, Timestamp) -> BoxFuture<'static, Result<SqsBatchResponse, Error>> + Send + Sync>;

/// How often a message without hope is received before it becomes a dead letter: it may seem so only because a row is
/// not there yet.
const RECEIPTS: u32 = 3;
/// How long before Lambda ends it a function gives up on unfinished messages, which then come again. Otherwise, one
/// message that hangs would make the finished ones come again, too.
const LAST_WORDS: Duration = Duration::from_secs(5);
/// Timeout of each call that gives messages back.
const GIVING_BACK: Duration = Duration::from_secs(2);
/// Wait before a message that failed once comes again. It doubles each time.
const FIRST_WAIT: Duration = Duration::from_secs(5);
/// The longest such wait: the visibility timeout of the queues.
const LONGEST_WAIT: Duration = Duration::from_mins(6);

/// A message, and the result of handling it.
struct Handled {
    id: String,
    /// What SQS sent, without its body.
    record: SqsMessage,
    /// The message as read; `None` if SQS left something out.
    message: Option<Arc<QueueMessage>>,
    outcome: Result<(), WorkError>,
}

impl Handled {
    /// Returns what is needed to give the message back, and how often it was received. `None` if SQS left something
    /// out.
    fn received(&self) -> Option<(Received<'_>, u32)> {
        let (record, message) = (&self.record, self.message.as_ref()?);
        let received = Received {
            id: &self.id,
            receipt_handle: record.receipt_handle.as_deref()?,
            queue_arn: record.event_source_arn.as_deref()?,
            body: &message.body,
            group: record.attributes.get("MessageGroupId").map(String::as_str),
            sent_at: message.sent_at,
        };
        Some((received, message.receive_count))
    }
}

/// Makes a function of a handler for one message and its `App`. The messages of a batch are handled concurrently: an
/// error or panic in one does not affect the others. A message that failed comes again within seconds. If no retry can
/// help, it becomes a dead letter at its third receipt.
pub fn sqs_function<App, Handler, Work>(
    app: App,
    handler: Handler,
    inbox: Inbox,
    clock: Arc<dyn Clock>,
) -> SqsFunction
where
    App: Send + Sync + 'static,
    Handler: Fn(Arc<App>, Arc<QueueMessage>) -> Work + Copy + Send + Sync + 'static,
    Work: Future<Output = Result<(), WorkError>> + Send + 'static,
{
    let (app, inbox) = (Arc::new(app), Arc::new(inbox));
    Arc::new(move |batch, deadline| {
        let (app, inbox) = (Arc::clone(&app), Arc::clone(&inbox));
        let (received, time) = (Moment::now(), deadline.since(clock.now()).saturating_sub(LAST_WORDS));
        Box::pin(async move {
            let messages = handle(&app, handler, batch, received, deadline, time).await?;
            Ok(give_back(&inbox, messages).await)
        })
    })
}

async fn handle<App, Handler, Work>(
    app: &Arc<App>,
    handler: Handler,
    batch: SqsEvent,
    received: Moment,
    deadline: Timestamp,
    time: Duration,
) -> Result<Vec<Handled>, Error>
where
    Handler: Fn(Arc<App>, Arc<QueueMessage>) -> Work + Copy,
    Work: Future<Output = Result<(), WorkError>>,
{
    let work = batch.records.into_iter().map(|mut record| {
        let id = record.message_id.clone().ok_or("SQS sent a message without an id")?;
        let app = Arc::clone(app);
        Ok(async move {
            let body = record.body.take();
            match queue_message(&id, body, &record, received, deadline).map(Arc::new) {
                Ok(message) => {
                    let outcome = timeout(time, contained(|| handler(app, Arc::clone(&message)))).await;
                    let outcome = outcome.unwrap_or(Err(WorkError::OutOfTime));
                    Handled { id, record, message: Some(message), outcome }
                }
                Err(cause) => Handled { id, record, message: None, outcome: Err(cause) },
            }
        })
    });
    let work: Vec<_> = work.collect::<Result<_, Error>>()?;
    Ok(join_all(work).await)
}

/// Returns the messages that are not done, after setting when each comes again.
async fn give_back(inbox: &Inbox, messages: Vec<Handled>) -> SqsBatchResponse {
    let left = join_all(messages.iter().map(|message| left(inbox, message))).await;
    let mut response = SqsBatchResponse::default();
    let mut waits = Vec::new();
    for message in left.into_iter().flatten() {
        response.add_failure(&message.id);
        waits.extend(message.received().map(|(received, receive_count)| (received, wait(receive_count))));
    }
    if let Err(error) = in_time(inbox.postpone(&waits)).await {
        not_done(waits[0].0.id, &error);
    }
    response
}

/// Returns the message, if it has to come again. A hopeless one becomes a dead letter instead.
async fn left<'m>(inbox: &Inbox, message: &'m Handled) -> Option<&'m Handled> {
    let cause = message.outcome.as_ref().err()?;
    tell(&message.id, cause);
    if let Some((received, receive_count)) = message.received()
        && cause.is_hopeless()
        && receive_count >= RECEIPTS
    {
        match in_time(inbox.send_to_dead_letter_queue(&received)).await {
            Ok(()) => return None,
            Err(error) => not_done(&message.id, &error),
        }
    }
    Some(message)
}

async fn in_time<T>(call: impl Future<Output = Result<T, StorageError>>) -> Result<T, StorageError> {
    timeout(GIVING_BACK, call).await.unwrap_or(Err(StorageError::Interrupted))
}

/// Returns how long after its n-th receipt a message comes again.
fn wait(receive_count: u32) -> Duration {
    let times = 1_u32.checked_shl(receive_count.saturating_sub(1)).unwrap_or(u32::MAX);
    FIRST_WAIT.saturating_mul(times).min(LONGEST_WAIT)
}

fn tell(message_id: &str, cause: &WorkError) {
    match cause {
        WorkError::Poison(reason) => error!(message_id, reason, "message cannot be handled"),
        cause => {
            let error = cause as &dyn std::error::Error;
            warn!(message_id, error, "message will be received again");
        }
    }
}

fn not_done(message_id: &str, error: &StorageError) {
    let error = error as &dyn std::error::Error;
    warn!(message_id, error, "message will be received again after its visibility timeout");
}

/// Serves a function's batches until Lambda ends the process.
pub async fn serve_sqs(function: SqsFunction, metrics: Metrics) -> Result<(), Error> {
    lambda_runtime::run(service_fn(|event: LambdaEvent<SqsEvent>| {
        let deadline = deadline(&event.context);
        metrics.written_after(function(event.payload, deadline))
    }))
    .await
}

fn queue_message(
    id: &str,
    body: Option<String>,
    record: &SqsMessage,
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
        body: body.ok_or_else(|| missing("body"))?,
        deadline,
        id: id.to_owned(),
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
        let handle = |_: Arc<()>, message: Arc<QueueMessage>| async move {
            match message.body.as_str() {
                "panic" => panic!("on purpose"),
                "poison" => Err(WorkError::Poison("on purpose".to_owned())),
                "late" => Err(WorkError::OutOfTime),
                _ => Ok(()),
            }
        };
        let batch = batch(&["fine", "panic", "fine", "poison", "late", "fine"]);
        let (app, deadline) = (Arc::new(()), Timestamp::from_millis(0));
        let time = Duration::from_mins(1);
        let handled = super::handle(&app, handle, batch, Moment::now(), deadline, time).await.unwrap();
        let failed = handled.into_iter().filter(|handled| handled.outcome.is_err());
        let failed: Vec<_> = failed.map(|handled| handled.id).collect();
        assert_eq!(failed, ["1", "3", "4"]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_message_that_hangs_is_left_before_the_function_is_ended_and_the_others_are_done() {
        let handle = |_: Arc<()>, message: Arc<QueueMessage>| async move {
            if message.body == "hangs" {
                std::future::pending::<()>().await;
            }
            Ok(())
        };
        let (app, deadline) = (Arc::new(()), Timestamp::from_millis(0));
        let (batch, time) = (batch(&["fine", "hangs", "fine"]), Duration::from_secs(55));
        let handled = super::handle(&app, handle, batch, Moment::now(), deadline, time).await.unwrap();
        let outcomes: Vec<_> = handled.iter().map(|handled| handled.outcome.as_ref().err()).collect();
        assert!(matches!(outcomes[..], [None, Some(WorkError::OutOfTime), None]), "{outcomes:?}");
    }

    #[test]
    fn a_message_comes_again_in_five_seconds_and_then_twice_as_late_each_time() {
        let waits = [1, 2, 3, 4, 5, 6, 7, 8, 250].map(|count| wait(count).as_secs());
        assert_eq!(waits, [5, 10, 20, 40, 80, 160, 320, 360, 360]);
    }
}
