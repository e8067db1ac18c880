//! Events: as their publisher sends them, as they are delivered, and as they are read later.
//!
//! Their deliveries are in [`crate::delivery`].

mod catalogue;
mod data;
mod delivered;
mod described_object;
mod draft;
mod event_type;
mod feed;
mod filter;
mod message;
mod request;
mod span;
mod time_order;

pub use self::catalogue::{CatalogueEntry, event_types, sample};
pub use self::data::EventData;
pub use self::delivered::DeliveredEvent;
pub use self::draft::EventDraft;
pub use self::event_type::EventType;
pub use self::feed::{
    ConsumerName, FEED_WRITE, FeedCursor, FeedPlace, FeedReading, Listening, is_out_of_time,
};
pub use self::filter::EventFilter;
pub use self::message::EventMessage;
pub use self::request::EventRequest;
pub use self::span::EventSpan;
pub use self::time_order::TimeOrder;

use serde::{Serialize, Serializer};

use crate::account::Mode;
use crate::id::EventId;
use crate::metadata::Metadata;
use crate::text::{ApiVersion, ShortText};
use crate::time::Timestamp;

/// The largest event, in bytes of JSON: 256 KiB.
pub const MAX_EVENT_BYTES: usize = 256 * 1024;

/// An accepted event: the publisher's fields, and the id that Posthorn gave it. It serializes as the API's event
/// object. As that depends on nothing else, every attempt at every endpoint sends the same bytes. Hence
/// `pending_webhooks`, a live count in the API, is 0 here: its value when the event was accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// The event's id; also its `webhook-id`.
    pub id: EventId,
    /// Live or test.
    pub mode: Mode,
    /// The publisher's fields.
    pub draft: EventDraft,
}

impl Event {
    /// Returns when it was accepted: the time in its id, by which events are listed, filtered and recovered.
    pub fn created_at(&self) -> Timestamp {
        self.id.at()
    }

    /// Returns the event's JSON: the body of every delivery.
    pub fn to_json(&self) -> String {
        serde_json::to_string(self).expect("JSON can express every event")
    }
}

impl Serialize for Event {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct EventObject<'a> {
            id: EventId,
            livemode: Mode,
            r#type: &'a EventType,
            api_version: &'a ApiVersion,
            data: &'a EventData,
            object_type: Option<&'a ShortText>,
            object_id: Option<&'a ShortText>,
            request: &'a EventRequest,
            pending_webhooks: u32,
            metadata: &'a Metadata,
            created_at: Timestamp,
            updated_at: Timestamp,
        }
        let EventDraft { event_type, api_version, data, object_type, object_id, request, metadata } =
            &self.draft;
        EventObject {
            id: self.id,
            livemode: self.mode,
            r#type: event_type,
            api_version,
            data,
            object_type: object_type.as_ref(),
            object_id: object_id.as_ref(),
            request,
            pending_webhooks: 0,
            metadata,
            created_at: self.created_at(),
            updated_at: self.created_at(),
        }
        .serialize(serializer)
    }
}
