//! Conditional writes.

use std::error::Error;

use aws_sdk_dynamodb::config::http::HttpResponse;
use aws_sdk_dynamodb::error::{ProvideErrorMetadata, SdkError};

use crate::error::StorageError;

/// Whether a conditional write was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum Written {
    /// The write was made.
    Now,
    /// The write was not made: the condition failed, because another process has written there.
    Before,
}

impl Written {
    /// Reads the answer to a conditional write.
    pub(crate) fn read<T, E>(
        operation: &'static str,
        answer: Result<T, SdkError<E, HttpResponse>>,
    ) -> Result<Self, StorageError>
    where
        E: ProvideErrorMetadata + Error + Send + Sync + 'static,
    {
        match answer {
            Ok(_) => Ok(Self::Now),
            Err(error) if error.code() == Some("ConditionalCheckFailedException") => Ok(Self::Before),
            Err(error) => Err(StorageError::from_call(operation)(error)),
        }
    }
}
