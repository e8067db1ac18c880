//! Posthorn's terms as types: accounts, endpoints, events, deliveries, recoveries, lists.
//!
//! Everything here is pure: no I/O, no AWS, no clock, no randomness. Every value is valid: it is parsed once, at the
//! edge; after that nothing is checked twice, and nothing is a bare string.

mod account;
mod delivery;
mod endpoint;
mod event;
mod guard;
mod id;
mod invalid;
mod json;
mod listing;
mod metadata;
mod random;
mod recovery;
mod text;
mod time;

pub use self::account::{AccountId, ApiKey, KeyGrant, Mode, Scope, Tenant};
pub use self::delivery::{
    Attempt, AttemptError, AttemptObject, AttemptStatus, Delivery, DeliveryMessage, DeliveryStatus,
    DeliveryWork, InvalidDeliveryMessage, RetrySchedule,
};
pub use self::endpoint::{
    CreatedVia, CustomHeaders, DisabledReason, EnabledEvents, Endpoint, EndpointEdit, EndpointStatus,
    EventPattern, FailedOn, Health, HealthState, ListedEndpoint, NewEndpoint, Reach, RetiredSecret,
    RotationRefused, Secret, SecretRotation, ShownEndpoint, WebhookUrl, WholeEndpoint,
};
pub use self::event::{
    Age, CatalogueEntry, DeliveredEvent, Event, EventData, EventDraft, EventFilter, EventMessage,
    EventRequest, EventSpan, EventType, MAX_EVENT_BYTES, MAX_SHOWN_DELIVERIES, RecordedEvent, event_types,
    sample,
};
pub use self::guard::{Guard, Networks, Ports, Schemes};
pub use self::id::{AttemptId, EndpointId, EventId, EventShards, KeyId, Partition, RecoveryId};
pub use self::invalid::Invalid;
pub use self::json::{Fields, Flag, FromJson, InvalidField, without_byte_order_mark};
pub use self::listing::{
    Direction, EndpointCursor, EndpointListing, EndpointOutline, EndpointPage, EndpointPageBuilder, LogPage,
    LogPageBuilder, MAX_LIST_BYTES, MAX_LOOKED_AT, OrderField, Page, PageTooLarge, UnknownCursor, Window,
    bytes_in_answer, parse_order,
};
pub use self::metadata::{KeptMetadata, Metadata};
pub use self::random::Random;
pub use self::recovery::{Recovery, RecoveryMessage, RecoveryRequest, RecoveryScope, RecoveryStatus};
pub use self::text::{ApiVersion, Description, ShortText};
pub use self::time::{Clock, Timestamp};
