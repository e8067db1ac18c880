//! Retries.

use std::time::Duration;

use anyhow::ensure;
use http::StatusCode;
use serde_json::json;

use super::Checked;
use crate::aws::lab::{Lab, new_object};

/// The first wait of the retry schedule minus a fifth.
const EARLIEST: Duration = Duration::from_secs(4);
/// The first wait plus a fifth, and the time that queue, function and network take.
const LATEST: Duration = Duration::from_secs(6 + 4);

pub(crate) async fn after_a_503(lab: &Lab) -> Checked {
    let (endpoint, object) = (lab.endpoint("retry").await?, new_object());
    lab.answer(&endpoint, StatusCode::SERVICE_UNAVAILABLE);
    let event_id = lab.publish(&endpoint, &object).await?;
    lab.arrivals(&endpoint, &object, &event_id, 1).await?;
    lab.answer(&endpoint, StatusCode::OK);
    let arrivals = lab.arrivals(&endpoint, &object, &event_id, 2).await?;
    ensure!(arrivals[0].body == arrivals[1].body, "both attempts should have the same body");
    let waited = arrivals[1].at - arrivals[0].at;
    let (from, to) = (EARLIEST.as_secs(), LATEST.as_secs());
    ensure!(
        (EARLIEST..=LATEST).contains(&waited),
        "the retry should arrive after {from} to {to} s, but arrived after {waited:?}"
    );
    let delivery = lab.delivery(&event_id, "succeeded").await?;
    let attempts = delivery["attempts"].as_array().map_or(0, Vec::len);
    ensure!(attempts == 2, "the record should have 2 attempts: {delivery}");
    Ok(Some(format!("{:.1} s", waited.as_secs_f64())))
}

pub(crate) async fn by_hand(lab: &Lab) -> Checked {
    let (endpoint, object) = (lab.endpoint("by-hand").await?, new_object());
    let event_id = lab.publish(&endpoint, &object).await?;
    lab.arrivals(&endpoint, &object, &event_id, 1).await?;
    lab.delivery(&event_id, "succeeded").await?;
    let delivery = json!({ "event_id": event_id, "webhook_endpoint_id": endpoint.id });
    lab.api.post("/api/webhook-attempts/retry", &delivery, 202).await?;
    lab.arrivals(&endpoint, &object, &event_id, 2).await?;
    Ok(None)
}
