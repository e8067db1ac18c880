//! An owner's endpoint was disabled after five days of failures. Their tool read it, changed its description, and sent all of
//! it back: `disabled_reason` was gone, and from then on every refusal said that the owner had disabled the endpoint. The
//! reason was cleared whenever a status was given, even the one that the endpoint had.

use posthorn_domain::{DisabledReason, Scope};
use posthorn_storage::Written;
use serde_json::{Value, json};

use crate::harness::{TestSystem, local_tenant, text};

#[tokio::test(flavor = "multi_thread")]
async fn reading_and_sending_back_changes_nothing() {
    let system = TestSystem::start().await;
    let mode = posthorn_domain::Mode::Live;
    let scopes = [Scope::EndpointsRead, Scope::EndpointsWrite];
    system.stores.add_key_for("sk_without_secrets", "local", mode, &scopes).await;
    let store = system.stores.runtime("create-endpoint").endpoints().unwrap();
    for reason in [None, Some(DisabledReason::Gone), Some(DisabledReason::Failing)] {
        let new = json!({
            "url": "https://example.com/", "enabled_events": ["a.*", "b"], "description": "Orders",
            "metadata": { "z": "1", "a": "2" }, "headers": { "X-Api-Key": "sesame" }, "api_version": "2",
            "status": if reason.is_none() { "disabled" } else { "enabled" },
        });
        let created = system.register(&new).await;
        let id = text(&created, "id");
        let path = format!("/api/webhook-endpoints/{id}");
        if let Some(reason) = reason {
            let endpoint = store.get(&local_tenant(), id.parse().unwrap()).await.unwrap().unwrap();
            let disabled = store.disable(&local_tenant(), &endpoint, reason, endpoint.created_at).await;
            assert_eq!(disabled.unwrap(), Written::Now);
        }
        let read = async |key| system.request_as(key, "GET", &path, None).await.1;
        let before = read(None).await;
        assert_eq!(text(&before, "status"), "disabled");
        assert_eq!(before["disabled_reason"], json!(reason));
        let (_, mut list) = system.request("GET", "/api/webhook-endpoints?status=disabled", None).await;
        let listed = list["list"][0].take();
        for (key, sent) in [
            (None, before.clone()),
            (Some("sk_without_secrets"), read(Some("sk_without_secrets")).await),
            (None, listed),
            (None, with_secret(&before, text(&created, "secret"))),
        ] {
            let (status, answer) = system.request_as(key, "PUT", &path, Some(&sent)).await;
            assert_eq!(status, 200, "{answer}");
            assert_eq!(read(None).await, before, "after {sent}");
        }
        let described = json!({ "description": "Other", "status": "disabled" });
        let (_, after) = system.request("PUT", &path, Some(&described)).await;
        assert_eq!(after["disabled_reason"], json!(reason));
        let (_, enabled) = system.request("PUT", &path, Some(&json!({ "status": "enabled" }))).await;
        assert_eq!(enabled["disabled_reason"], Value::Null);
    }
}

fn with_secret(endpoint: &Value, secret: &str) -> Value {
    let mut endpoint = endpoint.clone();
    endpoint["secret"] = json!(secret);
    endpoint
}
