//! What the words of Posthorn mean: endpoints, events, deliveries, schedules, ids, pages.
//!
//! Everything here is pure: no I/O, no AWS, no clock, no randomness. A value that exists is valid: it is
//! parsed once, at the edge, and past the edge nothing is checked twice and nothing is a bare string.

mod account;
mod api_key;
mod attempt_object;
mod catalogue;
mod delivery;
mod delivery_message;
mod described_object;
mod endpoint;
mod endpoint_cursor;
mod endpoint_object;
mod event;
mod event_filter;
mod event_span;
mod event_type;
mod fields;
mod guard;
mod headers;
mod health;
mod id;
mod json;
mod listing;
mod log_page;
mod metadata;
mod outside;
mod pattern;
mod reach;
mod recorded_event;
mod recovery;
mod recovery_message;
mod room;
mod rotation;
mod schedule;
mod secret;
mod test_event;
mod text;
mod timestamp;
mod url;
mod window;

pub use account::{AccountId, Mode, Tenant};
pub use api_key::{ApiKey, KeyGrant, Scope};
pub use attempt_object::{AttemptObject, AttemptStatus};
pub use catalogue::{CatalogueEntry, event_types, sample};
pub use delivery::{Attempt, AttemptError, Delivery, DeliveryStatus};
pub use delivery_message::{DeliveryMessage, DeliveryWork, InvalidDeliveryMessage};
pub use endpoint::{CreatedVia, Endpoint, EndpointEdit, EndpointStatus, NewEndpoint};
pub use endpoint_cursor::EndpointCursor;
pub use endpoint_object::{ListedEndpoint, ShownEndpoint, WholeEndpoint};
pub use event::{Event, EventData, EventDraft, EventMessage, EventRequest, MAX_EVENT_BYTES};
pub use event_filter::EventFilter;
pub use event_span::{Age, EventSpan};
pub use event_type::EventType;
pub use fields::{Fields, Flag, FromJson, InvalidField};
pub use guard::{Guard, Networks, Ports, Schemes};
pub use headers::CustomHeaders;
pub use health::{DisabledReason, FailedOn, Health, HealthState};
pub use id::{AttemptId, EndpointId, EventId, EventShards, KeyId, Partition, RecoveryId};
pub use json::without_byte_order_mark;
pub use listing::{
    Direction, EndpointListing, EndpointOutline, EndpointPage, EndpointPageBuilder, OrderField, Page,
    UnknownCursor, parse_order,
};
pub use log_page::{LogPage, LogPageBuilder, MAX_LOOKED_AT};
pub use metadata::{KeptMetadata, Metadata};
pub use outside::{Clock, Random};
pub use pattern::{EnabledEvents, EventPattern};
pub use reach::Reach;
pub use recorded_event::{DeliveredEvent, MAX_SHOWN_DELIVERIES, RecordedEvent};
pub use recovery::{Recovery, RecoveryRequest, RecoveryScope, RecoveryStatus};
pub use recovery_message::RecoveryMessage;
pub use room::{MAX_LIST_BYTES, PageTooLarge, bytes_in_answer};
pub use rotation::{RetiredSecret, RotationRefused, SecretRotation};
pub use schedule::RetrySchedule;
pub use secret::Secret;
pub use text::{ApiVersion, Description, ShortText};
pub use timestamp::Timestamp;
pub use url::WebhookUrl;
pub use window::Window;

/// Why a value is not valid, as the end of a sentence that begins with the value's name:
/// "must be at most 1024 characters long (this one has 2000)".
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Invalid(pub String);

impl Invalid {
    /// An invalid value, with the reason that follows its name.
    pub fn because(reason: impl Into<String>) -> Self {
        Self(reason.into())
    }
}
