//! Passes messages from a queue to a function, as an event source mapping of Lambda does.

use std::collections::{HashMap, HashSet};
use std::convert::Infallible;
use std::future::pending;
use std::pin::pin;
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

/// Maximum number of messages that SQS returns or deletes in one call.
const SQS_BATCH: usize = 10;
/// The longest time that a receive can wait for a message.
const LONGEST_WAIT: Duration = Duration::from_secs(20);
/// The shortest time that a receive can wait, because SQS counts whole seconds.
const SHORTEST_WAIT: Duration = Duration::from_secs(1);
/// How long a stopping poller waits for its last receive. A receive that has messages returns at once.
const GRACE: Duration = Duration::from_millis(100);
/// Maximum bytes of message bodies in an invocation. Lambda accepts 6 MB, which include each message's attributes.
const MAX_PAYLOAD: usize = 6 * 1024 * 1024 - SQS_BATCH * 2 * 1024;
/// Concurrent invocations if the template sets no limit. On AWS there can be up to 1,250.
const DEFAULT_CONCURRENCY: usize = 32;
/// Concurrent invocations at the start, as on AWS.
const FIRST_CONCURRENCY: usize = 5;
/// How often one more concurrent invocation is allowed while all are in use: 300 times a minute, as on AWS.
const STEP: Duration = Duration::from_millis(200);
/// The pause after a call to SQS failed.
const PAUSE: Duration = Duration::from_secs(1);

/// A queue, and the function that gets its messages.
#[derive(Clone)]
pub(crate) struct Poller {
    pub(crate) client: Client,
    /// SQS's address.
    pub(crate) sqs: String,
    pub(crate) source: QueueSource,
    pub(crate) function: SqsFunction,
    /// Maximum time of an invocation.
    pub(crate) timeout: Duration,
    /// The account's remaining concurrency, if it has a limit.
    pub(crate) account: Option<Arc<Semaphore>>,
}

impl Poller {
    /// Polls until `stop`, then waits for running invocations.
    pub(crate) async fn run(self, stop: CancellationToken) -> Result<()> {
        let invocations = TaskTracker::new();
        let limit = self.source.max_concurrency.unwrap_or(DEFAULT_CONCURRENCY);
        let slots = Arc::new(Semaphore::new(FIRST_CONCURRENCY.min(limit)));
        let poll = async {
            let mut gathered = Vec::new();
            loop {
                let slot = Arc::clone(&slots).acquire_owned().await?;
                if stop.is_cancelled() && gathered.is_empty() {
                    return Ok(());
                }
                let batch = self.batch(&mut gathered, &stop).await;
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
        };
        invocations.close();
        invocations.wait().await;
        polled
    }

    /// Returns the next batch. From the first message on, messages are gathered until the batching window ends, the
    /// batch is full, or an invocation can take no more bytes. Messages that do not fit begin the next batch.
    ///
    /// No receive is aborted: SQS hides the messages that it returns, even if nobody reads its answer.
    async fn batch(&self, gathered: &mut Vec<Message>, stop: &CancellationToken) -> Vec<Message> {
        if gathered.is_empty() {
            *gathered = self.receive(self.source.batch_size, LONGEST_WAIT, stop).await;
        }
        let window_ends = Instant::now() + self.source.batching_window;
        let mut may_be_more = true;
        while !gathered.is_empty() && gathered.len() < self.source.batch_size && fits(gathered) {
            let left = window_ends.saturating_duration_since(Instant::now());
            if left.is_zero() || stop.is_cancelled() {
                break;
            }
            if left < SHORTEST_WAIT && !may_be_more {
                // SQS cannot wait for less than a second. So wait here for the rest of the window, then receive once.
                sleep(left).await;
            }
            let limit = SQS_BATCH.min(self.source.batch_size - gathered.len());
            let more = self.receive(limit, left.min(LONGEST_WAIT), stop).await;
            may_be_more = more.len() == limit;
            gathered.extend(more);
        }
        gathered.drain(..batch_of(gathered)).collect()
    }

    /// Returns messages as soon as there are any, or none after `wait` (cut to whole seconds) or when the poller stops.
    async fn receive(&self, limit: usize, wait: Duration, stop: &CancellationToken) -> Vec<Message> {
        let receive = self
            .client
            .receive_message()
            .queue_url(self.queue_url())
            .max_number_of_messages(i32::try_from(limit.min(SQS_BATCH)).unwrap_or(1))
            .wait_time_seconds(i32::try_from(wait.as_secs()).unwrap_or(0))
            .message_system_attribute_names(MessageSystemAttributeName::All)
            .message_attribute_names("All")
            .send();
        let mut receive = pin!(receive);
        let received = select! {
            received = &mut receive => received,
            () = stop.cancelled() => match timeout(GRACE, receive).await {
                Ok(received) => received,
                Err(_) => return Vec::new(),
            },
        };
        match received {
            Ok(received) => received.messages.unwrap_or_default(),
            Err(cause) => {
                let queue = &self.source.queue;
                warn!(queue, error = &cause as &dyn std::error::Error, "cannot poll the queue");
                sleep(PAUSE).await;
                Vec::new()
            }
        }
    }

    /// Passes a batch to the function, and deletes the messages that it has handled. SQS returns the others again after
    /// their visibility timeout.
    async fn invoke(&self, batch: Vec<Message>) {
        // A throttled batch counts as received. SQS returns it again after its visibility timeout.
        let Ok(_running) = self.account.as_ref().map(|account| account.try_acquire()).transpose() else {
            return;
        };
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
                    error!(queue = self.source.queue, timeout = ?self.timeout, "the function timed out");
                    return;
                }
            };
        for done in done.chunks(SQS_BATCH) {
            self.delete(done).await;
        }
    }

    /// Returns the messages that did not fail. A failure with an id that is not in the batch fails all of them, as on
    /// AWS.
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
            Ok(answer) => warn!(queue = self.source.queue, failed = ?answer.failed, "cannot delete messages"),
            Err(cause) => warn!(queue = self.source.queue, error = &*cause, "cannot delete messages"),
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

/// Whether the messages fit into an invocation.
fn fits(messages: &[Message]) -> bool {
    batch_of(messages) == messages.len()
}

/// The number of messages that fit into an invocation, at least one.
fn batch_of(messages: &[Message]) -> usize {
    let mut bytes = 0;
    let fitting = messages.iter().take_while(|message| {
        bytes += message.body().map_or(0, str::len);
        bytes <= MAX_PAYLOAD
    });
    fitting.count().max(messages.len().min(1))
}

/// Adds a slot whenever all are in use, up to the limit.
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

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;
    use std::sync::Mutex;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use axum::response::Response;
    use posthorn_local_aws::clients;
    use posthorn_local_aws::sqs::{QueueSpec, Queues};
    use tokio::net::TcpListener;
    use tokio::sync::mpsc;

    use super::*;
    use crate::proxy::{Call, Gate, Proxy, Service, passed_on};

    const WINDOW: Duration = Duration::from_secs(1);
    const PATIENCE: Duration = Duration::from_mins(1);

    /// Counts receives. When a receive returns the first message, it sends the messages `then`, which arrive within the
    /// window. It delays the answer to the next receive that returns messages by `held_back`.
    struct Watched {
        queue: aws_sdk_sqs::Client,
        url: String,
        then: Mutex<Vec<String>>,
        held_back: Duration,
        receives: AtomicUsize,
        with_messages: AtomicUsize,
    }

    impl Gate for Watched {
        async fn answer(&self, call: Call, service: &Service) -> Response {
            let is_receive = call.operation().1 == "ReceiveMessage";
            let answer = service.call(call).await;
            if is_receive {
                self.receives.fetch_add(1, Ordering::SeqCst);
                let is_empty = answer.as_ref().is_ok_and(|(_, _, body)| body.len() < 10);
                if !is_empty && self.with_messages.fetch_add(1, Ordering::SeqCst) == 1 {
                    sleep(self.held_back).await;
                }
                if !is_empty {
                    let then = std::mem::take(&mut *self.then.lock().unwrap());
                    send(&self.queue, &self.url, then).await;
                }
            }
            passed_on(answer)
        }
    }

    async fn send(queue: &aws_sdk_sqs::Client, url: &str, bodies: Vec<String>) {
        for body in bodies {
            queue.send_message().queue_url(url).message_body(body).send().await.unwrap();
        }
    }

    /// A poller with its queue, the batches that its function got, and the calls that it made to SQS.
    struct Polled {
        queues: Queues,
        direct: aws_sdk_sqs::Client,
        url: String,
        proxy: Proxy<Watched>,
        batches: mpsc::UnboundedReceiver<usize>,
        stop: CancellationToken,
        running: tokio::task::JoinHandle<Result<()>>,
    }

    impl Polled {
        async fn start(batching_window: Duration, then: &[&str], held_back: Duration) -> Self {
            let queues = Queues::in_memory().unwrap();
            queues.create(&QueueSpec { name: "work".to_owned(), ..QueueSpec::default() }).unwrap();
            let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
            let address = format!("http://{}", listener.local_addr().unwrap());
            tokio::spawn(queues.clone().serve(listener, pending()));
            let (direct, url) = (clients::sqs(&address), queue_url(&address, "work"));
            let watched = Watched {
                queue: direct.clone(),
                url: url.clone(),
                then: Mutex::new(then.iter().map(|&body| body.to_owned()).collect()),
                held_back,
                receives: AtomicUsize::new(0),
                with_messages: AtomicUsize::new(0),
            };
            let proxy = Proxy::start(&address, watched).await.unwrap();
            let (sender, batches) = mpsc::unbounded_channel();
            let function: SqsFunction = Arc::new(move |event, _| {
                sender.send(event.records.len()).unwrap();
                Box::pin(async { Ok(aws_lambda_events::event::sqs::SqsBatchResponse::default()) })
            });
            let source = QueueSource {
                queue: "work".to_owned(),
                batch_size: 10,
                batching_window,
                max_concurrency: Some(1),
                partial_failures: true,
            };
            let timeout = Duration::from_secs(30);
            let (client, sqs) = (clients::sqs(&proxy.url), proxy.url.clone());
            let poller = Poller { client, sqs, source, function, timeout, account: None };
            let stop = CancellationToken::new();
            let running = tokio::spawn(poller.run(stop.clone()));
            Self { queues, direct, url, proxy, batches, stop, running }
        }

        /// Returns the sizes of the batches until the function has got this number of messages.
        async fn batches(&mut self, messages: usize) -> Vec<usize> {
            let mut sizes = Vec::new();
            while sizes.iter().sum::<usize>() < messages {
                sizes.push(timeout(PATIENCE, self.batches.recv()).await.unwrap().unwrap());
            }
            sizes
        }

        /// Stops the poller. Returns the number of messages that it leaves hidden.
        async fn stop(self) -> usize {
            self.stop.cancel();
            timeout(PATIENCE, self.running).await.unwrap().unwrap().unwrap();
            self.queues.received_within("work", Duration::from_mins(2)).unwrap()
        }
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn what_comes_within_the_window_is_one_batch_and_takes_few_receives() {
        let mut polled = Polled::start(WINDOW, &["2", "3", "4", "5"], Duration::ZERO).await;
        send(&polled.direct, &polled.url, vec!["1".to_owned()]).await;
        assert_eq!(polled.batches(5).await, [5]);
        // One receive for the first message, one or two for the others, and one that is still waiting.
        let receives = polled.proxy.gate.receives.load(Ordering::SeqCst);
        assert!(receives <= 4, "{receives} receives");
        assert_eq!(polled.stop().await, 0, "messages are hidden");
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_receive_is_listened_to_although_the_window_is_over() {
        let mut polled = Polled::start(WINDOW, &["2", "3", "4", "5"], 2 * WINDOW).await;
        send(&polled.direct, &polled.url, vec!["1".to_owned()]).await;
        assert_eq!(polled.batches(5).await, [5]);
        assert_eq!(polled.stop().await, 0, "messages are hidden");
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_full_batch_does_not_wait_for_the_window() {
        let bodies: Vec<String> = (2..=20).map(|number| number.to_string()).collect();
        let bodies: Vec<&str> = bodies.iter().map(String::as_str).collect();
        let mut polled = Polled::start(Duration::from_mins(5), &bodies, Duration::ZERO).await;
        send(&polled.direct, &polled.url, vec!["1".to_owned()]).await;
        assert_eq!(polled.batches(20).await, [10, 10]);
        assert_eq!(polled.stop().await, 0, "messages are hidden");
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn what_an_invocation_cannot_take_begins_the_next_batch() {
        let megabyte = "x".repeat(1024 * 1024);
        let mut polled = Polled::start(WINDOW, &[megabyte.as_str(); 7], Duration::ZERO).await;
        send(&polled.direct, &polled.url, vec![megabyte.clone()]).await;
        let sizes = polled.batches(8).await;
        assert!(sizes.iter().all(|size| *size <= 5), "{sizes:?}");
        assert_eq!(polled.stop().await, 0, "messages are hidden");
    }
}
