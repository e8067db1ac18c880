//! Compares what should arrive with what did.

use std::collections::BTreeMap;
use std::time::Duration;

use comfy_table::{Table, presets::UTF8_FULL_CONDENSED};
use serde_json::Value;

use super::endpoints::{DemoEndpoint, ENDPOINTS};
use crate::receiver::Arrival;

/// Deliveries by the endpoint's name and the id of the object that the event is about.
#[derive(Default)]
pub(super) struct DeliveryCheck {
    secrets: BTreeMap<&'static str, String>,
    deliveries: BTreeMap<(String, String), Delivery>,
}

#[derive(Default)]
struct Delivery {
    expected: bool,
    attempts: usize,
    acknowledged: usize,
    unverified: usize,
}

impl Delivery {
    fn is_as_expected(&self, failures: usize) -> bool {
        let attempts = if self.expected { failures + 1 } else { 0 };
        self.attempts == attempts && self.acknowledged == usize::from(self.expected) && self.unverified == 0
    }
}

impl DeliveryCheck {
    /// Checks the deliveries to endpoints with these secrets, by name.
    pub(super) fn new(secrets: BTreeMap<&'static str, String>) -> Self {
        Self { secrets, ..Self::default() }
    }

    /// Expects this event at every endpoint that wants it.
    pub(super) fn expect(&mut self, event: &Value, via: &str) {
        let (event_type, object_id) = (text(&event["type"]), text(&event["data"]["object"]["id"]));
        println!("  {event_type:<29} {object_id:<11} by {via}");
        for endpoint in ENDPOINTS.iter().filter(|endpoint| (endpoint.wants)(&event_type)) {
            self.deliveries.entry((endpoint.name.to_owned(), object_id.clone())).or_default().expected = true;
        }
    }

    /// Records an arrival. Returns a line about it.
    pub(super) fn record(&mut self, arrival: &Arrival, after: Duration) -> String {
        let name = arrival.path.trim_start_matches('/').to_owned();
        let event: Value = serde_json::from_slice(&arrival.body).unwrap_or_default();
        let (event_type, object_id) = (text(&event["type"]), text(&event["object_id"]));
        let verified = self.secrets.get(name.as_str()).is_some_and(|secret| arrival.verify(secret).is_ok());
        let delivery = self.deliveries.entry((name.clone(), object_id.clone())).or_default();
        delivery.attempts += 1;
        delivery.acknowledged += usize::from(arrival.answered.is_success());
        delivery.unverified += usize::from(!verified);
        format!(
            "{:>5} ms  {name:<9} {event_type:<29} {object_id:<11} attempt {}  {}  answered {}",
            after.as_millis(),
            delivery.attempts,
            if verified { "signature verified" } else { "SIGNATURE WRONG" },
            arrival.answered.as_u16(),
        )
    }

    /// Whether everything expected was acknowledged.
    pub(super) fn is_complete(&self) -> bool {
        self.deliveries.values().all(|delivery| !delivery.expected || delivery.acknowledged > 0)
    }

    /// Whether exactly what was expected arrived, always with a valid signature.
    pub(super) fn is_as_expected(&self) -> bool {
        let known = |name: &str| ENDPOINTS.iter().any(|endpoint| endpoint.name == name);
        self.deliveries.keys().all(|(name, _)| known(name))
            && ENDPOINTS.iter().all(|endpoint| self.endpoint_is_as_expected(endpoint))
    }

    fn endpoint_is_as_expected(&self, endpoint: &DemoEndpoint) -> bool {
        self.of(endpoint).all(|delivery| delivery.is_as_expected(endpoint.failures))
    }

    fn of(&self, endpoint: &DemoEndpoint) -> impl Iterator<Item = &Delivery> {
        self.deliveries.iter().filter(|((name, _), _)| name == endpoint.name).map(|(_, delivery)| delivery)
    }

    /// A table with a line for each endpoint.
    pub(super) fn summary(&self) -> Table {
        let mut table = Table::new();
        table.load_style(UTF8_FULL_CONDENSED);
        table.set_header([
            "Endpoint",
            "Events",
            "Expected",
            "Delivered",
            "Attempts",
            "Verified",
            "As expected",
        ]);
        for endpoint in &ENDPOINTS {
            let sum = |count: fn(&Delivery) -> usize| self.of(endpoint).map(count).sum::<usize>().to_string();
            table.add_row([
                endpoint.name.to_owned(),
                endpoint.enabled_events.join(", "),
                sum(|delivery| usize::from(delivery.expected)),
                sum(|delivery| delivery.acknowledged),
                sum(|delivery| delivery.attempts),
                sum(|delivery| delivery.attempts - delivery.unverified),
                if self.endpoint_is_as_expected(endpoint) { "yes" } else { "NO" }.to_owned(),
            ]);
        }
        table
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}
