//! Registering an endpoint.

use crate::account::{ComponentSecret, Tenant};
use crate::endpoint::enabled_events::EnabledEvents;
use crate::endpoint::former::FormerStates;
use crate::endpoint::headers::CustomHeaders;
use crate::endpoint::health::Health;
use crate::endpoint::secret::Secret;
use crate::endpoint::subscription_history::SubscriptionHistory;
use crate::endpoint::url::WebhookUrl;
use crate::endpoint::{CreatedVia, Endpoint, EndpointStatus, READ_ONLY};
use crate::id::EndpointId;
use crate::json::{Fields, Flag, InvalidField};
use crate::metadata::Metadata;
use crate::random::Random;
use crate::text::{ApiVersion, Description};
use crate::time::Timestamp;

/// A request to register an endpoint.
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
    component_secret: Option<ComponentSecret>,
    dry_run: bool,
}

impl NewEndpoint {
    /// Reads a request's fields: `url` and `enabled_events` are required.
    pub fn read(fields: &mut Fields<'_>) -> Result<Self, InvalidField> {
        fields.ignore(READ_ONLY);
        let Flag(dry_run) = fields.optional("dry_run")?.unwrap_or_default();
        Ok(Self {
            url: fields.required("url")?,
            enabled_events: fields.required("enabled_events")?,
            api_version: fields.optional("api_version")?,
            description: fields.optional("description")?.unwrap_or_default(),
            metadata: fields.optional("metadata")?.unwrap_or_default(),
            status: fields.optional("status")?.unwrap_or_default(),
            headers: fields.optional("headers")?.unwrap_or_default(),
            secret: fields.optional("secret")?,
            component_secret: fields.optional("component_secret_key")?,
            dry_run,
        })
    }

    /// Returns whether the endpoint is only checked, and not registered.
    pub fn is_dry_run(&self) -> bool {
        self.dry_run
    }

    /// Returns the endpoint, registered `now` through the API, with a new id, and a new secret unless one was given.
    pub fn register(self, tenant: &Tenant, now: Timestamp, random: &dyn Random) -> Endpoint {
        Endpoint {
            id: EndpointId::new(now, random),
            mode: tenant.mode,
            api_version: self.api_version.unwrap_or_default(),
            url: self.url,
            description: self.description,
            enabled_events: self.enabled_events,
            metadata: self.metadata,
            status: EndpointStatus::default(),
            created_at: now,
            created_via: CreatedVia::Api,
            updated_at: now,
            disabled_reason: None,
            health: Health::unproven(now),
            hold: None,
            headers: self.headers,
            secret: self.secret.unwrap_or_else(|| Secret::new(random)),
            retired_secrets: Vec::new(),
            component_secret: self.component_secret,
            history: SubscriptionHistory::new(now),
            former_states: FormerStates::new(now),
            revision: 0,
        }
        .with_status(self.status, None, now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::account::Mode;
    use crate::testing::Same;

    fn new(json: &str) -> Result<NewEndpoint, InvalidField> {
        let mut fields = Fields::parse(json)?;
        let new = NewEndpoint::read(&mut fields)?;
        fields.finish()?;
        Ok(new)
    }

    #[test]
    fn a_secret_that_is_brought_along_is_taken_or_refused() {
        let with = |secret: &str| {
            new(&format!(r#"{{"url": "https://a.example", "enabled_events": ["*"], "secret": {secret}}}"#))
        };
        let text = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
        let tenant = Tenant { account: "acct_1".parse().unwrap(), mode: Mode::Live };
        let registered =
            with(&format!("{text:?}")).unwrap().register(&tenant, Timestamp::from_millis(0), &Same::byte(0));
        assert_eq!(registered.secret.reveal(), text);
        let fresh = with("null").unwrap().register(&tenant, Timestamp::from_millis(0), &Same::byte(0));
        assert_eq!(fresh.secret, Secret::new(&Same::byte(0)));
        for wrong in [r#""""#, r#""whsec_c2hvcnQ=""#, "7"] {
            let error = with(wrong).unwrap_err().to_string();
            assert!(error.starts_with("`secret` must be "), "{error}");
        }
    }
}
