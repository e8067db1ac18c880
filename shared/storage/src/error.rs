//! Errors of tables and queues.

use std::error::Error;

use aws_sdk_dynamodb::config::http::HttpResponse;
use aws_sdk_dynamodb::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError;
use aws_sdk_dynamodb::types::error::TransactionCanceledException;

/// DynamoDB's and SQS's error codes for an invalid call. Repeating it never helps.
const INVALID: [&str; 4] =
    ["ValidationException", "SerializationException", "InvalidMessageContents", "InvalidParameterValue"];
/// DynamoDB's error when another transaction is writing the same row.
const IN_A_TRANSACTION: &str = "TransactionConflictException";
/// SQS's error codes for a queue that does not exist.
const NO_QUEUE: [&str; 2] = ["QueueDoesNotExist", "AWS.SimpleQueueService.NonExistentQueue"];

/// Why a call to a table or a queue failed.
#[derive(Debug, thiserror::Error)]
pub enum StorageError {
    /// Others kept changing the same row at the same time. Trying again later helps.
    #[error("other writers keep changing the same row")]
    Conflict,
    /// The tenant has the maximum number of endpoints.
    #[error("the limit of {limit} endpoints is reached")]
    LimitReached {
        /// Maximum number of endpoints of a tenant.
        limit: u32,
    },
    /// The account is being deleted, so nothing can be added to it.
    #[error("the account is being deleted")]
    AccountDeleted,
    /// A row does not have the form that this program writes.
    #[error("the row {key} cannot be read: {reason}")]
    Corrupt {
        /// The row's key.
        key: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A row's secrets are sealed, and this program has no key to open them.
    #[error(
        "the secrets of {key} are sealed. To read them, set SECRETS_KEY_ARN to the KMS key that sealed them"
    )]
    NoSecretsKey {
        /// The row's key.
        key: String,
    },
    /// A message came from a queue that is not in this function's settings.
    #[error("the queue {arn} is not in this function's settings")]
    UnknownQueue {
        /// The queue's ARN.
        arn: String,
    },
    /// The queue does not exist. Only whoever deployed the program can fix that.
    #[error("{operation} failed: the queue does not exist")]
    NoQueue {
        /// The operation of the AWS API.
        operation: &'static str,
    },
    /// AWS refuses the call, and would refuse it again.
    #[error("AWS refused {operation}")]
    Refused {
        /// The operation of the AWS API.
        operation: &'static str,
        /// The SDK's error.
        source: Box<dyn Error + Send + Sync>,
    },
    /// The call was abandoned: it took too long, or the program is ending.
    #[error("the call was abandoned before it finished")]
    Interrupted,
    /// AWS refused the call or did not answer, and the SDK's own retries did not help.
    #[error("{operation} failed")]
    Unavailable {
        /// The operation of the AWS API.
        operation: &'static str,
        /// The SDK's error.
        source: Box<dyn Error + Send + Sync>,
    },
}

impl StorageError {
    /// Whether trying again later can help. It can if a queue does not exist: a deployment may be about to create it, and a
    /// client loses nothing by repeating its request.
    pub fn may_pass(&self) -> bool {
        matches!(self, Self::Conflict | Self::Interrupted | Self::NoQueue { .. } | Self::Unavailable { .. })
    }

    /// Returns the error of a call that was given up because it took too long.
    pub fn timed_out(operation: &'static str) -> Self {
        Self::Unavailable { operation, source: "it took too long".into() }
    }

    /// Converts an SDK error, for use with `map_err`.
    pub(crate) fn from_call<E>(operation: &'static str) -> impl Fn(SdkError<E, HttpResponse>) -> Self
    where
        E: ProvideErrorMetadata + Error + Send + Sync + 'static,
    {
        move |error| match error.code() {
            Some(code) if INVALID.contains(&code) => Self::Refused { operation, source: Box::new(error) },
            Some(code) if NO_QUEUE.contains(&code) => Self::NoQueue { operation },
            Some(IN_A_TRANSACTION) => Self::Conflict,
            _ => Self::Unavailable { operation, source: Box::new(error) },
        }
    }

    /// Returns a copy of this error, for each of the callers that shared a call.
    #[must_use]
    pub fn copied(&self) -> Self {
        match self {
            Self::Conflict => Self::Conflict,
            Self::Refused { operation, source } => {
                Self::Refused { operation, source: told(&**source).into() }
            }
            Self::NoQueue { operation } => Self::NoQueue { operation },
            Self::Unavailable { operation, source } => {
                Self::Unavailable { operation, source: told(&**source).into() }
            }
            Self::Corrupt { key, reason } => Self::Corrupt { key: key.clone(), reason: reason.clone() },
            Self::NoSecretsKey { key } => Self::NoSecretsKey { key: key.clone() },
            other => Self::Unavailable { operation: "a shared call", source: told(other).into() },
        }
    }

    #[expect(clippy::needless_pass_by_value, reason = "takes texts and errors alike")]
    pub(crate) fn corrupt(key: &str, reason: impl ToString) -> Self {
        Self::Corrupt { key: key.to_owned(), reason: reason.to_string() }
    }
}

/// Returns the reason why the write at this position of a canceled transaction failed, such as
/// `ConditionalCheckFailed`. Returns `None` if the transaction failed for another reason, or this write did not cause
/// it.
pub(crate) fn canceled_at(error: &TransactWriteItemsError, place: usize) -> Option<&str> {
    let TransactWriteItemsError::TransactionCanceledException(canceled) = error else { return None };
    let reasons = TransactionCanceledException::cancellation_reasons(canceled);
    reasons.get(place)?.code().filter(|code| *code != "None")
}

/// Returns what was read from a row; `None` if the row is corrupt, after logging it. One damaged row must not hide all
/// others.
pub(crate) fn readable<T>(read: Result<T, StorageError>) -> Result<Option<T>, StorageError> {
    match read {
        Err(damage @ StorageError::Corrupt { .. }) => {
            tracing::error!(error = &damage as &dyn Error, "row passed over");
            Ok(None)
        }
        read => read.map(Some),
    }
}

/// Returns an error and its causes as one text.
fn told(error: &dyn Error) -> String {
    let mut words = vec![error.to_string()];
    let mut cause = error.source();
    while let Some(error) = cause {
        words.push(error.to_string());
        cause = error.source();
    }
    words.join(": ")
}
