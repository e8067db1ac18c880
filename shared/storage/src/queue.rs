//! One SQS queue. Messages are sent in as few calls as SQS allows.

use std::time::Duration;

use aws_sdk_sqs::Client;
use aws_sdk_sqs::error::ProvideErrorMetadata as _;
use aws_sdk_sqs::operation::send_message_batch::SendMessageBatchOutput;
use aws_sdk_sqs::types::SendMessageBatchRequestEntry;
use backon::{ExponentialBuilder, Retryable as _};
use futures::future::join_all;
use futures::{StreamExt as _, stream};

use crate::batcher::Bulk;
use crate::error::StorageError;

/// Maximum number of messages in one call to SQS.
pub(crate) const MAX_BATCH: usize = 10;
/// Maximum delay of a message in SQS.
pub(crate) const MAX_DELAY: Duration = Duration::from_mins(15);
/// Maximum size of all message bodies in one call to SQS: 1 MiB, less some room for group ids.
const MAX_BATCH_BYTES: usize = 1024 * 1024 - 16 * 1024;
/// Maximum number of concurrent calls of one sender.
const AT_ONCE: usize = 8;
const SEND: &str = "SendMessageBatch";
/// SQS's error codes for a whole call that a message's text or length has caused.
const ABOUT_MESSAGES: [&str; 2] = ["InvalidMessageContents", "BatchRequestTooLong"];
/// Parts of the error codes of refusals that are not the message's fault, even if SQS says that they are the sender's.
const NOT_ABOUT_MESSAGES: [&str; 3] = ["throttl", "denied", "kms"];

/// A queue at its URL.
#[derive(Debug, Clone)]
pub(crate) struct Queue {
    pub(crate) client: Client,
    pub(crate) url: String,
}

/// A message to be sent.
#[derive(Debug, Clone)]
pub(crate) struct Entry {
    pub(crate) body: String,
    pub(crate) group: String,
    pub(crate) delay: Duration,
}

impl Bulk for Queue {
    type Entry = Entry;
    type Answer = ();

    const MAX_BATCH: usize = MAX_BATCH;

    /// Sends the entries in as few calls as SQS allows.
    async fn send(&self, entries: Vec<Entry>) -> Vec<Result<(), StorageError>> {
        let batches = batches(entries).into_iter().map(|batch| self.send_batch(batch));
        // Collected first: otherwise the compiler cannot prove that a stream of futures with borrows is `Send`.
        let batches: Vec<_> = batches.collect();
        let sent: Vec<_> = stream::iter(batches).buffered(AT_ONCE).collect().await;
        sent.into_iter().flatten().collect()
    }
}

impl Queue {
    /// Sends one batch. An entry that SQS refuses is sent again a few times, unless the refusal is final. A call that
    /// fails as a whole is not repeated: the SDK has already done that.
    async fn send_batch(&self, batch: Vec<Entry>) -> Vec<Result<(), StorageError>> {
        let results = match self.call(batch.clone()).await {
            Ok(results) => results,
            // One entry causes the refusal. Sent one by one, only that entry is refused.
            Err(StorageError::Refused { .. }) if batch.len() > 1 => {
                return join_all(batch.into_iter().map(|entry| self.send_again(entry))).await;
            }
            Err(refused @ StorageError::Refused { .. }) => return vec![Err(refused)],
            Err(error) => {
                return batch.iter().map(|_| Err(error.copied())).collect();
            }
        };
        let settled = results.into_iter().zip(batch).map(|(result, entry)| async move {
            match result {
                Err(error) if error.may_pass() => self.send_again(entry).await,
                settled => settled,
            }
        });
        join_all(settled).await
    }

    async fn send_again(&self, entry: Entry) -> Result<(), StorageError> {
        let attempt = || async { self.call(vec![entry.clone()]).await?.remove(0) };
        let backoff = ExponentialBuilder::default().with_min_delay(Duration::from_millis(50)).with_jitter();
        attempt.retry(backoff).when(StorageError::may_pass).await
    }

    async fn call(&self, batch: Vec<Entry>) -> Result<Vec<Result<(), StorageError>>, StorageError> {
        let size = batch.len();
        let entries = batch.into_iter().enumerate().map(|(n, entry)| {
            SendMessageBatchRequestEntry::builder()
                .id(n.to_string())
                .message_body(entry.body)
                .message_group_id(entry.group)
                .delay_seconds(whole_seconds(entry.delay))
                .build()
                .expect("id and body are set")
        });
        let answer = self
            .client
            .send_message_batch()
            .queue_url(&self.url)
            .set_entries(Some(entries.collect()))
            .send()
            .await;
        let answer = answer.map_err(|error| match error.code() {
            Some(code) if ABOUT_MESSAGES.contains(&code) => refused(code, error.message()),
            _ => StorageError::from_call(SEND)(error),
        })?;
        Ok(results(&answer, size))
    }
}

fn refused(code: &str, message: Option<&str>) -> StorageError {
    let reason = message.map_or_else(|| code.to_owned(), |message| format!("{code}: {message}"));
    StorageError::Refused { operation: SEND, source: reason.into() }
}

/// Returns each entry's result. An entry that the answer does not mention counts as not sent.
fn results(answer: &SendMessageBatchOutput, size: usize) -> Vec<Result<(), StorageError>> {
    let refusal = |n: usize| {
        let id = n.to_string();
        match answer.failed().iter().find(|failed| failed.id() == id) {
            Some(failed) if failed.sender_fault() && is_about_the_message(failed.code()) => {
                refused(failed.code(), failed.message())
            }
            failed => {
                let reason = failed.map_or("SQS did not return a result for the message", |failed| {
                    failed.message().unwrap_or(failed.code())
                });
                StorageError::Unavailable { operation: SEND, source: reason.into() }
            }
        }
    };
    (0..size)
        .map(|n| {
            let id = n.to_string();
            let accepted = answer.successful().iter().any(|entry| entry.id() == id);
            if accepted { Ok(()) } else { Err(refusal(n)) }
        })
        .collect()
}

fn is_about_the_message(code: &str) -> bool {
    let code = code.to_lowercase();
    !NOT_ABOUT_MESSAGES.iter().any(|part| code.contains(part))
}

/// Splits entries into batches that SQS accepts, in the same order.
fn batches(entries: Vec<Entry>) -> Vec<Vec<Entry>> {
    let mut batches: Vec<Vec<Entry>> = Vec::new();
    let mut bytes = 0;
    for entry in entries {
        let size = entry.body.len();
        match batches.last_mut() {
            Some(batch) if batch.len() < MAX_BATCH && bytes + size <= MAX_BATCH_BYTES => {
                bytes += size;
                batch.push(entry);
            }
            _ => {
                bytes = size;
                batches.push(vec![entry]);
            }
        }
    }
    batches
}

/// SQS counts in whole seconds. Rounding up keeps an attempt from coming early.
pub(crate) fn whole_seconds(delay: Duration) -> i32 {
    let seconds = delay.min(MAX_DELAY).as_millis().div_ceil(1000);
    i32::try_from(seconds).expect("at most 900")
}

#[cfg(test)]
mod tests {
    use aws_sdk_sqs::types::{BatchResultErrorEntry, SendMessageBatchResultEntry};

    use super::*;

    fn entry(bytes: usize) -> Entry {
        Entry { body: "x".repeat(bytes), group: String::new(), delay: Duration::ZERO }
    }

    #[test]
    fn batches_hold_at_most_ten_entries_and_a_mebibyte() {
        let sizes = |entries: Vec<Entry>| batches(entries).iter().map(Vec::len).collect::<Vec<_>>();
        assert_eq!(sizes(vec![]), Vec::<usize>::new());
        assert_eq!(sizes((0..23).map(|_| entry(1)).collect()), [10, 10, 3]);
        assert_eq!(sizes((0..5).map(|_| entry(400_000)).collect()), [2, 2, 1]);
    }

    #[test]
    fn exactly_those_entries_count_as_refused_that_sqs_does_not_accept() {
        let accepted = |id: &str| {
            let entry =
                SendMessageBatchResultEntry::builder().id(id).message_id("m").md5_of_message_body("d");
            entry.build().unwrap()
        };
        let refused = BatchResultErrorEntry::builder().id("1").code("InternalError").sender_fault(false);
        let answer = SendMessageBatchOutput::builder()
            .successful(accepted("2"))
            .successful(accepted("0"))
            .failed(refused.build().unwrap())
            .build()
            .unwrap();
        let results: Vec<bool> = results(&answer, 4).iter().map(Result::is_ok).collect();
        assert_eq!(results, [true, false, true, false], "the fourth was not mentioned at all");
    }

    #[test]
    fn an_entry_is_refused_for_good_only_where_its_message_is_to_blame() {
        let check = |code: &str, sender_fault: bool, for_good: bool| {
            let failed = BatchResultErrorEntry::builder().id("0").code(code).sender_fault(sender_fault);
            let failed = failed.build().unwrap();
            let answer = SendMessageBatchOutput::builder().set_successful(Some(Vec::new())).failed(failed);
            let answer = answer.build().unwrap();
            let error = results(&answer, 1).remove(0).unwrap_err();
            assert_eq!(!error.may_pass(), for_good, "{code} {sender_fault}: {error}");
        };
        check("InvalidMessageContents", true, true);
        check("InvalidParameterValue", true, true);
        check("InvalidParameterValue", false, false);
        check("InternalError", false, false);
        check("RequestThrottled", true, false);
        check("ThrottlingException", true, false);
        check("KmsAccessDenied", true, false);
        check("AccessDenied", true, false);
    }

    #[test]
    fn a_delay_is_never_shortened_below_fifteen_minutes() {
        let check = |millis, seconds| assert_eq!(whole_seconds(Duration::from_millis(millis)), seconds);
        check(0, 0);
        check(1, 1);
        check(5_000, 5);
        check(5_001, 6);
        check(3_600_000, 900);
    }
}
