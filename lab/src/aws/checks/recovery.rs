//! Recovery of what an endpoint missed while it was down.

use anyhow::{Context as _, Result, ensure};
use http::StatusCode;
use posthorn_domain::Clock as _;
use posthorn_runtime::SystemClock;
use serde_json::{Value, json};
use tokio::time::{Duration, sleep, timeout};

use super::Checked;
use crate::aws::api::text;
use crate::aws::lab::{Lab, new_object};

fn attempts(delivery: &Value) -> usize {
    delivery["attempts"].as_array().map_or(0, Vec::len)
}

pub(crate) async fn of_failures(lab: &Lab) -> Checked {
    let (endpoint, object) = (lab.endpoint("recovery").await?, new_object());
    let since = SystemClock.now();
    lab.answer(&endpoint, StatusCode::INTERNAL_SERVER_ERROR);
    let event_id = lab.publish(&endpoint, &object).await?;
    // After two attempts the schedule waits for five minutes, so what arrives now is from the recovery.
    lab.arrivals(&endpoint, &object, &event_id, 2).await?;
    lab.until(&event_id, "two attempts on record", |delivery| attempts(delivery) == 2).await?;
    lab.answer(&endpoint, StatusCode::OK);
    let path = format!("/api/webhook-endpoints/{}/recover", endpoint.id);
    let recovery = lab.api.post(&path, &json!({ "since": since.to_string() }), 202).await?;
    lab.arrivals(&endpoint, &object, &event_id, 3).await?;
    lab.delivery(&event_id, "succeeded").await?;

    let path = format!("{path}/{}", text(&recovery, "id")?);
    let completed = async {
        loop {
            let progress = lab.api.get(&path).await?;
            if progress["status"] == "completed" {
                return Ok(progress);
            }
            sleep(Duration::from_millis(300)).await;
        }
    };
    let progress: Result<Value> =
        timeout(lab.patience, completed).await.context("the recovery did not complete in time")?;
    let progress = progress?;
    ensure!(progress["deliveries_recovered"] == 1, "one delivery should be recovered: {progress}");
    Ok(None)
}
