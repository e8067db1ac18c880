//! Reads from AWS. What cannot be read is a finding like any other, so one missing permission ends no other check.

use std::error::Error;
use std::fmt::Debug;
use std::time::Duration;

use aws_sdk_cloudformation::error::{ProvideErrorMetadata, SdkError};
use tokio::time::timeout;

use super::finding::Finding;

/// The longest wait for an answer, with the SDK's own retries.
const PATIENCE: Duration = Duration::from_secs(30);
/// The codes by which DynamoDB, Lambda and SQS say that there is no such thing.
const MISSING: [&str; 3] =
    ["ResourceNotFoundException", "QueueDoesNotExist", "AWS.SimpleQueueService.NonExistentQueue"];

/// Something to read.
#[derive(Debug, Clone, Copy)]
pub(super) struct Subject<'a> {
    /// The check that needs it.
    pub(super) check: &'static str,
    /// What it is, to begin a sentence with.
    pub(super) name: &'a str,
    /// The permission that reading it needs.
    pub(super) action: &'static str,
}

impl Subject<'_> {
    /// Waits for the answer to a call. Errors with the finding that there is none.
    pub(super) async fn read<T, E, R>(
        self,
        call: impl Future<Output = Result<T, SdkError<E, R>>>,
    ) -> Result<T, Finding>
    where
        E: ProvideErrorMetadata + Error + Send + Sync + 'static,
        R: Debug + Send + Sync + 'static,
    {
        match timeout(PATIENCE, call).await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(error)) => {
                let is_missing = error.code().is_some_and(|code| MISSING.contains(&code));
                Err(if is_missing { self.missing() } else { self.unread(&reason(error)) })
            }
            Err(_) => Err(self.unread(&format!("AWS did not answer within {} s", PATIENCE.as_secs()))),
        }
    }

    fn missing(self) -> Finding {
        Finding::fix(
            self.check,
            format!("{} does not exist any more.", self.name),
            "Somebody deleted it outside CloudFormation. To get a table back, see \"Restore a backup\" in \
             docs/OPERATING.md.",
        )
    }

    /// Returns the finding that something cannot be read.
    pub(super) fn unread(self, reason: &str) -> Finding {
        let Self { check, name, action } = self;
        let reason = reason.trim_end_matches('.');
        Finding::note(
            check,
            format!("{name} can't be read: {reason}."),
            format!("To check it, your AWS credentials need {action}."),
        )
    }
}

/// Returns what AWS says about an error, or else what went wrong on the way there.
fn reason<E, R>(error: SdkError<E, R>) -> String
where
    E: ProvideErrorMetadata + Error + Send + Sync + 'static,
    R: Debug + Send + Sync + 'static,
{
    match (error.code(), error.message()) {
        (Some(code), Some(message)) => format!("{code}: {message}"),
        (Some(code), None) => code.to_owned(),
        (None, _) => format!("{:#}", anyhow::Error::new(error)),
    }
}

#[cfg(test)]
mod tests {
    use aws_sdk_cloudformation::error::ErrorMetadata;
    use aws_sdk_cloudformation::operation::describe_stacks::DescribeStacksError;

    use super::super::finding::Level;
    use super::*;

    async fn found(error: SdkError<DescribeStacksError, ()>) -> Finding {
        let subject = Subject { check: "queues", name: "EventsQueue", action: "sqs:GetQueueAttributes" };
        subject.read(async { Err::<(), _>(error) }).await.unwrap_err()
    }

    fn refusal(code: &str) -> SdkError<DescribeStacksError, ()> {
        let error = ErrorMetadata::builder().code(code).message("No.").build();
        SdkError::service_error(DescribeStacksError::generic(error), ())
    }

    #[tokio::test]
    async fn what_cannot_be_read_is_a_note_with_the_reason_and_the_permission() {
        let note = Finding::note(
            "queues",
            "EventsQueue can't be read: AccessDenied: No.",
            "To check it, your AWS credentials need sqs:GetQueueAttributes.",
        );
        assert_eq!(found(refusal("AccessDenied")).await, note);
        let timed_out = found(SdkError::timeout_error("slow")).await;
        assert_eq!(timed_out.found, "EventsQueue can't be read: request has timed out: slow.");
    }

    #[tokio::test]
    async fn what_does_not_exist_is_to_be_fixed() {
        for code in MISSING {
            let fix = found(refusal(code)).await;
            assert_eq!((fix.level, fix.found.as_str()), (Level::Fix, "EventsQueue does not exist any more."));
        }
    }
}
