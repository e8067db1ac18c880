//! What can go wrong with tables and queues.

use std::error::Error;

use aws_sdk_dynamodb::config::http::HttpResponse;
use aws_sdk_dynamodb::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError;
use aws_sdk_dynamodb::types::error::TransactionCanceledException;

/// What DynamoDB and SQS call a call that makes no sense to them, whenever it is made.
const INVALID: [&str; 4] =
    ["ValidationException", "SerializationException", "InvalidMessageContents", "InvalidParameterValue"];
/// DynamoDB's error when another transaction is writing the same row.
const IN_A_TRANSACTION: &str = "TransactionConflictException";
/// What SQS says of a queue that it does not have.
const NO_QUEUE: [&str; 2] = ["QueueDoesNotExist", "AWS.SimpleQueueService.NonExistentQueue"];

/// Why a table or a queue did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum StorageError {
    /// Others kept changing the same thing at the same time. Trying again later helps.
    #[error("others keep changing this at the same time")]
    Conflict,
    /// The tenant has as many endpoints as it may have.
    #[error("the limit of {limit} endpoints is reached")]
    LimitReached {
        /// The most endpoints that a tenant may have.
        limit: u32,
    },
    /// A row is not as this program writes it.
    #[error("the row {key} cannot be read: {reason}")]
    Corrupt {
        /// The row's key.
        key: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A row's secrets are sealed, and this program was given no key to open them with.
    #[error("the secrets of {key} are sealed: set SECRETS_KEY_ARN to the KMS key that they are sealed under")]
    NoSecretsKey {
        /// The row's key.
        key: String,
    },
    /// A message came from a queue that this program was not told of.
    #[error("this function was not told of the queue {arn}")]
    UnknownQueue {
        /// The queue's ARN.
        arn: String,
    },
    /// There is no such queue. Only who has deployed the program can help.
    #[error("{operation} found no such queue")]
    NoQueue {
        /// The operation of the AWS API.
        operation: &'static str,
    },
    /// AWS refuses the call as it is, and would again.
    #[error("{operation} was refused")]
    Refused {
        /// The operation of the AWS API.
        operation: &'static str,
        /// What the SDK says.
        source: Box<dyn Error + Send + Sync>,
    },
    /// The program is ending.
    #[error("the program is ending")]
    Interrupted,
    /// AWS refused the call or did not answer, and the SDK's own retries did not help.
    #[error("{operation} failed")]
    Unavailable {
        /// The operation of the AWS API.
        operation: &'static str,
        /// What the SDK says.
        source: Box<dyn Error + Send + Sync>,
    },
}

impl StorageError {
    /// Whether trying again later can help.
    pub fn may_pass(&self) -> bool {
        matches!(self, Self::Conflict | Self::Interrupted | Self::NoQueue { .. } | Self::Unavailable { .. })
    }

    /// Takes an SDK's error, for use with `map_err`.
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

    /// The same once more, for each of those who shared a call.
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

/// The reason why the write at this place of a cancelled transaction failed, such as
/// `ConditionalCheckFailed`; `None` when the transaction failed otherwise or this write was not to blame.
pub(crate) fn canceled_at(error: &TransactWriteItemsError, place: usize) -> Option<&str> {
    let TransactWriteItemsError::TransactionCanceledException(canceled) = error else { return None };
    let reasons = TransactionCanceledException::cancellation_reasons(canceled);
    reasons.get(place)?.code().filter(|code| *code != "None")
}

/// What a row holds; `None` where it cannot be read, which the log then says. One damaged row must not hide all others.
pub(crate) fn readable<T>(read: Result<T, StorageError>) -> Result<Option<T>, StorageError> {
    match read {
        Err(damage @ StorageError::Corrupt { .. }) => {
            tracing::error!(error = &damage as &dyn Error, "row passed over");
            Ok(None)
        }
        read => read.map(Some),
    }
}

/// An error and what caused it, in words.
fn told(error: &dyn Error) -> String {
    let mut words = vec![error.to_string()];
    let mut cause = error.source();
    while let Some(error) = cause {
        words.push(error.to_string());
        cause = error.source();
    }
    words.join(": ")
}
