//! The results of a batch of events.

use posthorn_domain::{
    ApiVersion, Event, EventDraft, EventId, EventRequest, EventType, Metadata, Mode, ShortText, Timestamp,
};
use serde::Serialize;

use crate::problem::ProblemBody;

/// The result of one event of a batch.
#[derive(Debug, Clone, Serialize)]
#[serde(untagged)]
pub enum BatchEntryBody {
    /// The event was accepted.
    Accepted {
        /// 202.
        status: u16,
        /// The event.
        event: Box<PublicationBody>,
        /// Whether it was published before, under the same idempotency key.
        #[serde(skip_serializing_if = "std::ops::Not::not")]
        replayed: bool,
    },
    /// The event was refused.
    Refused(ProblemBody),
}

/// The event object without its `data`. The publisher has that, and a hundred events with theirs may not fit into one
/// answer.
#[derive(Debug, Clone, Serialize)]
pub struct PublicationBody {
    id: EventId,
    livemode: Mode,
    r#type: EventType,
    api_version: ApiVersion,
    object_type: Option<ShortText>,
    object_id: Option<ShortText>,
    request: EventRequest,
    pending_webhooks: u32,
    metadata: Metadata,
    created_at: Timestamp,
    updated_at: Timestamp,
}

impl From<Event> for PublicationBody {
    fn from(Event { id, mode, draft }: Event) -> Self {
        let EventDraft { event_type, api_version, data: _, object_type, object_id, request, metadata } =
            draft;
        Self {
            id,
            livemode: mode,
            r#type: event_type,
            api_version,
            object_type,
            object_id,
            request,
            pending_webhooks: 0,
            metadata,
            created_at: id.at(),
            updated_at: id.at(),
        }
    }
}
