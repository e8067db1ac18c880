//! The requests that the OpenAPI document gives as examples, sent as they stand: each is answered with success. Ids are
//! those of things that there are, and endpoints are on this machine.

use http::StatusCode;
use posthorn_local::{DEVELOPMENT_ACCOUNT, DEVELOPMENT_PLATFORM_KEY, Receiver};
use serde_json::{Value, json};
use tokio::time::{Duration, interval, timeout};

use crate::contract::{DOCUMENT, check_answer, operations};
use crate::harness::{PATIENCE, TestSystem, text};

/// An endpoint, an event that it got, that attempt, a recovery, a key, and a cursor of the feed: what examples are about.
struct Things {
    url: String,
    endpoint: String,
    event: String,
    attempt: String,
    recovery: String,
    key: String,
    cursor: String,
}

impl Things {
    /// The event's type has the number in it, so that nobody else gets it.
    async fn make(system: &TestSystem, receiver: &Receiver, number: usize) -> Self {
        let event_type = format!("example.number_{number}");
        let endpoint = json!({ "url": receiver.url, "enabled_events": [event_type] });
        let endpoint = text(&system.register(&endpoint).await, "id").to_owned();
        let event = json!({ "type": event_type, "data": {} });
        let (_, event) = system.request("POST", "/api/events", Some(&event)).await;
        let attempts = format!("/api/webhook-attempts?webhook_endpoint_id={endpoint}");
        let attempted = async {
            let mut look = interval(Duration::from_millis(10));
            loop {
                look.tick().await;
                let (_, page) = system.request("GET", &attempts, None).await;
                if let Some(attempt) = page["list"].get(0) {
                    return text(attempt, "id").to_owned();
                }
            }
        };
        let attempt = timeout(PATIENCE, attempted).await.expect("the event arrives");
        let since = json!({ "since": "2026-01-01T00:00:00Z" });
        let path = format!("/api/webhook-endpoints/{endpoint}/recover");
        let (_, recovery) = system.request("POST", &path, Some(&since)).await;
        let (_, key) = system.request("POST", "/api/keys", None).await;
        let key = text(&key, "id").to_owned();
        let (_, feed) = system.request("GET", "/api/feed", None).await;
        let cursor = text(&feed, "next_cursor").to_owned();
        let (event, recovery) = (text(&event, "id").to_owned(), text(&recovery, "id").to_owned());
        Self { url: receiver.url.clone(), endpoint, event, attempt, recovery, key, cursor }
    }

    /// An example, about these.
    fn made_real(&self, example: &Value) -> Value {
        match example {
            Value::Object(fields) => {
                fields.iter().map(|(name, value)| (name.clone(), self.made_real(value))).collect()
            }
            Value::Array(entries) => entries.iter().map(|entry| self.made_real(entry)).collect(),
            Value::String(text) if text == "acct_ada" => json!(DEVELOPMENT_ACCOUNT),
            Value::String(text) => {
                let real = [("https://", &self.url), ("wh_", &self.endpoint), ("evt_", &self.event)];
                let real = real.into_iter().chain([
                    ("att_", &self.attempt),
                    ("rec_", &self.recovery),
                    ("key_", &self.key),
                    ("AQAAAaI", &self.cursor),
                ]);
                let real = real.into_iter().find(|(prefix, _)| text.starts_with(prefix));
                real.map_or_else(|| example.clone(), |(_, real)| json!(real))
            }
            other => other.clone(),
        }
    }
}

/// A request of the document. Each of its parts is an example, with the name of its parameter.
#[derive(Debug, Clone, Default)]
struct Example {
    method: String,
    path: String,
    in_path: Vec<(String, Value)>,
    query: Vec<(String, Value)>,
    header: Option<(String, Value)>,
    body: Option<Value>,
}

impl Example {
    async fn send(&self, system: &TestSystem, things: &Things) {
        let real = |example: &Value| match things.made_real(example) {
            Value::String(text) => text,
            other => other.to_string(),
        };
        let mut path = self.path.clone();
        for (name, value) in &self.in_path {
            path = path.replace(&format!("{{{name}}}"), &real(value));
        }
        let query = self.query.iter().map(|(name, value)| format!("{name}={}", real(value)));
        let mut query = query.collect::<Vec<_>>().join("&");
        let is_a_new_grant =
            self.method == "POST" && ["/api/keys", "/api/sessions"].contains(&self.path.as_str());
        if is_a_new_grant && query.is_empty() {
            "livemode=true".clone_into(&mut query);
        }
        let url = format!("{}{path}?{query}", system.http);
        let mut request = reqwest::Client::new().request(self.method.parse().unwrap(), url);
        if is_a_new_grant || path.starts_with("/api/accounts") {
            request = request.bearer_auth(DEVELOPMENT_PLATFORM_KEY);
        }
        if is_a_new_grant {
            request = request.header("posthorn-account", DEVELOPMENT_ACCOUNT);
        } else if let Some((name, value)) = &self.header {
            request = request.header(name, real(value));
        }
        if let Some(body) = &self.body {
            request = request.header("content-type", "application/json").body(real(body));
        }
        let answer = request.send().await.unwrap();
        let status = answer.status();
        let media_type = answer.headers()["content-type"].to_str().unwrap().to_owned();
        let answer: Value = serde_json::from_str(&answer.text().await.unwrap()).unwrap();
        assert!(status.is_success(), "{self:?} is answered with {status}: {answer}");
        check_answer(&self.method, &path, status.as_u16(), &media_type, &answer);
    }
}

/// The examples of an operation: each of its bodies, and each of its parameters with the first of them.
fn examples(method: &str, path: &str, parameters: &[&Value], operation: &Value) -> Vec<Example> {
    let of = |place: &'static str| parameters.iter().filter(move |parameter| parameter["in"] == place);
    let named = |parameter: &Value| (text(parameter, "name").to_owned(), parameter["example"].clone());
    let mut bare = Example { method: method.to_uppercase(), path: path.to_owned(), ..Example::default() };
    bare.in_path = of("path").map(|parameter| named(parameter)).collect();
    if path == "/api/webhook-attempts" {
        // Whose attempts, has to be said.
        bare.query =
            of("query").map(|parameter| named(parameter)).filter(|(name, _)| name == "event_id").collect();
    }
    let content = &operation["requestBody"]["content"]["application/json"];
    let bodies = content["examples"].as_object().into_iter().flatten().map(|(_, example)| &example["value"]);
    let bodies = bodies.chain(content.get("example"));
    let mut examples: Vec<_> =
        bodies.map(|body| Example { body: Some(body.clone()), ..bare.clone() }).collect();
    if operation["requestBody"]["required"] != true {
        examples.push(bare);
    }
    let first = examples[0].clone();
    for parameter in of("query") {
        let mut example = first.clone();
        example.query.retain(|(name, _)| *name != text(parameter, "name"));
        let (name, value) = named(parameter);
        let entries = |entries: &Vec<Value>| {
            json!(entries.iter().map(|entry| entry.as_str().unwrap()).collect::<Vec<_>>().join(","))
        };
        let value = value.as_array().map_or_else(|| value.clone(), entries);
        example.query.push((name, value));
        examples.push(example);
    }
    examples
        .extend(of("header").map(|parameter| Example { header: Some(named(parameter)), ..first.clone() }));
    examples
}

/// A parameter, where it stands once for many.
fn resolved(parameter: &Value) -> &Value {
    let reference = parameter["$ref"].as_str();
    reference.map_or(parameter, |place| DOCUMENT.pointer(place.trim_start_matches('#')).unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn every_request_that_the_document_gives_as_an_example_is_answered_with_success() {
    let receiver = Receiver::start(0, |_, _| StatusCode::OK).await.unwrap();
    let system = TestSystem::start().await;
    let mut sent = 0;
    for (path, of_path) in DOCUMENT["paths"].as_object().unwrap() {
        for (method, operation) in operations(of_path) {
            // They end what other examples need, or need what others use up. Tests of their own send them.
            if ["deleteAccount", "exchangeSession"].contains(&text(operation, "operationId")) {
                continue;
            }
            let parameters = [&of_path["parameters"], &operation["parameters"]];
            let parameters = parameters.into_iter().filter_map(Value::as_array).flatten().map(resolved);
            let parameters: Vec<_> = parameters.collect();
            for example in examples(method, path, &parameters, operation) {
                let things = Things::make(&system, &receiver, sent).await;
                example.send(&system, &things).await;
                sent += 1;
            }
        }
    }
    assert!(sent > 50, "{sent} were sent");
}
