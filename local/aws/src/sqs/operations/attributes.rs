//! GetQueueAttributes and SetQueueAttributes.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Addressed, Call, Empty};
use crate::sqs::error::SqsError;
use crate::sqs::queue_attributes::{QueueAttributes, apply, describe};

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub(in crate::sqs) struct Names {
    attribute_names: Vec<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(in crate::sqs) struct GetQueueAttributesAnswer {
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    attributes: BTreeMap<&'static str, String>,
}

pub(in crate::sqs) fn get_queue_attributes(
    call: &Call<'_>,
    request: Addressed<Names>,
) -> Result<GetQueueAttributesAnswer, SqsError> {
    let queue = call.queue(&request.queue_url)?;
    call.store.expire(&queue)?;
    let counts = call.store.counts(&queue)?;
    let attributes = describe(&queue, &counts, call.location, &request.item.attribute_names)?;
    Ok(GetQueueAttributesAnswer { attributes })
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub(in crate::sqs) struct Changes {
    attributes: QueueAttributes,
}

pub(in crate::sqs) fn set_queue_attributes(
    call: &Call<'_>,
    request: Addressed<Changes>,
) -> Result<Empty, SqsError> {
    let mut spec = call.queue(&request.queue_url)?.spec;
    let attributes = request.item.attributes;
    if attributes.is_empty() {
        return Err(SqsError::missing("Attributes"));
    }
    apply(&attributes, &mut spec)?;
    if attributes.contains_key("RedrivePolicy") {
        call.require_dead_letter_queue(&spec)?;
    }
    call.store.save_queue(&spec)?;
    Ok(Empty {})
}
