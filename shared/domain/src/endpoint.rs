//! Where a tenant wants its events.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::json::require_portable;
use crate::{
    ApiVersion, CustomHeaders, Description, DisabledReason, EnabledEvents, EndpointId, Fields, FromJson,
    Health, Invalid, InvalidField, KeptMetadata, Metadata, Mode, Random, Reach, RetiredSecret, Secret,
    Tenant, Timestamp, WebhookUrl,
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

/// The fields of the endpoint object that only Posthorn sets. Clients send whole objects back, so they are
/// ignored, not refused. `livemode` and `secret` are not among them: one that differs asks for something.
const READ_ONLY: &[&str] = &[
    "id",
    "object",
    "created_at",
    "created_via",
    "updated_at",
    "disabled_reason",
    "health",
    "header_names",
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
    secret: Option<Secret>,
}

impl NewEndpoint {
    /// Reads a request's fields: `url` and `enabled_events` are required.
    pub fn read(fields: &mut Fields<'_>) -> Result<Self, InvalidField> {
        fields.ignore(READ_ONLY);
        Ok(Self {
            url: fields.required("url")?,
            enabled_events: fields.required("enabled_events")?,
            api_version: fields.optional("api_version")?,
            description: fields.optional("description")?.unwrap_or_default(),
            metadata: fields.optional("metadata")?.unwrap_or_default(),
            status: fields.optional("status")?.unwrap_or_default(),
            headers: fields.optional("headers")?.unwrap_or_default(),
            secret: fields.optional("secret")?,
        })
    }

    /// The endpoint, registered now through the API, with a new id, and a new secret unless one was given.
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
            secret: self.secret.unwrap_or_else(|| Secret::new(random)),
            retired_secrets: Vec::new(),
            reach: Reach::new(now),
            revision: 0,
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
    metadata: Option<MetadataSentBack>,
    status: Option<EndpointStatus>,
    headers: Option<CustomHeaders>,
    secret: Option<SecretSentBack>,
}

/// The `metadata` in an edit. What an earlier release took and this one refuses may be sent back as it is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct MetadataSentBack {
    metadata: Metadata,
    refusal: Option<Invalid>,
}

impl FromJson for MetadataSentBack {
    fn from_json(json: &RawValue) -> Result<Self, Invalid> {
        let metadata = KeptMetadata::from_json(json)?.into();
        Ok(Self { metadata, refusal: require_portable(json.get()).err() })
    }
}

/// The `secret` in an edit, which may only be the one that the endpoint has. `None` where it is nobody's.
#[derive(Debug, Clone, PartialEq, Eq)]
struct SecretSentBack(Option<Secret>);

impl FromJson for SecretSentBack {
    fn from_json(json: &RawValue) -> Result<Self, Invalid> {
        Ok(Self(Secret::from_json(json).ok()))
    }
}

impl EndpointEdit {
    /// Reads a request's fields, all optional; `null` empties `description`, `metadata` and `headers`, and leaves the
    /// others as they are.
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
            secret: fields.optional("secret")?,
        })
    }

    /// Whether it asks for another secret than the endpoint has. That is for
    /// [`SecretRotation`](crate::SecretRotation) alone, which lets the old one sign for a while.
    pub fn asks_for_another_secret(&self, endpoint: &Endpoint) -> bool {
        self.secret.as_ref().is_some_and(|SecretSentBack(secret)| secret.as_ref() != Some(&endpoint.secret))
    }

    /// Why it cannot be made of this endpoint: it asks for metadata that not every reader could take.
    pub fn refusal(&self, endpoint: &Endpoint) -> Option<InvalidField> {
        let sent = self.metadata.as_ref().filter(|sent| sent.metadata != endpoint.metadata)?;
        let reason = sent.refusal.clone()?;
        Some(InvalidField::Field { param: "metadata".to_owned(), reason })
    }

    /// Where it wants the endpoint's events POSTed to from now on.
    pub fn url(&self) -> Option<&WebhookUrl> {
        self.url.as_ref()
    }

    /// The endpoint as it is after this edit, made `now`. One that is enabled again, or has another URL, starts
    /// with a clean slate. An edit that says of it what holds already changes nothing.
    pub fn apply(&self, mut endpoint: Endpoint, now: Timestamp) -> Endpoint {
        fn set<T: Clone>(field: &mut T, edit: Option<&T>) {
            if let Some(value) = edit {
                *field = value.clone();
            }
        }
        let before = endpoint.clone();
        let another_status = self.status.is_some_and(|status| status != endpoint.status);
        let enabled = another_status && self.status == Some(EndpointStatus::Enabled);
        if enabled || self.url.as_ref().is_some_and(|url| *url != endpoint.url) {
            endpoint.health = Health::unproven(now);
        }
        if another_status {
            endpoint.disabled_reason = None;
        }
        set(&mut endpoint.url, self.url.as_ref());
        if let Some(enabled_events) = &self.enabled_events {
            let former = std::mem::replace(&mut endpoint.enabled_events, enabled_events.clone());
            endpoint.remember(former.iter().cloned());
        }
        set(&mut endpoint.api_version, self.api_version.as_ref());
        set(&mut endpoint.description, self.description.as_ref());
        set(&mut endpoint.metadata, self.metadata.as_ref().map(|sent| &sent.metadata));
        set(&mut endpoint.status, self.status.as_ref());
        set(&mut endpoint.headers, self.headers.as_ref());
        if endpoint != before {
            endpoint.updated_at = now;
        }
        endpoint
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outside::Same;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_millis(1_795_514_400_000 + 1000 * seconds)
    }

    fn new(json: &str) -> Result<NewEndpoint, InvalidField> {
        let mut fields = Fields::parse(json)?;
        let new = NewEndpoint::read(&mut fields)?;
        fields.finish()?;
        Ok(new)
    }

    fn endpoint() -> Endpoint {
        let json = r#"{"url": "https://a.example", "enabled_events": ["a.*", "b"], "description": "d",
            "metadata": {"k": "v"}, "headers": {"X-A": "b"}, "api_version": "2"}"#;
        let tenant = Tenant { account: "acct_1".parse().unwrap(), mode: Mode::Live };
        new(json).unwrap().register(&tenant, at(0), &Same(0))
    }

    fn edit(json: &str) -> EndpointEdit {
        let mut fields = Fields::parse(json).unwrap();
        let edit = EndpointEdit::read(&mut fields).unwrap();
        fields.finish().unwrap();
        edit
    }

    #[test]
    fn a_secret_that_is_brought_along_is_taken_or_refused() {
        let with = |secret: &str| {
            new(&format!(r#"{{"url": "https://a.example", "enabled_events": ["*"], "secret": {secret}}}"#))
        };
        let text = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
        let tenant = Tenant { account: "acct_1".parse().unwrap(), mode: Mode::Live };
        let registered = with(&format!("{text:?}")).unwrap().register(&tenant, at(0), &Same(0));
        assert_eq!(registered.secret.reveal(), text);
        let fresh = with("null").unwrap().register(&tenant, at(0), &Same(0));
        assert_eq!(fresh.secret, Secret::new(&Same(0)));
        for wrong in [r#""""#, r#""whsec_c2hvcnQ=""#, "7"] {
            let error = with(wrong).unwrap_err().to_string();
            assert!(error.starts_with("`secret` must be "), "{error}");
        }
    }

    #[test]
    fn an_edit_may_name_the_secret_that_there_is_and_no_other() {
        let endpoint = endpoint();
        let asks =
            |secret: &str| edit(&format!(r#"{{"secret": {secret}}}"#)).asks_for_another_secret(&endpoint);
        assert!(!asks(&format!("{:?}", endpoint.secret.reveal())));
        assert!(!asks("null"));
        assert!(asks(&format!("{:?}", Secret::new(&Same(1)).reveal())));
        assert!(asks(r#""whsec_""#) && asks("7"));
    }

    #[test]
    fn null_empties_what_can_be_empty_and_leaves_the_rest() {
        let nulls = r#"{"url": null, "enabled_events": null, "api_version": null, "status": null, "secret": null,
            "description": null, "metadata": null, "headers": null}"#;
        let edited = edit(nulls).apply(endpoint(), at(1));
        let emptied = Endpoint {
            description: Description::default(),
            metadata: Metadata::default(),
            headers: CustomHeaders::default(),
            updated_at: at(1),
            ..endpoint()
        };
        assert_eq!(edited, emptied);
    }

    #[test]
    fn an_endpoint_that_is_sent_back_as_it_was_read_stays_as_it_was() {
        let disabled = |disabled_reason| Endpoint {
            status: EndpointStatus::Disabled,
            disabled_reason,
            health: Health { warned: true, ..Health::new(crate::HealthState::Failing, at(-9)) },
            ..endpoint()
        };
        let reasons = [None, Some(DisabledReason::Gone), Some(DisabledReason::Failing)];
        for before in reasons.map(disabled).into_iter().chain([endpoint()]) {
            let whole = serde_json::to_string(&crate::WholeEndpoint::from(before.clone())).unwrap();
            let listed = serde_json::to_string(&crate::ListedEndpoint::from(before.clone())).unwrap();
            for read in [whole, listed] {
                let read = read.replace(r#""livemode":true,"#, "");
                assert_eq!(edit(&read).apply(before.clone(), at(1)), before, "{read}");
            }
        }
        let enabled = edit(r#"{"status": "enabled"}"#).apply(disabled(Some(DisabledReason::Gone)), at(1));
        assert_eq!((enabled.disabled_reason, enabled.updated_at), (None, at(1)));
    }
}
