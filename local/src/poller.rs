//! Feeds a function from a queue, as an event source mapping of Lambda does.

use std::collections::{HashMap, HashSet};
use std::convert::Infallible;
use std::future::pending;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use aws_lambda_events::event::sqs::{SqsEvent, SqsMessage};
use aws_sdk_sqs::Client;
use aws_sdk_sqs::types::{DeleteMessageBatchRequestEntry, Message, MessageSystemAttributeName};
use posthorn_domain::Clock as _;
use posthorn_local_aws::template::{AWS_ACCOUNT, QueueSource, REGION, queue_url};
use posthorn_runtime::{SqsFunction, SystemClock};
use tokio::select;
use tokio::sync::Semaphore;
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{error, warn};

/// The most messages that SQS hands out, and deletes, at once.
const SQS_BATCH: usize = 10;
/// The longest that SQS waits for a message.
const LONGEST_WAIT: Duration = Duration::from_secs(20);
/// Invocations at once where the template sets no limit. AWS goes up to 1,250.
const DEFAULT_CONCURRENCY: usize = 32;
/// Invocations at once to begin with, as on AWS.
const FIRST_CONCURRENCY: usize = 5;
/// How often there may be one more, while all are under way: 300 in a minute, as on AWS.
const STEP: Duration = Duration::from_millis(200);
/// The pause after SQS could not be reached.
const PAUSE: Duration = Duration::from_secs(1);

/// A queue and the function that its messages go to.
#[derive(Clone)]
pub(crate) struct Poller {
    pub(crate) client: Client,
    /// SQS's address.
    pub(crate) sqs: String,
    pub(crate) source: QueueSource,
    pub(crate) function: SqsFunction,
    /// How long an invocation may take.
    pub(crate) timeout: Duration,
}

impl Poller {
    /// Polls until `stop`, then waits for the invocations under way.
    pub(crate) async fn run(self, stop: CancellationToken) -> Result<()> {
        let invocations = TaskTracker::new();
        let limit = self.source.max_concurrency.unwrap_or(DEFAULT_CONCURRENCY);
        let slots = Arc::new(Semaphore::new(FIRST_CONCURRENCY.min(limit)));
        let poll = async {
            loop {
                let slot = Arc::clone(&slots).acquire_owned().await?;
                let batch = self.batch().await;
                if !batch.is_empty() {
                    let poller = self.clone();
                    invocations.spawn(async move {
                        poller.invoke(batch).await;
                        drop(slot);
                    });
                }
            }
        };
        let polled = select! {
            polled = poll => polled,
            never = scale_up(&slots, limit) => match never {},
            () = stop.cancelled() => Ok(()),
        };
        invocations.close();
        invocations.wait().await;
        polled
    }

    /// The next messages: as many as the batch may have, or those that came within the window.
    async fn batch(&self) -> Vec<Message> {
        let mut batch = self.receive(self.source.batch_size, LONGEST_WAIT).await;
        let window_ends = Instant::now() + self.source.batching_window;
        while !batch.is_empty() && batch.len() < self.source.batch_size {
            let left = window_ends.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            let more = self.receive(self.source.batch_size - batch.len(), left);
            batch.extend(timeout(left, more).await.unwrap_or_default());
        }
        batch
    }

    async fn receive(&self, limit: usize, wait: Duration) -> Vec<Message> {
        let received = self
            .client
            .receive_message()
            .queue_url(self.queue_url())
            .max_number_of_messages(i32::try_from(limit.min(SQS_BATCH)).unwrap_or(1))
            .wait_time_seconds(i32::try_from(wait.as_secs()).unwrap_or(0))
            .message_system_attribute_names(MessageSystemAttributeName::All)
            .message_attribute_names("All")
            .send()
            .await;
        match received {
            Ok(received) => received.messages.unwrap_or_default(),
            Err(cause) => {
                let queue = &self.source.queue;
                warn!(queue, error = &cause as &dyn std::error::Error, "the queue cannot be polled");
                sleep(PAUSE).await;
                Vec::new()
            }
        }
    }

    /// Hands a batch to the function, and deletes what it is done with. The rest comes again once its visibility
    /// timeout is over.
    async fn invoke(&self, batch: Vec<Message>) {
        let mut event = SqsEvent::default();
        event.records = batch.iter().map(|message| self.record(message)).collect();
        let done =
            match timeout(self.timeout, (self.function)(event, SystemClock.now().plus(self.timeout))).await {
                Ok(Ok(response)) => {
                    let failures = response.batch_item_failures.into_iter();
                    self.done(batch, &failures.map(|failure| failure.item_identifier).collect())
                }
                Ok(Err(cause)) => {
                    error!(queue = self.source.queue, error = &*cause, "the function failed");
                    return;
                }
                Err(_) => {
                    error!(queue = self.source.queue, timeout = ?self.timeout, "the function took too long");
                    return;
                }
            };
        for done in done.chunks(SQS_BATCH) {
            self.delete(done).await;
        }
    }

    /// The messages that did not fail. A failure that names none of the batch fails them all, as on AWS.
    fn done(&self, batch: Vec<Message>, failures: &HashSet<String>) -> Vec<Message> {
        let known: HashSet<&str> = batch.iter().filter_map(Message::message_id).collect();
        let named = failures.iter().all(|id| known.contains(id.as_str()));
        let some_failed = !failures.is_empty();
        if some_failed && !(named && self.source.partial_failures) {
            return Vec::new();
        }
        let failed = |message: &Message| message.message_id().is_some_and(|id| failures.contains(id));
        batch.into_iter().filter(|message| !failed(message)).collect()
    }

    async fn delete(&self, messages: &[Message]) {
        let entries = messages.iter().enumerate().map(|(number, message)| {
            let entry = DeleteMessageBatchRequestEntry::builder().id(number.to_string());
            entry.receipt_handle(message.receipt_handle().unwrap_or_default()).build()
        });
        let delete = async {
            let entries = entries.collect::<Result<Vec<_>, _>>()?;
            let delete = self.client.delete_message_batch().queue_url(self.queue_url());
            anyhow::Ok(delete.set_entries(Some(entries)).send().await?)
        };
        match delete.await {
            Ok(answer) if answer.failed.is_empty() => {}
            Ok(answer) => warn!(queue = self.source.queue, failed = ?answer.failed, "messages stay"),
            Err(cause) => warn!(queue = self.source.queue, error = &*cause, "messages stay"),
        }
    }

    fn record(&self, message: &Message) -> SqsMessage {
        let attributes = message.attributes.iter().flatten();
        let mut record = SqsMessage::default();
        record.message_id.clone_from(&message.message_id);
        record.receipt_handle.clone_from(&message.receipt_handle);
        record.body.clone_from(&message.body);
        record.md5_of_body.clone_from(&message.md5_of_body);
        record.attributes = attributes
            .map(|(name, value)| (name.as_str().to_owned(), value.clone()))
            .collect::<HashMap<_, _>>();
        record.event_source = Some("aws:sqs".to_owned());
        record.event_source_arn = Some(format!("arn:aws:sqs:{REGION}:{AWS_ACCOUNT}:{}", self.source.queue));
        record.aws_region = Some(REGION.to_owned());
        record
    }

    fn queue_url(&self) -> String {
        queue_url(&self.sqs, &self.source.queue)
    }
}

/// Adds a slot whenever all are taken, up to the limit.
async fn scale_up(slots: &Semaphore, limit: usize) -> Infallible {
    for _ in FIRST_CONCURRENCY..limit {
        sleep(STEP).await;
        while slots.available_permits() > 0 {
            sleep(STEP).await;
        }
        slots.add_permits(1);
    }
    pending().await
}
