//! Changing an endpoint.

use serde_json::value::RawValue;

use crate::account::ComponentSecret;
use crate::endpoint::enabled_events::EnabledEvents;
use crate::endpoint::headers::CustomHeaders;
use crate::endpoint::health::Health;
use crate::endpoint::secret::Secret;
use crate::endpoint::url::WebhookUrl;
use crate::endpoint::{Endpoint, EndpointStatus, READ_ONLY};
use crate::id::RecoveryId;
use crate::invalid::Invalid;
use crate::json::{Fields, FromJson, InvalidField, require_portable};
use crate::metadata::{KeptMetadata, Metadata};
use crate::text::{ApiVersion, Description};
use crate::time::Timestamp;

/// A request to change an endpoint. A field that is not given stays as it is.
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
    component_secret: Option<ComponentSecretEdit>,
}

/// The `metadata` in an edit. Metadata that an earlier release accepted and this one refuses may be sent back
/// unchanged.
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

/// The `secret` in an edit, which must be the endpoint's own. `None` if it is not a valid secret.
#[derive(Debug, Clone, PartialEq, Eq)]
struct SecretSentBack(Option<Secret>);

impl FromJson for SecretSentBack {
    fn from_json(json: &RawValue) -> Result<Self, Invalid> {
        Ok(Self(Secret::from_json(json).ok()))
    }
}

/// The `component_secret_key` in an edit; `None` removes it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct ComponentSecretEdit(Option<ComponentSecret>);

impl EndpointEdit {
    /// Reads a request's fields, all optional. `null` empties `description`, `metadata`, `headers` and `component_secret_key`; for the others
    /// it means "not given".
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
            component_secret: fields.nullable("component_secret_key")?.map(ComponentSecretEdit),
        })
    }

    /// Returns whether it asks for a different secret. Only [`SecretRotation`](crate::SecretRotation) may change the
    /// secret, because it lets the old one sign for a while.
    pub fn asks_for_another_secret(&self, endpoint: &Endpoint) -> bool {
        self.secret.as_ref().is_some_and(|SecretSentBack(secret)| secret.as_ref() != Some(&endpoint.secret))
    }

    /// Returns an error if the edit would store metadata that not every parser can read, or send deliveries elsewhere that
    /// are signed as a component's calls: whoever gets them could use their signatures.
    pub fn refusal(&self, endpoint: &Endpoint) -> Option<InvalidField> {
        let moves = self.url.as_ref().is_some_and(|url| *url != endpoint.url);
        if moves && endpoint.component_secret.is_some() && self.component_secret.is_none() {
            let reason = "cannot be changed while deliveries are signed with a component's key. Send `component_secret_key` \
                          again, or null to remove it";
            let reason = Invalid::because(reason);
            return Some(InvalidField::Field { param: "url".to_owned(), reason });
        }
        let sent = self.metadata.as_ref().filter(|sent| sent.metadata != endpoint.metadata)?;
        let reason = sent.refusal.clone()?;
        Some(InvalidField::Field { param: "metadata".to_owned(), reason })
    }

    /// Returns the new status, if the edit has one.
    pub fn status(&self) -> Option<EndpointStatus> {
        self.status
    }

    /// Returns the new URL, if the edit has one.
    pub fn url(&self) -> Option<&WebhookUrl> {
        self.url.as_ref()
    }

    /// Returns whether the edit ends the endpoint's pause, or disables it while deliveries are held. Then a recovery has
    /// to take care of these.
    pub fn ends_hold(&self, endpoint: &Endpoint) -> bool {
        match self.status {
            Some(EndpointStatus::Enabled) => endpoint.status == EndpointStatus::Paused,
            Some(EndpointStatus::Disabled) => endpoint.hold.is_some(),
            Some(EndpointStatus::Paused) | None => false,
        }
    }

    /// Returns the endpoint after this edit, made `now`. If it is enabled again after it was disabled, or gets another
    /// URL, its health is reset. `drain` is the recovery that takes care of what is held, if the edit [ends the
    /// hold](Self::ends_hold). An edit that changes nothing leaves `updated_at` as it is.
    pub fn apply(&self, mut endpoint: Endpoint, drain: Option<RecoveryId>, now: Timestamp) -> Endpoint {
        fn set<T: Clone>(field: &mut T, edit: Option<&T>) {
            if let Some(value) = edit {
                *field = value.clone();
            }
        }
        let before = endpoint.clone();
        let another_status = self.status.is_some_and(|status| status != endpoint.status);
        let enabled = another_status && endpoint.status == EndpointStatus::Disabled;
        if enabled || self.url.as_ref().is_some_and(|url| *url != endpoint.url) {
            endpoint.health = Health::unproven(now);
        }
        if another_status {
            endpoint.disabled_reason = None;
        }
        set(&mut endpoint.url, self.url.as_ref());
        if let Some(enabled_events) =
            self.enabled_events.as_ref().filter(|new| **new != endpoint.enabled_events)
        {
            endpoint.former_states.add(endpoint.state_until(now));
            let former = std::mem::replace(&mut endpoint.enabled_events, enabled_events.clone());
            endpoint.remember_patterns(former.iter().cloned());
        }
        set(&mut endpoint.api_version, self.api_version.as_ref());
        set(&mut endpoint.description, self.description.as_ref());
        set(&mut endpoint.metadata, self.metadata.as_ref().map(|sent| &sent.metadata));
        set(&mut endpoint.headers, self.headers.as_ref());
        set(
            &mut endpoint.component_secret,
            self.component_secret.as_ref().map(|ComponentSecretEdit(edit)| edit),
        );
        if let Some(status) = self.status.filter(|_| another_status) {
            endpoint = endpoint.with_status(status, drain, now);
        }
        if endpoint != before {
            endpoint.updated_at = now;
        }
        endpoint
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::endpoint::health::{DisabledReason, HealthState};
    use crate::testing::{Same, registered};

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_millis(1_795_514_400_000 + 1000 * seconds)
    }

    fn endpoint() -> Endpoint {
        let json = r#"{"url": "https://a.example", "enabled_events": ["a.*", "b"], "description": "d",
            "metadata": {"k": "v"}, "headers": {"X-A": "b"}, "api_version": "2"}"#;
        registered(json, at(0))
    }

    fn edit(json: &str) -> EndpointEdit {
        let mut fields = Fields::parse(json).unwrap();
        let edit = EndpointEdit::read(&mut fields).unwrap();
        fields.finish().unwrap();
        edit
    }

    #[test]
    fn an_edit_may_name_the_secret_that_there_is_and_no_other() {
        let endpoint = endpoint();
        let asks =
            |secret: &str| edit(&format!(r#"{{"secret": {secret}}}"#)).asks_for_another_secret(&endpoint);
        assert!(!asks(&format!("{:?}", endpoint.secret.reveal())));
        assert!(!asks("null"));
        assert!(asks(&format!("{:?}", Secret::new(&Same::byte(1)).reveal())));
        assert!(asks(r#""whsec_""#) && asks("7"));
    }

    #[test]
    fn null_empties_what_can_be_empty_and_leaves_the_rest() {
        let nulls = r#"{"url": null, "enabled_events": null, "api_version": null, "status": null, "secret": null,
            "description": null, "metadata": null, "headers": null}"#;
        let edited = edit(nulls).apply(endpoint(), None, at(1));
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
            health: Health { warned: true, ..Health::new(HealthState::Failing, at(-9)) },
            ..endpoint()
        };
        let reasons = [None, Some(DisabledReason::Gone), Some(DisabledReason::Failing)];
        for before in reasons.map(disabled).into_iter().chain([endpoint()]) {
            let again = format!(r#"{{"url": "{}", "status": "{}"}}"#, before.url.as_str(), before.status);
            assert_eq!(edit(&again).apply(before.clone(), None, at(1)), before, "{again}");
        }
        let enabled =
            edit(r#"{"status": "enabled"}"#).apply(disabled(Some(DisabledReason::Gone)), None, at(1));
        assert_eq!((enabled.disabled_reason, enabled.updated_at), (None, at(1)));
    }
}
