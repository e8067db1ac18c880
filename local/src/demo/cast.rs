//! The endpoints of the demo, and the events that it publishes: the samples in `events/`.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use http::StatusCode;
use serde_json::Value;

/// An endpoint of the demo.
pub(super) struct Role {
    pub(super) name: &'static str,
    pub(super) enabled_events: &'static [&'static str],
    pub(super) description: &'static str,
    pub(super) enabled: bool,
    /// Which event types it should get. This is written by hand, not computed by the code that the demo checks.
    pub(super) wants: fn(&str) -> bool,
    /// Number of attempts that fail for each event.
    pub(super) failures: usize,
}

/// The endpoints.
pub(super) const CAST: [Role; 5] = [
    Role {
        name: "all",
        enabled_events: &["*"],
        description: "every event",
        enabled: true,
        wants: |_| true,
        failures: 0,
    },
    Role {
        name: "one",
        enabled_events: &["invoice.paid"],
        description: "one type",
        enabled: true,
        wants: |event_type| event_type == "invoice.paid",
        failures: 0,
    },
    Role {
        name: "prefix",
        enabled_events: &["customer.*"],
        description: "a prefix",
        enabled: true,
        wants: |event_type| event_type.starts_with("customer."),
        failures: 0,
    },
    Role {
        name: "disabled",
        enabled_events: &["*"],
        description: "disabled: gets nothing",
        enabled: false,
        wants: |_| false,
        failures: 0,
    },
    Role {
        name: "flaky",
        enabled_events: &["refund.created", "invoice.paid"],
        description: "fails twice, then succeeds",
        enabled: true,
        wants: |event_type| ["refund.created", "invoice.paid"].contains(&event_type),
        failures: 2,
    },
];

/// Returns the receiver's answers: 503 to the first attempts of each event, as many as the role says, then 200.
pub(super) fn answer() -> impl Fn(&str, &str) -> StatusCode + Clone + Send + Sync + 'static {
    let attempts: Arc<Mutex<HashMap<(String, String), usize>>> = Arc::default();
    move |path, event_id| {
        let mut attempts = attempts.lock().unwrap_or_else(PoisonError::into_inner);
        let earlier = attempts.entry((path.to_owned(), event_id.to_owned())).or_default();
        *earlier += 1;
        let role = CAST.iter().find(|role| path == format!("/{}", role.name));
        match role {
            Some(role) if *earlier > role.failures => StatusCode::OK,
            Some(_) => StatusCode::SERVICE_UNAVAILABLE,
            None => StatusCode::NOT_FOUND,
        }
    }
}

/// The body of the sample request that publishes one event.
pub(super) fn single() -> String {
    body(include_str!("../../../events/publish-event.json"))
}

/// The body of the sample request that publishes several events.
pub(super) fn batch() -> String {
    body(include_str!("../../../events/publish-event-batch.json"))
}

/// The bodies of the sample messages on the events queue.
pub(super) fn queued() -> Vec<String> {
    let sample = parsed(include_str!("../../../events/fan-out.json"));
    sample["Records"].as_array().into_iter().flatten().map(text_of_body).collect()
}

fn body(sample: &str) -> String {
    text_of_body(&parsed(sample))
}

fn parsed(sample: &str) -> Value {
    serde_json::from_str(sample).expect("the samples are JSON, as their tests assert")
}

fn text_of_body(sample: &Value) -> String {
    sample["body"].as_str().expect("the samples have bodies, as their tests assert").to_owned()
}
