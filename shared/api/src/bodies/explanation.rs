//! Why an endpoint got an event, or did not.

use posthorn_domain::{
    Delivery, DeliveryStatus, Endpoint, EndpointId, EventType, Explanation, Reason, Timestamp, WebhookUrl,
};
use serde::Serialize;

/// Why an endpoint got an event, or did not.
#[derive(Debug, Clone, Serialize)]
pub struct ExplanationBody {
    webhook_endpoint_id: EndpointId,
    url: Option<WebhookUrl>,
    status: Option<DeliveryStatus>,
    reason: &'static str,
    detail: String,
    since: Option<Timestamp>,
    pattern: Option<EventType>,
}

impl ExplanationBody {
    /// Returns the explanation of a delivery. `endpoint` is its endpoint, unless that was deleted.
    pub fn of_delivery(delivery: &Delivery, endpoint: Option<&Endpoint>) -> Self {
        let Explanation { reason, since } = Explanation::of_delivery(delivery, endpoint);
        Self {
            webhook_endpoint_id: delivery.endpoint_id,
            url: endpoint.map(|endpoint| endpoint.url.clone()),
            status: Some(delivery.status),
            reason: reason.into(),
            detail: of_delivery(reason, delivery),
            since,
            pattern: None,
        }
    }

    /// Returns the explanation why an event of this type, accepted at this time, has no delivery to an endpoint. `only` is
    /// the endpoint that the event is for, if it is for one only.
    pub fn without_delivery(
        endpoint: &Endpoint,
        event_type: &EventType,
        accepted_at: Timestamp,
        only: Option<EndpointId>,
    ) -> Self {
        let explanation = Explanation::without_delivery(endpoint, event_type, accepted_at, only);
        let Explanation { reason, since } = explanation;
        Self {
            webhook_endpoint_id: endpoint.id,
            url: Some(endpoint.url.clone()),
            status: None,
            reason: reason.into(),
            detail: without_delivery(explanation, event_type, accepted_at),
            since,
            pattern: (reason == Reason::NotSubscribed).then(|| event_type.clone()),
        }
    }
}

fn of_delivery(reason: Reason, delivery: &Delivery) -> String {
    let count = |number: usize| match number {
        1 => "1 attempt".to_owned(),
        number => format!("{number} attempts"),
    };
    let made = count(delivery.attempts.len());
    let failed = count(delivery.attempts.iter().filter(|attempt| attempt.failed()).count());
    let next =
        delivery.next_attempt_at.map(|at| format!(" The next attempt is due at {at}.")).unwrap_or_default();
    match reason {
        Reason::Delivered => format!("The endpoint acknowledged the event after {made}."),
        Reason::Pending if delivery.attempts.is_empty() => format!("No attempt has been made yet.{next}"),
        Reason::Pending => format!("{failed} failed.{next}"),
        Reason::Failed => format!("All attempts failed: {failed}. Nothing more is sent unless you resend it."),
        Reason::Held => "The event is held because the endpoint is or was down. It is sent in its turn when the endpoint works again."
                .to_owned(),
        Reason::Paused => "The endpoint is paused. The event is held, and sent when the endpoint is resumed.".to_owned(),
        _ => "The delivery was canceled: the endpoint was disabled or deleted, or no longer wanted the event's type. \
              Resend the event if it should get it."
            .to_owned(),
    }
}

fn without_delivery(explanation: Explanation, event_type: &EventType, accepted_at: Timestamp) -> String {
    let since = explanation.since.map(|since| since.to_string()).unwrap_or_default();
    match explanation.reason {
        Reason::SentToOne => "The event was sent to one endpoint only, as test events are.".to_owned(),
        Reason::CreatedAfter => {
            format!("The event was accepted at {accepted_at}, before the endpoint was registered at {since}.")
        }
        Reason::Disabled => format!("The endpoint was disabled at {since}, before the event was accepted."),
        Reason::NotSubscribed => format!(
            "When the event was accepted, the endpoint did not subscribe to its type. Add {event_type} to its \
             `enabled_events` to get the next one, or recover the endpoint with the scope `missing`."
        ),
        _ if explanation.since.is_some() => {
            format!("What the endpoint subscribed to before {since} is no longer known.")
        }
        _ => "The endpoint subscribed to the event's type and was enabled. If it was changed at about the same time, the \
              change may have come first or last. Otherwise the event is still on its way."
            .to_owned(),
    }
}
