//! A webhook endpoint.

use posthorn_domain::{
    ApiVersion, AttemptError, ComponentSecret, CreatedVia, CustomHeaders, Description, DisabledReason,
    EnabledEvents, Endpoint, EndpointId, EndpointStatus, Failure, Health, Hold, Metadata, Mode, Probes,
    RecoveryId, Scope, Timestamp, WebhookUrl,
};
use ring::signature::{Ed25519KeyPair, KeyPair as _};
use serde::Serialize;

use crate::access::Caller;

/// An endpoint, with its headers or only with their names, as their values are often credentials.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct EndpointBody {
    /// The endpoint's id.
    pub id: EndpointId,
    livemode: Mode,
    api_version: ApiVersion,
    url: WebhookUrl,
    description: Description,
    enabled_events: EnabledEvents,
    metadata: Metadata,
    status: EndpointStatus,
    created_at: Timestamp,
    created_via: CreatedVia,
    updated_at: Timestamp,
    disabled_reason: Option<DisabledReason>,
    health: HealthBody,
    hold: Option<HoldBody>,
    component_public_key: Option<String>,
    #[serde(flatten)]
    headers: HeadersBody,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct HealthBody {
    status: &'static str,
    since: Timestamp,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct HoldBody {
    status: &'static str,
    since: Timestamp,
    recovery_id: Option<RecoveryId>,
    probes: Option<ProbesBody>,
}

/// The probes of an endpoint that is down, and why it counts as down.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct ProbesBody {
    made: u32,
    next_at: Timestamp,
    last_response_status: Option<u16>,
    last_error: Option<&'static str>,
}

impl From<Hold> for HoldBody {
    fn from(hold: Hold) -> Self {
        let (status, since, recovery_id) = (hold.state().into(), hold.since, hold.drain());
        Self { status, since, recovery_id, probes: hold.probes().map(ProbesBody::from) }
    }
}

impl From<Probes> for ProbesBody {
    fn from(probes: Probes) -> Self {
        let Failure { code, error } = probes.failure;
        Self {
            made: probes.made,
            next_at: probes.due,
            last_response_status: code,
            last_error: error.map(AttemptError::as_str),
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
enum HeadersBody {
    #[serde(rename = "headers")]
    Whole(CustomHeaders),
    #[serde(rename = "header_names")]
    Names(Vec<String>),
}

impl EndpointBody {
    /// Returns the endpoint as this caller may see it: with the values of its headers only if the caller may read
    /// secrets.
    pub fn for_caller(caller: &Caller, endpoint: Endpoint) -> Self {
        if caller.may(Scope::SecretsRead) {
            let headers = HeadersBody::Whole(endpoint.headers.clone());
            Self::with(headers, endpoint)
        } else {
            Self::for_everybody(endpoint)
        }
    }

    /// Returns the endpoint without the values of its headers, as lists and notices show it.
    pub fn for_everybody(endpoint: Endpoint) -> Self {
        let names = HeadersBody::Names(endpoint.headers.names().map(str::to_owned).collect());
        Self::with(names, endpoint)
    }

    fn with(headers: HeadersBody, endpoint: Endpoint) -> Self {
        let Health { state, since, .. } = endpoint.health;
        Self {
            id: endpoint.id,
            livemode: endpoint.mode,
            api_version: endpoint.api_version,
            url: endpoint.url,
            description: endpoint.description,
            enabled_events: endpoint.enabled_events,
            metadata: endpoint.metadata,
            status: endpoint.status,
            created_at: endpoint.created_at,
            created_via: endpoint.created_via,
            updated_at: endpoint.updated_at,
            disabled_reason: endpoint.disabled_reason,
            health: HealthBody { status: state.as_str(), since },
            hold: endpoint.hold.map(HoldBody::from),
            component_public_key: endpoint.component_secret.as_ref().map(public_key),
            headers,
        }
    }
}

/// Returns the public key of a component's secret key. The secret key itself is never shown.
fn public_key(secret: &ComponentSecret) -> String {
    let pair = Ed25519KeyPair::from_seed_unchecked(secret.seed()).expect("every seed of 32 bytes is one");
    format!("0x{}", hex::encode(pair.public_key().as_ref()))
}

/// A new endpoint, and its signing secret.
#[derive(Debug, Serialize)]
pub struct CreatedEndpointBody {
    /// The endpoint.
    #[serde(flatten)]
    pub endpoint: EndpointBody,
    /// Its signing secret.
    pub secret: String,
}

/// The answer to a registration that was only checked.
#[derive(Debug, Serialize)]
pub struct EndpointDryRunBody {
    dry_run: bool,
}

impl EndpointDryRunBody {
    /// Returns the answer: the endpoint could be registered.
    pub fn passed() -> Self {
        Self { dry_run: true }
    }
}

/// An endpoint and its last attempts.
#[derive(Debug, Serialize)]
pub struct EndpointWithAttemptsBody<A> {
    #[serde(flatten)]
    endpoint: EndpointBody,
    object: &'static str,
    attempts: Vec<A>,
}

impl<A> EndpointWithAttemptsBody<A> {
    /// Returns the endpoint with these attempts; none if the caller may not read events.
    pub fn new(endpoint: EndpointBody, attempts: Vec<A>) -> Self {
        Self { endpoint, object: "webhook_endpoint", attempts }
    }
}

#[cfg(test)]
mod tests {
    use posthorn_domain::testing::Same;
    use posthorn_domain::{EndpointEdit, Fields, NewEndpoint, Tenant};

    use super::*;

    #[test]
    fn an_endpoint_sent_back_as_it_was_read_is_unchanged() {
        let json = r#"{"url": "https://a.example", "enabled_events": ["a.*", "b"], "description": "d",
            "metadata": {"k": "v"}, "headers": {"X-A": "b"}, "api_version": "2"}"#;
        let tenant = Tenant { account: "acct_1".parse().unwrap(), mode: Mode::Live };
        let (registered, edited) = (Timestamp::from_millis(0), Timestamp::from_millis(1));
        let new = NewEndpoint::read(&mut Fields::parse(json).unwrap()).unwrap();
        let enabled = new.register(&tenant, registered, &Same::byte(0));
        let disabled = |reason| Endpoint {
            status: EndpointStatus::Disabled,
            disabled_reason: reason,
            ..enabled.clone()
        };
        let reasons = [None, Some(DisabledReason::Gone), Some(DisabledReason::Failing)];
        let paused = enabled.clone().with_status(EndpointStatus::Paused, None, registered);
        for before in reasons.map(disabled).into_iter().chain([enabled.clone(), paused]) {
            for scopes in [&[][..], &[Scope::SecretsRead]] {
                let caller = Caller::new(tenant.clone(), scopes);
                let read = serde_json::to_string(&EndpointBody::for_caller(&caller, before.clone())).unwrap();
                let read = read.replace(r#""livemode":true,"#, "");
                let mut fields = Fields::parse(&read).unwrap();
                let edit = EndpointEdit::read(&mut fields).unwrap();
                fields.finish().unwrap();
                assert_eq!(edit.apply(before.clone(), None, edited), before, "{read}");
            }
        }
    }
}
