//! Notices: events about endpoints, which Posthorn publishes to their own accounts.

use std::time::Duration;

use posthorn_api::bodies::EndpointBody;
use posthorn_domain::{
    Endpoint, EventDraft, EventId, EventMessage, EventShards, Fields, InvalidField, Tenant, Timestamp,
};
use posthorn_storage::{EventOutbox, StorageError};
use serde::Serialize;

/// Notices of the same kind about the same endpoint within the same period of this length are one event.
const SAME: Duration = Duration::from_mins(1);

/// A notice in the form in which a publisher sends an event. It is serialized field by field, so that the endpoint's
/// values go into it unchanged.
#[derive(Serialize)]
struct Notice<'a> {
    r#type: &'a str,
    data: Data,
}

#[derive(Serialize)]
struct Data {
    object: Object,
}

#[derive(Serialize)]
struct Object {
    #[serde(rename = "object")]
    kind: &'static str,
    #[serde(flatten)]
    endpoint: EndpointBody,
    #[serde(skip_serializing_if = "Option::is_none")]
    failing_since: Option<Timestamp>,
}

/// What a notice says about an endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Said {
    /// It has acknowledged nothing for a day.
    Failing,
    /// Posthorn has disabled it.
    Disabled,
    /// It is down, and its deliveries are held.
    Held,
    /// It works again, and gets what was held.
    Released,
    /// Its owner has paused it.
    Paused,
    /// Its owner has resumed it.
    Resumed,
}

impl Said {
    fn may_recur(self) -> bool {
        !matches!(self, Self::Failing | Self::Disabled)
    }

    fn event_type(self) -> &'static str {
        match self {
            Self::Failing => "webhook_endpoint.failing",
            Self::Disabled => "webhook_endpoint.disabled",
            Self::Held => "webhook_endpoint.held",
            Self::Released => "webhook_endpoint.released",
            Self::Paused => "webhook_endpoint.paused",
            Self::Resumed => "webhook_endpoint.resumed",
        }
    }
}

/// Publishes notices.
#[derive(Debug, Clone)]
pub struct Notices(EventOutbox);

impl Notices {
    /// Publishes them to this queue of events.
    pub fn new(events: EventOutbox) -> Self {
        Self(events)
    }

    /// Publishes a notice about an endpoint, as it is after the change. It is published before the change is written: in
    /// the other order, if the function ended in between, it would never be published.
    pub async fn publish(
        &self,
        tenant: &Tenant,
        endpoint: &Endpoint,
        said: Said,
        now: Timestamp,
    ) -> Result<(), StorageError> {
        let notice = notice(tenant, endpoint.clone(), said, now).map_err(|error| StorageError::Corrupt {
            key: endpoint.id.to_string(),
            reason: format!("no notice can be made of it: {error}"),
        })?;
        self.0.send(&[notice]).await.into_iter().collect()
    }
}

/// Returns an event whose object is the endpoint. Its id follows from its content and time, so that several functions
/// that notice the same publish the same event. Hence it is always in the first shard, which has room for notices:
/// while `EventShards` is changed, these functions may know different numbers. Metadata that not every parser can read,
/// accepted by an earlier release, is left out, because other endpoints may get the notice.
fn notice(
    tenant: &Tenant,
    mut endpoint: Endpoint,
    said: Said,
    now: Timestamp,
) -> Result<EventMessage, InvalidField> {
    let (event_type, endpoint_id) = (said.event_type(), endpoint.id);
    // What may happen twice in a minute is told twice.
    let revision = if said.may_recur() { endpoint.revision } else { 0 };
    let failing_since = (said == Said::Failing).then_some(endpoint.health.since);
    endpoint.metadata = endpoint.metadata.plain();
    let object =
        Object { kind: "webhook_endpoint", endpoint: EndpointBody::for_everybody(endpoint), failing_since };
    let notice = Notice { r#type: event_type, data: Data { object } };
    let notice = serde_json::to_string(&notice).expect("JSON can express every notice");
    let draft = EventDraft::read(&mut Fields::parse(&notice)?)?;
    let same = i64::try_from(SAME.as_millis()).expect("a minute is a small number");
    let at = Timestamp::from_millis(now.as_millis() / same * same);
    let content = format!("{event_type}/{endpoint_id}/{revision}");
    let id = EventId::of_message(at, &content, &draft.event_type, EventShards::ONE);
    Ok(EventMessage { tenant: tenant.clone(), endpoint_id: None, claimed: false, id: Some(id), draft })
}

#[cfg(test)]
mod tests {
    use posthorn_domain::testing::Same;
    use posthorn_domain::{MAX_EVENT_BYTES, Mode, NewEndpoint};

    use super::*;

    #[test]
    fn a_notice_about_the_largest_endpoint_is_not_too_large_for_an_event() {
        let entries = |character: &str, bytes: usize| {
            let entries = (0..50).map(|n| (format!("{n:02}{}", character.repeat(38)), character.repeat(500)));
            let entries = entries.map(|(key, value)| format!("\"{key}\":\"{value}\""));
            let entries: Vec<String> = entries.collect();
            let most = bytes / entries[0].len();
            entries.into_iter().take(most).collect::<Vec<_>>().join(",")
        };
        let patterns: Vec<String> = (0..500).map(|n| format!("\"{n:03}{}.*\"", "x".repeat(125))).collect();
        let patterns = patterns.join(",");
        for character in ["\\u0001", "\\ud83d\\ude00", "\u{ffff}", "é"] {
            let rest = MAX_EVENT_BYTES - patterns.len() - 100;
            let metadata = entries(character, rest);
            let json = format!(
                r#"{{"url":"https://a.example","enabled_events":[{patterns}],"metadata":{{{metadata}}}}}"#
            );
            assert!(json.len() <= MAX_EVENT_BYTES, "a request may be as large");
            let tenant = Tenant { account: "acct_1".parse().unwrap(), mode: Mode::Live };
            let now = Timestamp::from_millis(0);
            let new = NewEndpoint::read(&mut Fields::parse(&json).unwrap()).unwrap();
            let endpoint = new.register(&tenant, now, &Same::byte(7));
            let notice = notice(&tenant, endpoint, Said::Disabled, now);
            let (_, event) = notice.unwrap().into_event("m", now, EventShards::ONE).unwrap();
            let size = event.to_json().len();
            assert!(size <= MAX_EVENT_BYTES, "{character}: {size}");
        }
    }

    #[test]
    fn a_notice_tells_other_endpoints_no_secret_and_no_value_of_a_header() {
        let json =
            r#"{"url": "https://a.example", "enabled_events": ["*"], "headers": {"X-Api-Key": "sesame"}}"#;
        let tenant = Tenant { account: "acct_1".parse().unwrap(), mode: Mode::Live };
        let now = Timestamp::from_millis(0);
        let new = NewEndpoint::read(&mut Fields::parse(json).unwrap()).unwrap();
        let endpoint = new.register(&tenant, now, &Same::byte(7));
        let notice = notice(&tenant, endpoint, Said::Failing, now).unwrap().to_json();
        assert!(notice.contains(r#""header_names":["X-Api-Key"]"#), "{notice}");
        assert!(!notice.contains("sesame") && !notice.contains("whsec_"), "{notice}");
    }
}
