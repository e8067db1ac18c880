//! Batches: up to ten entries of the same operation on a queue. Each succeeds or fails separately.

use std::collections::HashSet;

use serde::{Deserialize, Serialize};

use crate::sqs::error::{Fault, SqsError};
use crate::sqs::spec::is_identifier;

/// The entries of a batch.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(in crate::sqs) struct Batch<T> {
    #[serde(default)]
    pub(super) queue_url: String,
    #[serde(default = "Vec::new")]
    pub(super) entries: Vec<Entry<T>>,
}

/// An entry, with an id that the caller chooses and the answer repeats.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(in crate::sqs) struct Entry<T> {
    #[serde(default)]
    id: String,
    #[serde(flatten)]
    pub(super) item: T,
}

/// The result of each entry.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(in crate::sqs) struct BatchAnswer<A> {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    successful: Vec<Success<A>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    failed: Vec<Failure>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Success<A> {
    id: String,
    #[serde(flatten)]
    answer: A,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Failure {
    id: String,
    sender_fault: bool,
    code: &'static str,
    message: String,
}

impl<T> Batch<T> {
    /// Calls `each` for every entry. A caller's mistake in one entry does not affect the others; a failure of the store
    /// fails the batch.
    pub(super) fn each<A>(
        self,
        mut each: impl FnMut(T) -> Result<A, SqsError>,
    ) -> Result<BatchAnswer<A>, SqsError> {
        self.check()?;
        let mut answer = BatchAnswer { successful: Vec::new(), failed: Vec::new() };
        for Entry { id, item } in self.entries {
            match each(item) {
                Ok(done) => answer.successful.push(Success { id, answer: done }),
                Err(SqsError::Refused { fault, message }) => {
                    answer.failed.push(Failure { id, sender_fault: true, code: fault.query_code(), message });
                }
                Err(failure) => return Err(failure),
            }
        }
        Ok(answer)
    }

    fn check(&self) -> Result<(), SqsError> {
        let ids: HashSet<&str> = self.entries.iter().map(|entry| entry.id.as_str()).collect();
        let (fault, message) = if self.entries.is_empty() {
            (Fault::EmptyBatchRequest, "There should be at least one entry in the request.")
        } else if self.entries.len() > 10 {
            (Fault::TooManyEntriesInBatchRequest, "Maximum number of entries per request are 10.")
        } else if !ids.iter().all(|id| is_identifier(id)) {
            let message = "A batch entry id can only contain alphanumeric characters, hyphens and underscores. \
                           It can be at most 80 letters long.";
            (Fault::InvalidBatchEntryId, message)
        } else if ids.len() < self.entries.len() {
            (Fault::BatchEntryIdsNotDistinct, "Two or more batch entries in the request have the same Id.")
        } else {
            return Ok(());
        };
        Err(SqsError::new(fault, message))
    }
}
