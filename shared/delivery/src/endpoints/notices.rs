//! Notices: events about endpoints, which Posthorn publishes to their own accounts.

use std::time::Duration;

use posthorn_api::bodies::EndpointBody;
use posthorn_domain::{
    DisabledReason, Endpoint, EndpointStatus, EventDraft, EventId, EventMessage, EventShards, Fields,
    InvalidField, Tenant, Timestamp,
};
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

/// `webhook_endpoint.failing`: the endpoint has acknowledged nothing for a day.
pub(crate) fn failing(
    tenant: &Tenant,
    endpoint: &Endpoint,
    now: Timestamp,
) -> Result<EventMessage, InvalidField> {
    let since = endpoint.health.since;
    notice("webhook_endpoint.failing", tenant, endpoint.clone(), Some(since), now)
}

/// `webhook_endpoint.disabled`: Posthorn has disabled the endpoint.
pub(crate) fn disabled(
    tenant: &Tenant,
    endpoint: &Endpoint,
    reason: DisabledReason,
    now: Timestamp,
) -> Result<EventMessage, InvalidField> {
    let (status, disabled_reason) = (EndpointStatus::Disabled, Some(reason));
    let disabled = Endpoint { status, disabled_reason, ..endpoint.clone() };
    notice("webhook_endpoint.disabled", tenant, disabled, None, now)
}

/// Returns an event whose object is the endpoint. Its id follows from its content and time, so that several functions
/// that notice the same publish the same event. Hence it is always in the first shard, which has room for notices:
/// while `EventShards` is changed, these functions may know different numbers. Metadata that not every parser can read,
/// accepted by an earlier release, is left out, because other endpoints may get the notice.
fn notice(
    event_type: &str,
    tenant: &Tenant,
    mut endpoint: Endpoint,
    failing_since: Option<Timestamp>,
    now: Timestamp,
) -> Result<EventMessage, InvalidField> {
    let endpoint_id = endpoint.id;
    endpoint.metadata = endpoint.metadata.plain();
    let object =
        Object { kind: "webhook_endpoint", endpoint: EndpointBody::for_everybody(endpoint), failing_since };
    let notice = Notice { r#type: event_type, data: Data { object } };
    let notice = serde_json::to_string(&notice).expect("JSON can express every notice");
    let draft = EventDraft::read(&mut Fields::parse(&notice)?)?;
    let same = i64::try_from(SAME.as_millis()).expect("a minute is a small number");
    let at = Timestamp::from_millis(now.as_millis() / same * same);
    let said = format!("{event_type}/{endpoint_id}");
    let id = EventId::of_message(at, &said, &draft.event_type, EventShards::ONE);
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
            let notice =
                disabled(&tenant, &new.register(&tenant, now, &Same::byte(7)), DisabledReason::Gone, now);
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
        let notice = failing(&tenant, &new.register(&tenant, now, &Same::byte(7)), now).unwrap().to_json();
        assert!(notice.contains(r#""header_names":["X-Api-Key"]"#), "{notice}");
        assert!(!notice.contains("sesame") && !notice.contains("whsec_"), "{notice}");
    }
}
