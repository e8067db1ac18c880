//! The endpoints of the demo, and how its receiver answers for each.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use http::StatusCode;

/// An endpoint of the demo.
pub(super) struct DemoEndpoint {
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
pub(super) const ENDPOINTS: [DemoEndpoint; 5] = [
    DemoEndpoint {
        name: "all",
        enabled_events: &["*"],
        description: "every event",
        enabled: true,
        wants: |_| true,
        failures: 0,
    },
    DemoEndpoint {
        name: "one",
        enabled_events: &["invoice.paid"],
        description: "one type",
        enabled: true,
        wants: |event_type| event_type == "invoice.paid",
        failures: 0,
    },
    DemoEndpoint {
        name: "prefix",
        enabled_events: &["customer.*"],
        description: "a prefix",
        enabled: true,
        wants: |event_type| event_type.starts_with("customer."),
        failures: 0,
    },
    DemoEndpoint {
        name: "disabled",
        enabled_events: &["*"],
        description: "disabled: gets nothing",
        enabled: false,
        wants: |_| false,
        failures: 0,
    },
    DemoEndpoint {
        name: "flaky",
        enabled_events: &["refund.created", "invoice.paid"],
        description: "fails twice, then succeeds",
        enabled: true,
        wants: |event_type| ["refund.created", "invoice.paid"].contains(&event_type),
        failures: 2,
    },
];

/// Returns the receiver's answers: 503 to the first attempts of each event, as many as the endpoint's `failures`, then
/// 200.
pub(super) fn answer() -> impl Fn(&str, &str) -> StatusCode + Clone + Send + Sync + 'static {
    let attempts: Arc<Mutex<HashMap<(String, String), usize>>> = Arc::default();
    move |path, event_id| {
        let mut attempts = attempts.lock().unwrap_or_else(PoisonError::into_inner);
        let earlier = attempts.entry((path.to_owned(), event_id.to_owned())).or_default();
        *earlier += 1;
        let endpoint = ENDPOINTS.iter().find(|endpoint| path == format!("/{}", endpoint.name));
        match endpoint {
            Some(endpoint) if *earlier > endpoint.failures => StatusCode::OK,
            Some(_) => StatusCode::SERVICE_UNAVAILABLE,
            None => StatusCode::NOT_FOUND,
        }
    }
}
