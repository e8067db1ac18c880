//! What the log gives away.

use std::process::Stdio;
use std::sync::{Arc, Mutex};

use http::StatusCode;
use posthorn_local::Receiver;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, AsyncRead, BufReader};
use tokio::process::{Child, Command};
use tokio::time::{interval, timeout};

use crate::harness::{PATIENCE, template, text};

/// A process of the whole system that logs all it can, and what it has written.
struct Talkative {
    http: String,
    output: Arc<Mutex<String>>,
    _process: Child,
}

impl Talkative {
    async fn start() -> Self {
        let mut process = Command::new(env!("CARGO_BIN_EXE_posthorn-local"))
            .args(["--http-port", "0", "--dynamodb-port", "0", "--sqs-port", "0", "--log-level", "trace"])
            .arg("--template")
            .arg(template())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let output = Arc::new(Mutex::new(String::new()));
        keep(process.stdout.take().unwrap(), Arc::clone(&output));
        keep(process.stderr.take().unwrap(), Arc::clone(&output));
        let system = Self { http: String::new(), output, _process: process };
        system.until_written("HTTP API").await;
        let written = system.output.lock().unwrap().clone();
        let line = written.lines().find(|line| line.contains("HTTP API")).unwrap();
        let http = line.split_whitespace().last().unwrap().to_owned();
        Self { http, ..system }
    }

    async fn until_written(&self, text: &str) {
        let mut look = interval(std::time::Duration::from_millis(20));
        let written = async {
            while !self.output.lock().unwrap().contains(text) {
                look.tick().await;
            }
        };
        timeout(PATIENCE, written).await.unwrap_or_else(|_| panic!("{text} should be written"));
    }

    async fn request(&self, method: &str, path: &str, key: &str, body: Option<&Value>) -> (u16, Value) {
        let request = reqwest::Client::new().request(method.parse().unwrap(), format!("{}{path}", self.http));
        let request = request.header("authorization", format!("Bearer {key}"));
        let request = match body {
            Some(body) => request.header("content-type", "application/json").body(body.to_string()),
            None => request,
        };
        let answer = request.send().await.unwrap();
        let status = answer.status().as_u16();
        (status, serde_json::from_str(&answer.text().await.unwrap()).unwrap())
    }
}

fn keep(stream: impl AsyncRead + Send + Unpin + 'static, output: Arc<Mutex<String>>) {
    tokio::spawn(async move {
        let mut lines = BufReader::new(stream).lines();
        while let Ok(Some(line)) = lines.next_line().await {
            let mut output = output.lock().unwrap();
            output.push_str(&line);
            output.push('\n');
        }
    });
}

/// The secret key of a component, which signs deliveries.
const COMPONENT_SECRET: &str = "0x0303030303030303030303030303030303030303030303030303030303030303";

#[tokio::test(flavor = "multi_thread")]
async fn no_secret_key_body_or_query_string_is_in_the_log() {
    let answer = |path: &str, _: &str| match path {
        "/good" => StatusCode::OK,
        _ => StatusCode::INTERNAL_SERVER_ERROR,
    };
    let receiver = Receiver::start(0, answer).await.unwrap();
    posthorn_local::install_tls();
    let system = Talkative::start().await;
    let key = posthorn_local::DEVELOPMENT_KEY;
    let mut said = vec![key.to_owned(), COMPONENT_SECRET.to_owned()];
    let say = |what: &str, said: &mut Vec<String>| {
        said.push(format!("unspeakable-{what}"));
        format!("unspeakable-{what}")
    };

    for path in ["good", "bad"] {
        let endpoint = json!({
            "url": format!("{}/{path}?token={}", receiver.url, say("query", &mut said)),
            "enabled_events": ["*"],
            "description": say("description", &mut said),
            "metadata": { "note": say("metadata", &mut said) },
            "headers": { "X-Token": say("header", &mut said) },
            "component_secret_key": COMPONENT_SECRET,
        });
        let (status, created) = system.request("POST", "/api/webhook-endpoints", key, Some(&endpoint)).await;
        assert_eq!(status, 201, "{created}");
        said_secret(&mut said, &created);
        let rotate = format!("/api/webhook-endpoints/{}/secret/rotate", text(&created, "id"));
        said_secret(&mut said, &system.request("POST", &rotate, key, None).await.1);
    }
    let event = json!({
        "type": "order.paid",
        "data": { "object": { "id": say("id", &mut said), "name": say("data", &mut said) } },
        "metadata": { "note": say("note", &mut said) },
        "request": { "idempotency_key": say("key", &mut said) },
    });
    let (status, event) = system.request("POST", "/api/events", key, Some(&event)).await;
    assert_eq!(status, 202, "{event}");
    let list = format!("/api/events?object_id={}", say("filter", &mut said));
    assert_eq!(system.request("GET", &list, key, None).await.0, 200);
    assert_eq!(system.request("GET", "/api/events", &say("guess", &mut said), None).await.0, 401);
    let wrong = json!({ "url": say("url", &mut said), "enabled_events": [say("pattern", &mut said)] });
    assert_eq!(system.request("POST", "/api/webhook-endpoints", key, Some(&wrong)).await.0, 400);

    for result in ["status=Succeeded", "status=Pending"] {
        system.until_written(result).await;
    }
    let written = system.output.lock().unwrap().clone();
    assert!(written.contains(text(&event, "id")), "the log names what it is about");
    for said in said {
        let place = written.lines().find(|line| line.contains(&said));
        assert!(place.is_none(), "{said} is in the log: {place:?}");
    }
}

fn said_secret(said: &mut Vec<String>, answer: &Value) {
    said.push(text(answer, "secret").trim_start_matches("whsec_").to_owned());
}
