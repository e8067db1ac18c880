//! Where an account wants its events: an endpoint and everything that it consists of.
//!
//! Which of its deliveries failed, and when they are tried again, is in [`crate::delivery`]; lists of endpoints are in
//! [`crate::listing`].

mod edit;
mod enabled_events;
mod headers;
mod health;
mod new;
mod object;
mod reach;
mod rotation;
mod secret;
mod url;

pub use self::edit::EndpointEdit;
pub use self::enabled_events::{EnabledEvents, EventPattern};
pub use self::headers::CustomHeaders;
pub use self::health::{DisabledReason, FailedOn, Health, HealthState};
pub use self::new::NewEndpoint;
pub use self::object::{ListedEndpoint, ShownEndpoint, WholeEndpoint};
pub use self::reach::Reach;
pub use self::rotation::{RetiredSecret, RotationRefused, SecretRotation};
pub use self::secret::Secret;
pub use self::url::WebhookUrl;

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::account::Mode;
use crate::id::EndpointId;
use crate::invalid::Invalid;

use crate::metadata::Metadata;
use crate::text::{ApiVersion, Description};
use crate::time::Timestamp;

/// A webhook endpoint. It serializes as the API's endpoint object, without its headers and secrets: see
/// [`WholeEndpoint`](crate::WholeEndpoint) and [`ListedEndpoint`](crate::ListedEndpoint).
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Endpoint {
    /// What the endpoint is called.
    pub id: EndpointId,
    /// Whether it gets live or test events.
    #[serde(rename = "livemode")]
    pub mode: Mode,
    /// The version of the event shapes that it expects.
    pub api_version: ApiVersion,
    /// Where its events are POSTed to.
    pub url: WebhookUrl,
    /// What it is for; empty when nobody said.
    pub description: Description,
    /// The events that it wants.
    pub enabled_events: EnabledEvents,
    /// Its owner's notes.
    pub metadata: Metadata,
    /// Whether it gets events at all.
    pub status: EndpointStatus,
    /// When it was registered.
    pub created_at: Timestamp,
    /// How it was registered.
    pub created_via: CreatedVia,
    /// When its owner last changed it.
    pub updated_at: Timestamp,
    /// Why Posthorn disabled it; `None` where it is enabled, or its owner disabled it.
    pub disabled_reason: Option<DisabledReason>,
    /// How it has been doing.
    pub health: Health,
    /// What its owner wants in the headers of each delivery.
    #[serde(skip)]
    pub headers: CustomHeaders,
    /// What its deliveries are signed with.
    #[serde(skip)]
    pub secret: Secret,
    /// The secrets before that one, the oldest first; some may have expired.
    #[serde(skip)]
    pub retired_secrets: Vec<RetiredSecret>,
    /// Where to look for what has been sent to it.
    #[serde(skip)]
    pub reach: Reach,
    /// How often it has been written, whoever did it; 0 before the first time.
    #[serde(skip)]
    pub revision: u64,
}

impl Endpoint {
    /// What a delivery is signed with at this time: the secret, then those before it that have not expired.
    pub fn signing_secrets(&self, at: Timestamp) -> impl Iterator<Item = &Secret> {
        let retired = self.retired_secrets.iter().filter(move |retired| retired.until > at);
        std::iter::once(&self.secret).chain(retired.map(|retired| &retired.secret))
    }
}

/// Whether an endpoint gets events.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EndpointStatus {
    /// It gets none.
    Disabled,
    /// It gets those that it asked for.
    #[default]
    Enabled,
}

impl EndpointStatus {
    /// The status as text.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Disabled => "disabled",
            Self::Enabled => "enabled",
        }
    }
}

impl FromStr for EndpointStatus {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        match text {
            "disabled" => Ok(Self::Disabled),
            "enabled" => Ok(Self::Enabled),
            _ => Err(Invalid::because(format!("must be \"enabled\" or \"disabled\", not {text:?}"))),
        }
    }
}

impl fmt::Display for EndpointStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// How an endpoint was registered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum CreatedVia {
    /// Through this API.
    Api,
    /// In the publisher's dashboard.
    Dashboard,
    /// In the customer's own portal.
    Portal,
}

impl CreatedVia {
    /// The way as text.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Api => "api",
            Self::Dashboard => "dashboard",
            Self::Portal => "portal",
        }
    }
}

impl FromStr for CreatedVia {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        match text {
            "api" => Ok(Self::Api),
            "dashboard" => Ok(Self::Dashboard),
            "portal" => Ok(Self::Portal),
            _ => Err(Invalid::because("must be \"api\", \"dashboard\" or \"portal\"")),
        }
    }
}
