//! Invalid requests.

use http::Method;
use serde_json::json;

use super::Checked;
use crate::aws::lab::Lab;

pub(crate) async fn unknown_route(lab: &Lab) -> Checked {
    lab.api.request(Method::GET, "/api/no-such-route", None).await?.problem(404)?;
    lab.api.request(Method::POST, "/elsewhere", Some(&json!({}))).await?.problem(404)?;
    Ok(None)
}

pub(crate) async fn no_key(lab: &Lab) -> Checked {
    lab.api.get_without_key("/api/webhook-endpoints").await?.problem(401)?;
    Ok(None)
}

pub(crate) async fn unknown_endpoint(lab: &Lab) -> Checked {
    let path = "/api/webhook-endpoints/wh_01KARZ3NDEKTSV4RRFFQ69G5FA";
    lab.api.request(Method::GET, path, None).await?.problem(404)?;
    lab.api.request(Method::PUT, path, Some(&json!({ "status": "disabled" }))).await?.problem(404)?;
    lab.api.request(Method::DELETE, path, None).await?.problem(404)?;
    Ok(None)
}
