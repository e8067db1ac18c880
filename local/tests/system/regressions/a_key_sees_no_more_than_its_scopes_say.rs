//! A security review gave a status page a key with `endpoints:read` alone. It could read what customers' servers had answered
//! (the last attempts, with their bodies) and the credentials in endpoints' own headers, which lists hide.

use http::StatusCode;
use posthorn_domain::{Mode, Scope};
use posthorn_local::Receiver;
use serde_json::{Value, json};

use crate::harness::{TestSystem, next, text};

#[tokio::test(flavor = "multi_thread")]
async fn attempts_need_events_read_and_header_values_secrets_read() {
    let mut receiver = Receiver::start(0, |_, _| StatusCode::OK).await.unwrap();
    let system = TestSystem::start().await;
    let read_write = [Scope::EndpointsRead, Scope::EndpointsWrite];
    for (key, more) in [
        ("sk_neither", None),
        ("sk_events", Some(Scope::EventsRead)),
        ("sk_secrets", Some(Scope::SecretsRead)),
    ] {
        let scopes: Vec<Scope> = read_write.into_iter().chain(more).collect();
        system.stores.add_key_for(key, "local", Mode::Live, &scopes).await;
    }
    let new = json!({ "url": receiver.url, "enabled_events": ["*"], "headers": { "Authorization": "Bearer sesame" } });
    let event = json!({ "type": "order.paid", "data": {} });
    let created = system.register(&new).await;
    system.request("POST", "/api/events", Some(&event)).await;
    next(&mut receiver).await;
    system.stores.until_idle().await;
    let path = format!("/api/webhook-endpoints/{}", text(&created, "id"));
    let headers = |answer: &Value| (answer.get("headers").cloned(), answer.get("header_names").cloned());
    let (whole, names) = ((Some(new["headers"].clone()), None), (None, Some(json!(["Authorization"]))));
    for (key, attempts, shown) in
        [("sk_neither", 0, &names), ("sk_events", 1, &names), ("sk_secrets", 0, &whole)]
    {
        let ask = async |method: &str, path: &str, body: Option<&Value>| {
            let (status, answer) = system.request_as(Some(key), method, path, body).await;
            assert!((200..300).contains(&status), "{answer}");
            assert!(key == "sk_secrets" || !answer.to_string().contains("sesame"), "{key}: {answer}");
            answer
        };
        let read = ask("GET", &path, None).await;
        assert_eq!((read["attempts"].as_array().unwrap().len(), &headers(&read)), (attempts, shown), "{key}");
        assert_eq!(&headers(&ask("PUT", &path, Some(&json!({ "description": key }))).await), shown, "{key}");
        let created = ask("POST", "/api/webhook-endpoints", Some(&new)).await;
        assert_eq!(&headers(&created), shown, "{key}");
        let created = format!("/api/webhook-endpoints/{}", text(&created, "id"));
        assert_eq!(&headers(&ask("DELETE", &created, None).await), shown, "{key}");
    }
}
