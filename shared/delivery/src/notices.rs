//! Events about endpoints themselves, which Posthorn publishes to their own accounts.

use std::time::Duration;

use posthorn_domain::{
    DisabledReason, Endpoint, EventDraft, EventId, EventMessage, Fields, InvalidField, ListedEndpoint,
    Partition, Tenant, Timestamp,
};
use serde_json::json;

/// Notices of the same kind about the same endpoint within this time are the same event.
const SAME: Duration = Duration::from_mins(1);

/// `webhook_endpoint.failing`: it has acknowledged nothing for a day.
pub(crate) fn failing(
    tenant: &Tenant,
    endpoint: &Endpoint,
    now: Timestamp,
) -> Result<EventMessage, InvalidField> {
    let failing_since = endpoint.health.since.to_string();
    notice("webhook_endpoint.failing", tenant, endpoint, &json!({ "failing_since": failing_since }), now)
}

/// `webhook_endpoint.disabled`: Posthorn has disabled it.
pub(crate) fn disabled(
    tenant: &Tenant,
    endpoint: &Endpoint,
    reason: DisabledReason,
    now: Timestamp,
) -> Result<EventMessage, InvalidField> {
    let change = json!({ "status": "disabled", "disabled_reason": reason });
    notice("webhook_endpoint.disabled", tenant, endpoint, &change, now)
}

/// An event about an endpoint, whose object is the endpoint with `change` made. Its id follows from what it says and
/// when, so that several functions that find out the same publish the same event.
fn notice(
    event_type: &str,
    tenant: &Tenant,
    endpoint: &Endpoint,
    change: &serde_json::Value,
    now: Timestamp,
) -> Result<EventMessage, InvalidField> {
    let mut object = json!(ListedEndpoint::from(endpoint.clone()));
    object["object"] = json!("webhook_endpoint");
    for (field, value) in change.as_object().into_iter().flatten() {
        object[field] = value.clone();
    }
    let draft = json!({ "type": event_type, "data": { "object": object } }).to_string();
    let draft = EventDraft::read(&mut Fields::parse(&draft)?)?;
    let same = i64::try_from(SAME.as_millis()).expect("a minute is a small number");
    let at = Timestamp::from_millis(now.as_millis() / same * same);
    let id =
        EventId::of_message(at, &format!("{event_type}/{}", endpoint.id), Partition::of(&draft.event_type));
    Ok(EventMessage { tenant: tenant.clone(), endpoint_id: None, id: Some(id), created_at: Some(at), draft })
}

#[cfg(test)]
mod tests {
    use posthorn_domain::{Mode, NewEndpoint, Random};

    use super::*;

    /// Always the same byte.
    struct Same;

    impl Random for Same {
        fn fill(&self, buffer: &mut [u8]) {
            buffer.fill(7);
        }
    }

    #[test]
    fn a_notice_tells_other_endpoints_no_secret_and_no_value_of_a_header() {
        let json =
            r#"{"url": "https://a.example", "enabled_events": ["*"], "headers": {"X-Api-Key": "sesame"}}"#;
        let tenant = Tenant { account: "acct_1".parse().unwrap(), mode: Mode::Live };
        let now = Timestamp::from_millis(0);
        let new = NewEndpoint::read(&mut Fields::parse(json).unwrap()).unwrap();
        let notice = failing(&tenant, &new.register(&tenant, now, &Same), now).unwrap().to_json();
        assert!(notice.contains(r#""header_names":["X-Api-Key"]"#), "{notice}");
        assert!(!notice.contains("sesame") && !notice.contains("whsec_"), "{notice}");
    }
}
