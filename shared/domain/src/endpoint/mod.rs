//! Endpoints: where an account receives its events.
//!
//! Their failed deliveries and retries are in [`crate::delivery`], their JSON is the API's.

mod edit;
mod enabled_events;
mod former;
mod headers;
mod health;
mod hold;
#[cfg(test)]
mod hold_model;
mod new;
mod outline;
mod place;
mod rotation;
mod secret;
mod subscription_history;
mod trouble;
mod url;

pub use self::edit::EndpointEdit;
pub use self::enabled_events::{EnabledEvents, EventPattern};
pub use self::former::{FormerState, FormerStates};
pub use self::headers::CustomHeaders;
pub use self::health::{DisabledReason, FailedOn, Health, HealthState};
pub use self::hold::{Failure, Hold, HoldPhase, HoldState, LAST_LOOK, ProbeOrder, Probes};
pub use self::new::NewEndpoint;
pub use self::outline::EndpointOutline;
pub use self::place::EndpointPlace;
pub use self::rotation::{RetiredSecret, RotationRefused, SecretRotation};
pub use self::secret::Secret;
pub use self::subscription_history::SubscriptionHistory;
pub use self::trouble::{Trouble, TroubleState};
pub use self::url::WebhookUrl;

use serde::{Deserialize, Serialize};
use strum::{Display, EnumString, IntoStaticStr, VariantArray};

use crate::account::{ComponentSecret, Mode};
use crate::component_call::delivery_digest;
use crate::event::EventType;
use crate::id::EndpointId;
use crate::invalid::Invalid;
use crate::metadata::Metadata;
use crate::text::{ApiVersion, Description};
use crate::time::Timestamp;

/// A webhook endpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    /// The endpoint's id.
    pub id: EndpointId,
    /// Whether it gets live or test events.
    pub mode: Mode,
    /// The API version whose event shapes it expects.
    pub api_version: ApiVersion,
    /// The URL that its events are POSTed to.
    pub url: WebhookUrl,
    /// Its purpose; may be empty.
    pub description: Description,
    /// The events that it wants.
    pub enabled_events: EnabledEvents,
    /// The client's own notes.
    pub metadata: Metadata,
    /// Whether it gets events.
    pub status: EndpointStatus,
    /// When it was registered.
    pub created_at: Timestamp,
    /// How it was registered.
    pub created_via: CreatedVia,
    /// When a client last changed it.
    pub updated_at: Timestamp,
    /// Why Posthorn disabled it; `None` if it is enabled, or a client disabled it.
    pub disabled_reason: Option<DisabledReason>,
    /// Its health.
    pub health: Health,
    /// Whether its deliveries are held, or were held and are being sent; `None` if neither.
    pub hold: Option<Hold>,
    /// Headers that are added to each of its deliveries.
    pub headers: CustomHeaders,
    /// The secret that signs its deliveries.
    pub secret: Secret,
    /// The former secrets, oldest first; some may have expired.
    pub retired_secrets: Vec<RetiredSecret>,
    /// The secret key that signs its deliveries as calls of a PaymentKit component, too; `None` if nothing does.
    pub component_secret: Option<ComponentSecret>,
    /// Which events may have been sent to it in the past.
    pub history: SubscriptionHistory,
    /// What it was before its last changes.
    pub former_states: FormerStates,
    /// The number of times it was written, by anybody; 0 before the first.
    pub revision: u64,
}

impl Endpoint {
    /// Returns the secrets that sign a delivery at this time: the current one, then the former ones that have not
    /// expired.
    pub fn signing_secrets(&self, at: Timestamp) -> impl Iterator<Item = &Secret> {
        let retired = self.retired_secrets.iter().filter(move |retired| retired.until > at);
        std::iter::once(&self.secret).chain(retired.map(|retired| &retired.secret))
    }

    /// Returns whether events of this type may have been sent to it.
    pub fn may_have_received(&self, event_type: &EventType) -> bool {
        self.enabled_events.matches(event_type) || self.history.matches(event_type)
    }

    /// Errors if its deliveries should be signed as component calls, but no such signature covers the query of its URL.
    pub fn require_signable(&self) -> Result<(), Invalid> {
        if self.component_secret.is_none() {
            return Ok(());
        }
        let digest = delivery_digest(self.url.parsed(), b"", 0, 0);
        let invalid = |reason| Invalid::because(format!("cannot be signed as a component call. {reason}"));
        digest.map(drop).map_err(invalid)
    }

    /// Records patterns whose events may have been sent to it. Those that it subscribes to now are left out.
    pub fn remember_patterns(&mut self, patterns: impl IntoIterator<Item = EventPattern>) {
        let Self { enabled_events, history, .. } = self;
        history.add(patterns.into_iter().filter(|pattern| !enabled_events.covers(pattern)));
    }
}

/// Whether an endpoint gets events.
#[derive(
    Debug,
    Clone,
    Copy,
    Default,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    Deserialize,
    Display,
    EnumString,
    IntoStaticStr,
    VariantArray,
)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case", parse_err_ty = Invalid, parse_err_fn = Invalid::none_of::<EndpointStatus>)]
pub enum EndpointStatus {
    /// It gets no events.
    Disabled,
    /// It gets the events that it subscribes to.
    #[default]
    Enabled,
    /// The events that it subscribes to are held until it is resumed.
    Paused,
}

impl EndpointStatus {
    /// Returns the status as one word.
    pub fn as_str(self) -> &'static str {
        self.into()
    }
}

/// How an endpoint was registered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Display, EnumString, IntoStaticStr, VariantArray)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case", parse_err_ty = Invalid, parse_err_fn = Invalid::none_of::<CreatedVia>)]
pub enum CreatedVia {
    /// Through this API.
    Api,
    /// In the publisher's dashboard.
    Dashboard,
    /// In the customer's own portal.
    Portal,
}

impl CreatedVia {
    /// Returns the origin as one word.
    pub fn as_str(self) -> &'static str {
        self.into()
    }
}

/// The fields of the endpoint object that only Posthorn sets. They are ignored, not refused, because clients send whole
/// objects back. `livemode` and `secret` are not among them: a different value is a request for something.
const READ_ONLY: &[&str] = &[
    "id",
    "object",
    "created_at",
    "created_via",
    "updated_at",
    "disabled_reason",
    "health",
    "hold",
    "header_names",
    "attempts",
    "component_public_key",
];
