//! Publishes events right after changes to the endpoints that want them.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::time::Duration;

use anyhow::{Context as _, Result};
use futures::future::try_join_all;
use http::{Method, StatusCode};
use posthorn_local::{Arrival, DEVELOPMENT_ACCOUNT, Functions, Receiver};
use posthorn_local_aws::clients;
use posthorn_local_aws::template::queue_url;
use serde_json::{Value, json};
use tokio::time::{Instant, sleep, timeout_at};

use super::{Addresses, Bench};
use crate::load;

/// An event that takes longer than this to arrive counts as missed.
const PATIENCE: Duration = Duration::from_secs(30);
/// Maximum number of endpoints of an owner, besides the one that never changes.
const MOST: usize = 3;

/// Each owner repeatedly changes one of its endpoints, publishes an event at once, and checks what arrives. One
/// endpoint of each owner never changes: an event that has arrived there was fanned out. All owners are in one account,
/// so for fan-out its endpoints change all the time.
#[derive(Debug, Clone, Copy)]
pub struct OwnWrites {
    /// Number of events, each published right after a change.
    pub events: u32,
    /// Number of owners.
    pub owners: u32,
    /// Number of copies of all functions. Each copy has its own memory, like containers on AWS.
    pub processes: usize,
}

/// The result of a run.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Kept {
    /// Number of events published.
    pub events: u32,
    /// Number of deliveries expected.
    pub expected: usize,
    /// Deliveries that did not arrive, or were signed with an expired secret.
    pub missed: usize,
    /// Deliveries to an endpoint's former URL, or to a disabled endpoint.
    pub astray: usize,
}

impl OwnWrites {
    /// Runs all owners.
    pub async fn run(&self, bench: &Bench) -> Result<Kept> {
        let stores = bench.stores(None).await?;
        let options = bench.functions(&Addresses::of(&stores));
        let mut functions = Vec::new();
        for _ in 0..self.processes {
            functions.push(Functions::start(&options).await?);
        }
        let owners = (0..self.owners).map(|number| {
            let http = functions[usize::try_from(number)? % functions.len()].http.clone();
            Ok(Owner::new(number, http, &stores.sqs, bench.seed))
        });
        let mut owners = try_join_all(owners.collect::<Result<Vec<_>>>()?).await?;
        let events = self.events / self.owners;
        try_join_all(owners.iter_mut().map(|owner| owner.publish(events))).await?;
        while load::waiting(&stores.sqs).await? > 0 {
            sleep(Duration::from_millis(100)).await;
        }
        let mut kept = Kept::default();
        for owner in owners {
            kept = kept.and(owner.end().await);
        }
        for functions in functions {
            functions.stop().await?;
        }
        stores.stop().await?;
        Ok(kept)
    }
}

/// An endpoint, as the API last described it to its owner.
struct Known {
    id: String,
    /// The path of its URL. Each URL is used only once.
    path: String,
    secret: String,
    enabled: bool,
}

struct Owner {
    number: u32,
    http: String,
    sqs: aws_sdk_sqs::Client,
    /// The events queue's URL.
    queue: String,
    client: reqwest::Client,
    random: fastrand::Rng,
    receiver: Receiver,
    endpoints: Vec<Known>,
    /// Number of URLs used so far.
    urls: u32,
    /// For each event, the paths where it should arrive, and the secret that should sign it there.
    events: HashMap<u32, BTreeMap<String, String>>,
    kept: Kept,
}

impl Owner {
    async fn new(number: u32, http: String, sqs: &str, seed: u64) -> Result<Self> {
        Ok(Self {
            number,
            http,
            sqs: clients::sqs(sqs),
            queue: queue_url(sqs, "EventsQueue"),
            client: reqwest::Client::new(),
            random: fastrand::Rng::with_seed(seed.wrapping_add(u64::from(number))),
            receiver: Receiver::start(0, |_, _| StatusCode::OK).await?,
            endpoints: Vec::new(),
            urls: 0,
            events: HashMap::new(),
            kept: Kept::default(),
        })
    }

    /// Publishes events, each right after a change, and waits for each.
    async fn publish(&mut self, events: u32) -> Result<()> {
        let constant = self.register().await?;
        for number in 0..events {
            self.change().await?;
            let enabled = self.endpoints.iter().chain([&constant]).filter(|endpoint| endpoint.enabled);
            let mut awaited: BTreeMap<_, _> =
                enabled.map(|endpoint| (endpoint.path.clone(), endpoint.secret.clone())).collect();
            self.kept.expected += awaited.len();
            self.events.insert(number, awaited.clone());
            self.send(number).await?;
            let deadline = Instant::now() + PATIENCE;
            while !awaited.is_empty() {
                let Ok(arrival) = timeout_at(deadline, self.receiver.next()).await else { break };
                let is_right = self.take(&arrival);
                if is_right && load::number(&arrival)? == number {
                    awaited.remove(&arrival.path);
                }
            }
            self.kept.missed += awaited.len();
            self.kept.events += 1;
        }
        Ok(())
    }

    /// Changes an endpoint. When this returns, the API has confirmed the change.
    async fn change(&mut self) -> Result<()> {
        let which = if self.endpoints.is_empty() { 0 } else { self.random.usize(..self.endpoints.len()) };
        let what = if self.endpoints.is_empty() { 0 } else { self.random.u32(..6) };
        match what {
            0 if self.endpoints.len() < MOST => {
                let endpoint = self.register().await?;
                self.endpoints.push(endpoint);
                Ok(())
            }
            1 => self.move_away(which).await,
            2 => self.rotate(which).await,
            3 => self.delete(which).await,
            _ => self.switch(which).await,
        }
    }

    async fn register(&mut self) -> Result<Known> {
        let path = self.new_path();
        let endpoint =
            json!({ "url": self.url(&path), "enabled_events": [format!("chaos.owner_{}", self.number)] });
        let created = self.request(Method::POST, "", &endpoint).await?;
        Ok(Known { id: text(&created, "id")?, path, secret: text(&created, "secret")?, enabled: true })
    }

    async fn move_away(&mut self, which: usize) -> Result<()> {
        let path = self.new_path();
        self.edit(which, &json!({ "url": self.url(&path) })).await?;
        self.endpoints[which].path = path;
        Ok(())
    }

    /// Rotates the secret and expires the old one. The receiver knows only the new one.
    async fn rotate(&mut self, which: usize) -> Result<()> {
        let path = format!("/{}/secret/rotate", self.endpoints[which].id);
        let rotated = self.request(Method::POST, &path, &json!({ "expire_now": true })).await?;
        self.endpoints[which].secret = text(&rotated, "secret")?;
        Ok(())
    }

    async fn delete(&mut self, which: usize) -> Result<()> {
        let path = format!("/{}", self.endpoints[which].id);
        self.request(Method::DELETE, &path, &Value::Null).await?;
        self.endpoints.swap_remove(which);
        Ok(())
    }

    /// Disables the endpoint, or enables it again at another URL. A delivery to the old URL is astray.
    async fn switch(&mut self, which: usize) -> Result<()> {
        let enabled = !self.endpoints[which].enabled;
        let path = self.new_path();
        let status = if enabled { "enabled" } else { "disabled" };
        self.edit(which, &json!({ "status": status, "url": self.url(&path) })).await?;
        let endpoint = &mut self.endpoints[which];
        (endpoint.enabled, endpoint.path) = (enabled, path);
        Ok(())
    }

    async fn edit(&self, which: usize, edit: &Value) -> Result<Value> {
        self.request(Method::PUT, &format!("/{}", self.endpoints[which].id), edit).await
    }

    fn new_path(&mut self) -> String {
        self.urls += 1;
        format!("/{}", self.urls)
    }

    fn url(&self, path: &str) -> String {
        format!("{}{path}", self.receiver.url)
    }

    async fn request(&self, method: Method, path: &str, body: &Value) -> Result<Value> {
        let request = self.client.request(method, format!("{}/api/webhook-endpoints{path}", self.http));
        let request = request.header("content-type", "application/json");
        let request = if body.is_null() { request } else { request.body(body.to_string()) };
        let answer = request.send().await?;
        let (status, answer) = (answer.status(), answer.text().await?);
        anyhow::ensure!(status.is_success(), "{path} returned {status}: {answer}");
        Ok(serde_json::from_str(&answer)?)
    }

    /// Publishes an event, over HTTP or directly to the queue.
    async fn send(&mut self, number: u32) -> Result<()> {
        let mut event = load::event(number);
        event["type"] = json!(format!("chaos.owner_{}", self.number));
        if self.random.bool() {
            let request = self.client.post(format!("{}/api/events", self.http));
            let request = request.header("content-type", "application/json").body(event.to_string());
            request.send().await?.error_for_status()?;
        } else {
            let message = json!({ "account": DEVELOPMENT_ACCOUNT, "livemode": true, "event": event });
            let send = self.sqs.send_message().queue_url(&self.queue).message_body(message.to_string());
            send.send().await?;
        }
        Ok(())
    }

    /// Records an arrival. Returns whether it belongs at this path with this signature. A duplicate does.
    fn take(&mut self, arrival: &Arrival) -> bool {
        let expected = load::number(arrival).ok().and_then(|number| self.events.get(&number));
        let secret = expected.and_then(|paths| paths.get(&arrival.path));
        self.kept.astray += usize::from(secret.is_none());
        secret.is_some_and(|secret| arrival.verify(secret).is_ok())
    }

    /// Checks late arrivals, and returns the result.
    async fn end(mut self) -> Kept {
        while !self.receiver.is_idle() {
            let arrival = self.receiver.next().await;
            self.take(&arrival);
        }
        self.kept
    }
}

fn text(answer: &Value, field: &str) -> Result<String> {
    Ok(answer[field].as_str().with_context(|| format!("there is no {field} in {answer}"))?.to_owned())
}

impl Kept {
    /// Whether every change applied to the next event.
    pub fn is_good(&self) -> bool {
        self.expected > 0 && self.missed == 0 && self.astray == 0
    }

    fn and(self, other: Self) -> Self {
        Self {
            events: self.events + other.events,
            expected: self.expected + other.expected,
            missed: self.missed + other.missed,
            astray: self.astray + other.astray,
        }
    }
}

impl fmt::Display for Kept {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { events, expected, missed, astray } = self;
        write!(f, "{events} events, {expected} deliveries expected, {missed} missed, {astray} astray")
    }
}
