//! What the handlers work with, by kind of handler.

use std::sync::Arc;

use posthorn_domain::{Clock, Guard, Random};
use posthorn_storage::{DeliveryOutbox, EndpointStore, EventLog, EventOutbox, IdempotencyKeys, Recoveries};

use crate::Access;

/// What the handlers of the endpoint routes work with.
pub struct EndpointsApi {
    /// Who may call.
    pub access: Access,
    /// The endpoints.
    pub endpoints: EndpointStore,
    /// What time it is.
    pub clock: Arc<dyn Clock>,
    /// What ids and secrets are made of.
    pub random: Arc<dyn Random>,
}

/// What the handlers work with that take an endpoint's URL.
pub struct RegistrationApi {
    /// Who may call.
    pub access: Access,
    /// The endpoints.
    pub endpoints: EndpointStore,
    /// The most endpoints that one tenant may have.
    pub max_endpoints: u32,
    /// Where they may be.
    pub guard: Guard,
    /// What time it is.
    pub clock: Arc<dyn Clock>,
    /// What ids and secrets are made of.
    pub random: Arc<dyn Random>,
}

/// What the handlers of the publishing routes work with.
pub struct PublishApi {
    /// Who may call.
    pub access: Access,
    /// Where accepted events go.
    pub outbox: EventOutbox,
    /// The keys that make publishing safe to repeat.
    pub idempotency: IdempotencyKeys,
    /// What time it is.
    pub clock: Arc<dyn Clock>,
    /// What ids are made of.
    pub random: Arc<dyn Random>,
}

/// What the handlers that read events work with.
pub struct EventsApi {
    /// Who may call.
    pub access: Access,
    /// What became of every event.
    pub log: EventLog,
}

/// What the handlers that read attempts work with.
pub struct AttemptsApi {
    /// Who may call.
    pub access: Access,
    /// The endpoints.
    pub endpoints: EndpointStore,
    /// What became of every event.
    pub log: EventLog,
}

/// What the handler that has attempts made again works with.
pub struct RetryApi {
    /// Who may call.
    pub access: Access,
    /// The endpoints.
    pub endpoints: EndpointStore,
    /// What became of every event.
    pub log: EventLog,
    /// Where deliveries go that are to be attempted.
    pub outbox: DeliveryOutbox,
    /// What tells one request from another.
    pub random: Arc<dyn Random>,
}

/// What the handler that begins recoveries works with.
pub struct RecoveryApi {
    /// Who may call.
    pub access: Access,
    /// The endpoints.
    pub endpoints: EndpointStore,
    /// What became of every event.
    pub log: EventLog,
    /// How far recoveries have come.
    pub recoveries: Recoveries,
    /// Where the message goes that keeps a recovery going.
    pub outbox: DeliveryOutbox,
    /// What time it is.
    pub clock: Arc<dyn Clock>,
    /// What ids are made of.
    pub random: Arc<dyn Random>,
}

/// What the handler that shows recoveries works with.
pub struct RecoveriesApi {
    /// Who may call.
    pub access: Access,
    /// How far recoveries have come.
    pub recoveries: Recoveries,
}

/// What the handler that tries an endpoint works with.
pub struct TestingApi {
    /// Who may call.
    pub access: Access,
    /// The endpoints.
    pub endpoints: EndpointStore,
    /// Where test events go.
    pub outbox: EventOutbox,
    /// What time it is.
    pub clock: Arc<dyn Clock>,
    /// What ids are made of.
    pub random: Arc<dyn Random>,
}

/// What the handler of the catalogue works with.
pub struct CatalogueApi {
    /// Who may call.
    pub access: Access,
}
