//! CreateQueue, GetQueueUrl, ListQueues, DeleteQueue, PurgeQueue.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde::{Deserialize, Serialize};

use super::{Addressed, Call, Empty, within};
use crate::sqs::QueueSpec;
use crate::sqs::error::{Fault, SqsError};
use crate::sqs::queue_attributes::{QueueAttributes, apply};

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub(in crate::sqs) struct CreateQueueRequest {
    queue_name: String,
    attributes: QueueAttributes,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(in crate::sqs) struct QueueUrl {
    queue_url: String,
}

/// Creates a queue. Succeeds for an existing one, unless it differs in an attribute that the request names.
pub(in crate::sqs) fn create_queue(
    call: &Call<'_>,
    request: CreateQueueRequest,
) -> Result<QueueUrl, SqsError> {
    let CreateQueueRequest { queue_name: name, attributes } = request;
    if name.is_empty() {
        return Err(SqsError::missing("QueueName"));
    }
    let existing = call.store.queue(&name)?.map(|queue| queue.spec);
    let mut spec = existing.clone().unwrap_or_else(|| QueueSpec { name, ..QueueSpec::default() });
    apply(&attributes, &mut spec)?;
    match existing {
        None => {
            call.require_dead_letter_queue(&spec)?;
            call.store.save_queue(&spec)?;
        }
        Some(existing) if existing == spec => {}
        Some(_) => {
            let message = "A queue already exists with the same name and a different value for an attribute.";
            return Err(SqsError::new(Fault::QueueNameExists, message));
        }
    }
    Ok(QueueUrl { queue_url: call.location.url(&spec.name) })
}

impl Call<'_> {
    /// Errors if the dead-letter queue does not exist. Clients must create it first.
    pub(super) fn require_dead_letter_queue(&self, spec: &QueueSpec) -> Result<(), SqsError> {
        let Some(redrive) = &spec.redrive else { return Ok(()) };
        match self.store.queue(&redrive.dead_letter_queue)? {
            Some(_) => Ok(()),
            None => Err(SqsError::parameter_value(
                "Value for parameter RedrivePolicy is invalid. Reason: Dead letter target does not exist.",
            )),
        }
    }
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub(in crate::sqs) struct GetQueueUrlRequest {
    queue_name: String,
}

pub(in crate::sqs) fn get_queue_url(
    call: &Call<'_>,
    request: GetQueueUrlRequest,
) -> Result<QueueUrl, SqsError> {
    if request.queue_name.is_empty() {
        return Err(SqsError::missing("QueueName"));
    }
    let queue = call.queue_named(&request.queue_name)?;
    Ok(QueueUrl { queue_url: call.location.url(&queue.spec.name) })
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub(in crate::sqs) struct ListQueuesRequest {
    queue_name_prefix: String,
    max_results: Option<i64>,
    next_token: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(in crate::sqs) struct ListQueuesAnswer {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    queue_urls: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_token: Option<String>,
}

/// Lists queues. The token for the next page is the last name of this one.
pub(in crate::sqs) fn list_queues(
    call: &Call<'_>,
    request: ListQueuesRequest,
) -> Result<ListQueuesAnswer, SqsError> {
    let limit = within("MaxResults", request.max_results.unwrap_or(1000), 1..=1000)?;
    let limit = usize::try_from(limit).unwrap_or(1000);
    let after = request.next_token.as_deref().map(read_token).transpose()?.unwrap_or_default();
    let mut names = call.store.queue_names(&request.queue_name_prefix, &after, limit + 1)?;
    let more = names.len() > limit;
    names.truncate(limit);
    // Without MaxResults, the real service returns 1,000 queues and no token for the rest.
    let paged = more && request.max_results.is_some();
    let next_token = names.last().filter(|_| paged).map(|name| BASE64_STANDARD.encode(name));
    Ok(ListQueuesAnswer {
        queue_urls: names.iter().map(|name| call.location.url(name)).collect(),
        next_token,
    })
}

fn read_token(token: &str) -> Result<String, SqsError> {
    let name = BASE64_STANDARD.decode(token).ok().and_then(|bytes| String::from_utf8(bytes).ok());
    name.ok_or_else(|| SqsError::parameter_value("Invalid or expired next token."))
}

pub(in crate::sqs) fn delete_queue(call: &Call<'_>, request: Addressed<Empty>) -> Result<Empty, SqsError> {
    call.store.delete_queue(&call.queue(&request.queue_url)?)?;
    Ok(Empty {})
}

pub(in crate::sqs) fn purge_queue(call: &Call<'_>, request: Addressed<Empty>) -> Result<Empty, SqsError> {
    call.store.purge(&call.queue(&request.queue_url)?)?;
    Ok(Empty {})
}
