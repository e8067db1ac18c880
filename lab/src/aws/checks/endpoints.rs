//! Endpoints and their secrets.

use anyhow::{Context as _, ensure};
use http::Method;
use serde_json::json;

use super::Checked;
use crate::aws::api::text;
use crate::aws::lab::{Lab, new_object};

pub(crate) async fn life(lab: &Lab) -> Checked {
    let endpoint = lab.endpoint("life").await?;
    let path = format!("/api/webhook-endpoints/{}", endpoint.id);

    let listed = lab.api.get("/api/webhook-endpoints?pageSize=100").await?;
    let of_list = |listed: &serde_json::Value| {
        let list = listed["list"].as_array().cloned().unwrap_or_default();
        list.iter().any(|listed| listed["id"] == endpoint.id.as_str())
    };
    ensure!(of_list(&listed), "the list should contain {}: {listed}", endpoint.id);

    let changed = lab.api.put(&path, &json!({ "description": "changed", "status": "disabled" })).await?;
    ensure!(changed["description"] == "changed", "the description should be changed: {changed}");
    let read = lab.api.get(&path).await?;
    let as_changed = read["description"] == "changed" && read["status"] == "disabled";
    ensure!(as_changed, "reading the endpoint should return the change: {read}");

    lab.api.delete(&path).await?;
    lab.api.request(Method::GET, &path, None).await?.problem(404)?;
    let listed = lab.api.get("/api/webhook-endpoints?pageSize=100").await?;
    ensure!(!of_list(&listed), "the list should not contain the deleted {}: {listed}", endpoint.id);
    Ok(None)
}

pub(crate) async fn rotation(lab: &Lab) -> Checked {
    let endpoint = lab.endpoint("rotation").await?;
    let path = format!("/api/webhook-endpoints/{}/secret", endpoint.id);
    let read = lab.api.get(&path).await?;
    ensure!(
        read["secret"] == endpoint.secret.as_str(),
        "the secret should be the one that registration returned"
    );
    let rotated = lab.api.post(&format!("{path}/rotate"), &json!({}), 200).await?;
    let new = text(&rotated, "secret")?;
    ensure!(new != endpoint.secret, "the rotation should return a new secret");
    ensure!(lab.api.get(&path).await?["secret"] == new, "reading the secret should return the new one");

    let object = new_object();
    let event_id = lab.publish(&endpoint, &object).await?;
    // Both secrets sign, so the receiver may use either.
    let arrivals = lab.arrivals(&endpoint, &object, &event_id, 1).await?;
    arrivals[0].verify(new).context("the new secret should sign, too")?;
    Ok(None)
}

pub(crate) async fn test_event(lab: &Lab) -> Checked {
    let endpoint = lab.endpoint("test-event").await?;
    let path = format!("/api/webhook-endpoints/{}/test", endpoint.id);
    let event = lab.api.post(&path, &json!({ "type": "customer.created" }), 202).await?;
    let object = event["data"]["object"]["id"].as_str().unwrap_or_default();
    lab.arrivals(&endpoint, object, text(&event, "id")?, 1).await?;
    Ok(None)
}
