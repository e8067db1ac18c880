//! Receives webhooks and prints each event once. As `src/main.rs` of a new crate:
//!
//!     cargo add axum serde_json standardwebhooks
//!     cargo add tokio --features full
//!     WEBHOOK_SECRET=whsec_… cargo run

use std::collections::BTreeSet;
use std::env;
use std::error::Error;
use std::sync::{Arc, Mutex};

use axum::body::Bytes;
use axum::http::{HeaderMap, StatusCode};
use axum::{Router, routing::post};
use serde_json::Value;
use standardwebhooks::Webhook;

/// Yours needs a store that all instances share, and that outlives them.
static SEEN: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());

/// Answers the status to send. `body` is the bytes as they came.
fn receive(webhook: &Webhook, body: &[u8], headers: &HeaderMap) -> StatusCode {
    let verified = webhook.verify(body, headers).map_err(Box::<dyn Error>::from);
    let event: Value = match verified.and_then(|()| Ok(serde_json::from_slice(body)?)) {
        Ok(event) => event,
        Err(error) => {
            eprintln!("refused: {error}");
            return StatusCode::BAD_REQUEST;
        }
    };
    let id = headers["webhook-id"].to_str().expect("it was verified, so it is text");
    if SEEN.lock().expect("nobody panics holding it").insert(id.to_owned()) {
        println!("{} {id}", event["type"].as_str().unwrap_or_default());
    }
    StatusCode::NO_CONTENT
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let secret = env::var("WEBHOOK_SECRET").ok().filter(|secret| !secret.is_empty());
    let webhook = Arc::new(Webhook::new(&secret.ok_or("WEBHOOK_SECRET is not set")?)?);
    let answer = move |headers: HeaderMap, body: Bytes| async move { receive(&webhook, &body, &headers) };
    let port = env::var("PORT").map_or(Ok(9000), |port| port.parse())?;
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", port)).await?;
    Ok(axum::serve(listener, Router::new().route("/", post(answer))).await?)
}
