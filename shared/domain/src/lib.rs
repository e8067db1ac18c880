//! Posthorn's terms as types: accounts, endpoints, events, deliveries, recoveries.
//!
//! Everything here is pure: no I/O, no AWS, no clock, no randomness. Every value is valid: it is parsed once, at the
//! edge; after that nothing is checked twice, and nothing is a bare string.

mod account;
mod component_call;
mod delivery;
mod endpoint;
mod event;
mod guard;
mod id;
mod invalid;
mod json;
mod metadata;
mod random;
mod recovery;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
mod text;
mod time;

pub use self::account::{
    Account, AccountEdit, AccountId, AccountStatus, Actor, ActorKind, Appearance, AuditAction, AuditEntry,
    Color, ComponentKey, ComponentSecret, Deletion, Did, Grant, KeyKind, KeyRequest, Logo, Mode, PageUrl,
    PublicKey, Reach, Scope, Scopes, Session, SessionRequest, Tenant, Token,
};
pub use self::component_call::{ComponentCall, Numbers, delivery_digest};
pub use self::delivery::{
    Attempt, AttemptError, AttemptStatus, Delivery, DeliveryMessage, DeliveryStatus, DeliveryWork,
    Explanation, Millis, ProbeMessage, Reason, RecoveryMessage, RetrySchedule, Trace, WorkMessage,
};
pub use self::endpoint::{
    CreatedVia, CustomHeaders, DisabledReason, EnabledEvents, Endpoint, EndpointEdit, EndpointOutline,
    EndpointPlace, EndpointStatus, EventPattern, FailedOn, Failure, FormerState, FormerStates, Health,
    HealthState, Hold, HoldPhase, HoldState, LAST_LOOK, NewEndpoint, ProbeOrder, Probes, RetiredSecret,
    RotationRefused, Secret, SecretRotation, SubscriptionHistory, Trouble, TroubleState, WebhookUrl,
};
pub use self::event::{
    CatalogueEntry, ConsumerName, DeliveredEvent, Event, EventData, EventDraft, EventFilter, EventMessage,
    EventRequest, EventSpan, EventType, FEED_WRITE, FeedCursor, FeedPlace, FeedReading, Listening,
    MAX_EVENT_BYTES, TimeOrder, event_types, is_out_of_time, sample,
};
pub use self::guard::{Guard, Networks, Ports, Schemes};
pub use self::id::{
    AttemptId, AuditId, EndpointId, EventId, EventShards, GrantId, KeyId, Partition, RecoveryId, SessionId,
};
pub use self::invalid::Invalid;
pub use self::json::{Fields, Flag, FromJson, InvalidField, MAX_NESTING, without_byte_order_mark};
pub use self::metadata::{KeptMetadata, Metadata};
pub use self::random::Random;
pub use self::recovery::{Course, Recovery, RecoveryRequest, RecoveryScope, RecoveryStatus};
pub use self::text::{ApiVersion, Description, ShortText};
pub use self::time::{Clock, Timestamp};
