//! Where a tenant wants its events.

use std::fmt;
use std::str::FromStr;

use serde::Serialize;

use crate::{
    ApiVersion, CustomHeaders, Description, DisabledReason, EnabledEvents, EndpointId, Fields, Health,
    Invalid, InvalidField, Metadata, Mode, Random, Reach, RetiredSecret, Secret, Tenant, Timestamp,
    WebhookUrl,
};

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
}

impl Endpoint {
    /// What a delivery is signed with at this time: the secret, then those before it that have not expired.
    pub fn signing_secrets(&self, at: Timestamp) -> impl Iterator<Item = &Secret> {
        let retired = self.retired_secrets.iter().filter(move |retired| retired.until > at);
        std::iter::once(&self.secret).chain(retired.map(|retired| &retired.secret))
    }
}

/// Whether an endpoint gets events.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
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

/// The fields of the endpoint object that only Posthorn sets. Clients send whole objects back, so they are
/// ignored, not refused.
const READ_ONLY: &[&str] = &[
    "id",
    "object",
    "livemode",
    "created_at",
    "created_via",
    "updated_at",
    "disabled_reason",
    "health",
    "header_names",
    "secret",
    "attempts",
];

/// What a client gives to register an endpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewEndpoint {
    url: WebhookUrl,
    enabled_events: EnabledEvents,
    api_version: Option<ApiVersion>,
    description: Description,
    metadata: Metadata,
    status: EndpointStatus,
    headers: CustomHeaders,
}

impl NewEndpoint {
    /// Reads a request's fields: `url` and `enabled_events` are required.
    pub fn read(fields: &mut Fields<'_>) -> Result<Self, InvalidField> {
        fields.ignore(READ_ONLY);
        Ok(Self {
            url: fields.required("url")?,
            enabled_events: fields.required("enabled_events")?,
            api_version: fields.optional("api_version")?,
            description: fields.nullable("description")?.flatten().unwrap_or_default(),
            metadata: fields.nullable("metadata")?.flatten().unwrap_or_default(),
            status: fields.optional("status")?.unwrap_or_default(),
            headers: fields.nullable("headers")?.flatten().unwrap_or_default(),
        })
    }

    /// The endpoint, registered now through the API, with a new id and secret.
    pub fn register(self, tenant: &Tenant, now: Timestamp, random: &dyn Random) -> Endpoint {
        Endpoint {
            id: EndpointId::new(now, random),
            mode: tenant.mode,
            api_version: self.api_version.unwrap_or_default(),
            url: self.url,
            description: self.description,
            enabled_events: self.enabled_events,
            metadata: self.metadata,
            status: self.status,
            created_at: now,
            created_via: CreatedVia::Api,
            updated_at: now,
            disabled_reason: None,
            health: Health::unproven(now),
            headers: self.headers,
            secret: Secret::new(random),
            retired_secrets: Vec::new(),
            reach: Reach::new(now),
        }
    }
}

/// What a client wants changed on an endpoint; a field that is not given stays as it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EndpointEdit {
    url: Option<WebhookUrl>,
    enabled_events: Option<EnabledEvents>,
    api_version: Option<ApiVersion>,
    description: Option<Description>,
    metadata: Option<Metadata>,
    status: Option<EndpointStatus>,
    headers: Option<CustomHeaders>,
}

impl EndpointEdit {
    /// Reads a request's fields, all optional; `null` empties `description`, `metadata` and `headers`.
    pub fn read(fields: &mut Fields<'_>) -> Result<Self, InvalidField> {
        fields.ignore(READ_ONLY);
        Ok(Self {
            url: fields.optional("url")?,
            enabled_events: fields.optional("enabled_events")?,
            api_version: fields.optional("api_version")?,
            description: fields.nullable("description")?.map(Option::unwrap_or_default),
            metadata: fields.nullable("metadata")?.map(Option::unwrap_or_default),
            status: fields.optional("status")?,
            headers: fields.nullable("headers")?.map(Option::unwrap_or_default),
        })
    }

    /// Where it wants the endpoint's events POSTed to from now on.
    pub fn url(&self) -> Option<&WebhookUrl> {
        self.url.as_ref()
    }

    /// The endpoint as it is after this edit, made `now`. One that is enabled again, or has another URL, starts
    /// with a clean slate.
    pub fn apply(&self, mut endpoint: Endpoint, now: Timestamp) -> Endpoint {
        fn set<T: Clone>(field: &mut T, edit: Option<&T>) {
            if let Some(value) = edit {
                *field = value.clone();
            }
        }
        let enabled =
            self.status == Some(EndpointStatus::Enabled) && endpoint.status != EndpointStatus::Enabled;
        if enabled || self.url.as_ref().is_some_and(|url| *url != endpoint.url) {
            endpoint.health = Health::unproven(now);
        }
        if self.status.is_some() {
            endpoint.disabled_reason = None;
        }
        set(&mut endpoint.url, self.url.as_ref());
        if let Some(enabled_events) = &self.enabled_events {
            let former = std::mem::replace(&mut endpoint.enabled_events, enabled_events.clone());
            endpoint.remember(former.iter().cloned());
        }
        set(&mut endpoint.api_version, self.api_version.as_ref());
        set(&mut endpoint.description, self.description.as_ref());
        set(&mut endpoint.metadata, self.metadata.as_ref());
        set(&mut endpoint.status, self.status.as_ref());
        set(&mut endpoint.headers, self.headers.as_ref());
        endpoint.updated_at = now;
        endpoint
    }
}
