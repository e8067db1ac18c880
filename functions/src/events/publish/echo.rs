//! An event as the answer to a batch shows it.

use posthorn_domain::{
    ApiVersion, Event, EventDraft, EventId, EventRequest, EventType, Metadata, Mode, ShortText, Timestamp,
};
use serde::Serialize;

/// The event object without its `data`. The publisher has that, and a hundred events with theirs may not fit into one
/// answer.
#[derive(Clone, Serialize)]
pub(crate) struct Echo {
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

impl From<Event> for Echo {
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
