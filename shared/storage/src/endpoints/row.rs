//! An endpoint as a row: `pk = {tenant}`, `sk = endpoint#{id}`.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::AttributeValue;
use posthorn_domain::{
    ComponentSecret, CustomHeaders, EnabledEvents, Endpoint, EndpointId, EndpointOutline, EndpointStatus,
    EventId, FailedOn, Failure, FormerState, FormerStates, Health, Hold, HoldPhase, Invalid, KeptMetadata,
    Probes, RecoveryId, RetiredSecret, SubscriptionHistory, Tenant, Timestamp,
};
use serde::{Deserialize, Serialize};

use crate::codec::read_json;
use crate::error::StorageError;

/// Prefix of the sort key of every endpoint.
pub(super) const PREFIX: &str = "endpoint#";

pub(super) fn sort_key(id: EndpointId) -> String {
    format!("{PREFIX}{id}")
}

/// The attributes of the row. Times are milliseconds since the Unix epoch.
#[derive(Serialize, Deserialize)]
pub(super) struct EndpointRow {
    pk: String,
    sk: String,
    /// The endpoint's revision.
    version: u64,
    api_version: String,
    url: String,
    description: String,
    enabled_events: Vec<String>,
    /// JSON, so that the client's key order and number digits are kept.
    metadata: String,
    status: String,
    created_at: i64,
    created_via: String,
    updated_at: i64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    disabled_reason: Option<String>,
    health: String,
    health_since: i64,
    health_warned: bool,
    /// Missing in rows of 0.1.0, as is `failed_last`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    failed_days: Option<u32>,
    /// In days since the Unix epoch.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    failed_last: Option<i64>,
    /// JSON, so that their order is kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    headers: Option<String>,
    secret: String,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    retired_secrets: Vec<RetiredSecretItem>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    component_secret: Option<String>,
    /// The history's `since` and, below, its `former_patterns`.
    reach_since: i64,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    reach_former: Vec<String>,
    /// Since when the endpoint's former states are known, and below it, these, oldest first. Missing in rows of 0.1.0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    known_since: Option<i64>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    former_states: Vec<FormerStateItem>,
    /// Since when deliveries are held. The status of a paused endpoint is `enabled` here: 0.1.0 knows no other, and would
    /// pass over an endpoint whose status it cannot read, instead of sending to it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    held_since: Option<i64>,
    /// The recovery that sends what is held; missing while nobody sends it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    drain: Option<RecoveryId>,
    /// The probes, while the endpoint is held because it is down.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    probes: Option<ProbesItem>,
}

/// The attributes of a hold. A row without any has no hold.
#[derive(Default)]
pub(super) struct HoldAttributes {
    held_since: Option<i64>,
    drain: Option<RecoveryId>,
    probes: Option<ProbesItem>,
}

impl HoldAttributes {
    pub(super) fn of(hold: Option<Hold>) -> Self {
        hold.map_or_else(Self::default, |hold| Self {
            held_since: Some(hold.since.as_millis()),
            drain: hold.drain(),
            probes: hold.probes().map(ProbesItem::of),
        })
    }

    fn read(&self) -> Result<Option<Hold>, Invalid> {
        let Some(since) = self.held_since else { return Ok(None) };
        let phase = match (self.drain, &self.probes) {
            (Some(recovery), _) => HoldPhase::Draining(recovery),
            (None, Some(probes)) => HoldPhase::Held(probes.read()?),
            (None, None) => HoldPhase::Paused,
        };
        Ok(Some(Hold { since: Timestamp::from_millis(since), phase }))
    }

    /// Returns the update that gives a row these attributes and no others, and adds `:one` to its version. Its values
    /// come with their names.
    pub(super) fn update(self) -> (String, Vec<(&'static str, AttributeValue)>) {
        let since = self.held_since.map(|since| AttributeValue::N(since.to_string()));
        let drain = self.drain.map(|drain| AttributeValue::S(drain.to_string()));
        let probes = self.probes.map(|probes| probes.attribute());
        let (mut set, mut remove, mut values) = (Vec::new(), Vec::new(), Vec::new());
        for (name, placeholder, value) in
            [("held_since", ":since", since), ("drain", ":drain", drain), ("probes", ":probes", probes)]
        {
            match value {
                Some(value) => {
                    set.push(format!("{name} = {placeholder}"));
                    values.push((placeholder, value));
                }
                None => remove.push(name),
            }
        }
        let clause =
            |verb: &str, parts: String| if parts.is_empty() { parts } else { format!("{verb} {parts} ") };
        let (set, remove) = (clause("SET", set.join(", ")), clause("REMOVE", remove.join(", ")));
        (format!("{set}{remove}ADD version :one"), values)
    }
}

/// The probes of an endpoint that is down.
#[derive(Serialize, Deserialize)]
pub(super) struct ProbesItem {
    made: u32,
    due: i64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    tried: Option<EventId>,
    /// The answer's status code in the last failure, and below it, what else went wrong.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    code: Option<u16>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

impl ProbesItem {
    pub(super) fn of(probes: Probes) -> Self {
        let Probes { made, due, tried, failure: Failure { code, error } } = probes;
        Self { made, due: due.as_millis(), tried, code, error: error.map(|error| error.as_str().to_owned()) }
    }

    pub(super) fn attribute(&self) -> AttributeValue {
        serde_dynamo::to_attribute_value(self).expect("numbers and texts are attributes")
    }

    fn read(&self) -> Result<Probes, Invalid> {
        let error = self.error.as_deref().map(str::parse).transpose()?;
        let failure = Failure { code: self.code, error };
        Ok(Probes { made: self.made, due: Timestamp::from_millis(self.due), tried: self.tried, failure })
    }
}

/// The attributes of the row that lists sort and filter by.
#[derive(Deserialize)]
pub(super) struct OutlineRow {
    sk: String,
    updated_at: i64,
    url: String,
    status: String,
    #[serde(default)]
    held_since: Option<i64>,
    #[serde(default)]
    drain: Option<RecoveryId>,
    #[serde(default)]
    probes: Option<ProbesItem>,
}

/// Returns the status of an endpoint, which its row has in several attributes.
fn status(row: &str, hold: Option<Hold>) -> Result<EndpointStatus, Invalid> {
    let status = row.parse()?;
    let is_paused =
        status == EndpointStatus::Enabled && hold.is_some_and(|hold| hold.phase == HoldPhase::Paused);
    Ok(if is_paused { EndpointStatus::Paused } else { status })
}

impl OutlineRow {
    pub(super) fn read(
        item: HashMap<String, AttributeValue>,
        tenant: &Tenant,
    ) -> Result<EndpointOutline, StorageError> {
        let row: Self = serde_dynamo::from_item(item)
            .map_err(|error| StorageError::corrupt(&format!("{tenant}/{PREFIX}…"), error))?;
        let hold = HoldAttributes { held_since: row.held_since, drain: row.drain, probes: row.probes };
        let outline = || {
            Ok(EndpointOutline {
                id: row.sk.strip_prefix(PREFIX).unwrap_or_default().parse()?,
                updated_at: Timestamp::from_millis(row.updated_at),
                status: status(&row.status, hold.read()?)?,
                url: row.url.clone(),
            })
        };
        outline().map_err(|reason: Invalid| StorageError::corrupt(&row.sk, reason))
    }
}

/// An entry of `retired_secrets`.
#[derive(Serialize, Deserialize)]
struct RetiredSecretItem {
    secret: String,
    until: i64,
}

/// An entry of `former_states`.
#[derive(Serialize, Deserialize)]
pub(super) struct FormerStateItem {
    until: i64,
    status: String,
    enabled_events: Vec<String>,
}

impl FormerStateItem {
    pub(super) fn all(states: &FormerStates) -> Vec<Self> {
        let item = |state: &FormerState| Self {
            until: state.until.as_millis(),
            status: state.status.to_string(),
            enabled_events: state.enabled_events.iter().map(ToString::to_string).collect(),
        };
        states.iter().map(item).collect()
    }

    fn read(&self) -> Result<FormerState, Invalid> {
        Ok(FormerState {
            until: Timestamp::from_millis(self.until),
            status: self.status.parse()?,
            enabled_events: EnabledEvents::parse(self.enabled_events.iter().map(String::as_str))?,
        })
    }
}

impl EndpointRow {
    pub(super) fn item(
        tenant: &Tenant,
        endpoint: &Endpoint,
    ) -> Result<HashMap<String, AttributeValue>, StorageError> {
        let headers = (!endpoint.headers.is_empty()).then(|| serde_json::to_string(&endpoint.headers));
        let headers =
            headers.transpose().map_err(|error| StorageError::corrupt(&sort_key(endpoint.id), error))?;
        let HoldAttributes { held_since, drain, probes } = HoldAttributes::of(endpoint.hold);
        let row = Self {
            pk: tenant.to_string(),
            sk: sort_key(endpoint.id),
            version: endpoint.revision,
            api_version: endpoint.api_version.to_string(),
            url: endpoint.url.to_string(),
            description: endpoint.description.as_str().to_owned(),
            enabled_events: endpoint.enabled_events.iter().map(ToString::to_string).collect(),
            metadata: endpoint.metadata.as_json().to_owned(),
            status: match endpoint.status {
                EndpointStatus::Enabled | EndpointStatus::Paused => EndpointStatus::Enabled.to_string(),
                EndpointStatus::Disabled => EndpointStatus::Disabled.to_string(),
            },
            created_at: endpoint.created_at.as_millis(),
            created_via: endpoint.created_via.as_str().to_owned(),
            updated_at: endpoint.updated_at.as_millis(),
            disabled_reason: endpoint.disabled_reason.map(|reason| reason.as_str().to_owned()),
            health: endpoint.health.state.as_str().to_owned(),
            health_since: endpoint.health.since.as_millis(),
            health_warned: endpoint.health.warned,
            failed_days: Some(endpoint.health.failed_on.days),
            failed_last: Some(endpoint.health.failed_on.last),
            headers,
            secret: endpoint.secret.reveal(),
            retired_secrets: endpoint.retired_secrets.iter().map(RetiredSecretItem::of).collect(),
            component_secret: endpoint.component_secret.as_ref().map(ComponentSecret::reveal),
            reach_since: endpoint.history.since.as_millis(),
            reach_former: endpoint.history.former_patterns.iter().map(ToString::to_string).collect(),
            known_since: Some(endpoint.former_states.known_since().as_millis()),
            former_states: FormerStateItem::all(&endpoint.former_states),
            held_since,
            drain,
            probes,
        };
        serde_dynamo::to_item(&row).map_err(|error| StorageError::corrupt(&row.sk, error))
    }

    pub(super) fn read(
        item: HashMap<String, AttributeValue>,
        tenant: &Tenant,
    ) -> Result<Endpoint, StorageError> {
        let key = |sk: &str| format!("{tenant}/{sk}");
        let sk = item.get("sk").and_then(|sk| sk.as_s().ok()).map_or_else(String::new, Clone::clone);
        let row: Self =
            serde_dynamo::from_item(item).map_err(|error| StorageError::corrupt(&key(&sk), error))?;
        row.endpoint(tenant).map_err(|reason| StorageError::corrupt(&key(&sk), reason))
    }

    fn endpoint(mut self, tenant: &Tenant) -> Result<Endpoint, Invalid> {
        let (held_since, drain, probes) = (self.held_since, self.drain, self.probes.take());
        let hold = HoldAttributes { held_since, drain, probes }.read()?;
        Ok(Endpoint {
            id: self.sk.strip_prefix(PREFIX).unwrap_or_default().parse()?,
            mode: tenant.mode,
            api_version: self.api_version.parse()?,
            url: self.url.parse()?,
            description: self.description.parse()?,
            enabled_events: EnabledEvents::parse(self.enabled_events.iter().map(String::as_str))?,
            metadata: read_json::<KeptMetadata>(&self.metadata)?.into(),
            status: status(&self.status, hold)?,
            created_at: Timestamp::from_millis(self.created_at),
            created_via: self.created_via.parse()?,
            updated_at: Timestamp::from_millis(self.updated_at),
            disabled_reason: self.disabled_reason.as_deref().map(str::parse).transpose()?,
            health: self.health()?,
            hold,
            headers: self.headers.as_deref().map(read_json::<CustomHeaders>).transpose()?.unwrap_or_default(),
            secret: self.secret.parse()?,
            retired_secrets: self
                .retired_secrets
                .iter()
                .map(RetiredSecretItem::read)
                .collect::<Result<_, _>>()?,
            component_secret: self.component_secret.as_deref().map(str::parse).transpose()?,
            history: SubscriptionHistory {
                since: Timestamp::from_millis(self.reach_since),
                former_patterns: self
                    .reach_former
                    .iter()
                    .map(|text| text.parse())
                    .collect::<Result<_, _>>()?,
            },
            former_states: self.former_states(),
            revision: self.version,
        })
    }
}

impl EndpointRow {
    /// Returns the former states. A row of an earlier release says nothing of the time before its last update. Nor does one
    /// that cannot be read, by a release that was rolled back to: they decide nothing about deliveries.
    fn former_states(&self) -> FormerStates {
        let states = self.former_states.iter().map(FormerStateItem::read).collect::<Result<_, _>>();
        match (self.known_since, states) {
            (Some(since), Ok(states)) => FormerStates::on_record(Timestamp::from_millis(since), states),
            _ => FormerStates::on_record(Timestamp::from_millis(self.updated_at), Vec::new()),
        }
    }

    fn health(&self) -> Result<Health, Invalid> {
        let health = Health::new(self.health.parse()?, Timestamp::from_millis(self.health_since));
        let failed_on = match (self.failed_days, self.failed_last) {
            (Some(days), Some(last)) => FailedOn::on_record(days, last, health.since),
            _ => health.failed_on,
        };
        Ok(Health { warned: self.health_warned, failed_on, ..health })
    }
}

impl RetiredSecretItem {
    fn of(retired: &RetiredSecret) -> Self {
        Self { secret: retired.secret.reveal(), until: retired.until.as_millis() }
    }

    fn read(&self) -> Result<RetiredSecret, Invalid> {
        Ok(RetiredSecret { secret: self.secret.parse()?, until: Timestamp::from_millis(self.until) })
    }
}
