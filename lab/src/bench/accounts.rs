//! Measures what a platform with many accounts pays for a request: its time, its calls to the endpoints table, and their
//! units.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Result, ensure};
use futures::{StreamExt as _, TryStreamExt as _, stream};
use http::Method;
use posthorn_local::DEVELOPMENT_PLATFORM_KEY;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::meter::Metered;
use super::report::{Report, Row};

/// Number of endpoints of each account.
const ENDPOINTS: usize = 3;
/// Number of accounts that make requests while it is measured, spread over all.
const CALLERS: usize = 200;
/// Number of requests at the same time while the accounts are made.
const AT_ONCE: usize = 16;
/// The endpoints table, which also has accounts and keys.
const TABLE: &str = "EndpointsTable";

/// A platform with this many accounts.
pub struct Accounts {
    /// The SAM template.
    pub template: PathBuf,
    /// Number of accounts, each with three endpoints.
    pub accounts: usize,
}

/// What one kind of request takes.
#[derive(Debug, Clone, PartialEq)]
pub struct RequestCost {
    /// The request.
    pub request: &'static str,
    /// Number of requests measured.
    pub requests: usize,
    /// The median time to the answer.
    pub median: Duration,
    /// Number of calls to the endpoints table, per request.
    pub calls: f64,
    /// Number of read and write units that they used, per request.
    pub units: f64,
}

struct Measuring {
    system: Metered,
    client: reqwest::Client,
}

impl Accounts {
    /// Makes the accounts over HTTP, with a platform key, and returns what requests for them take.
    pub async fn run(&self) -> Result<Vec<RequestCost>> {
        let system = Metered::start(&self.template).await?;
        let measuring = Measuring { system, client: reqwest::Client::new() };
        measuring.fill(self.accounts).await?;
        let costs = measuring.all(self.accounts).await?;
        measuring.system.stop().await?;
        Ok(costs)
    }
}

/// The id of an account. The ids of neighbours begin alike, so that a search by prefix finds ten.
fn account(number: usize) -> String {
    format!("acct_{number:06}")
}

impl Measuring {
    async fn fill(&self, accounts: usize) -> Result<()> {
        let endpoint = json!({ "url": "https://example.com/", "enabled_events": ["order.*"] });
        let made = (0..accounts * ENDPOINTS).map(|number| {
            let (account, endpoint) = (account(number / ENDPOINTS), &endpoint);
            async move {
                self.ask(
                    DEVELOPMENT_PLATFORM_KEY,
                    &account,
                    Method::POST,
                    "/api/webhook-endpoints?livemode=true",
                    Some(endpoint),
                )
                .await
                .map(drop)
            }
        });
        stream::iter(made).buffer_unordered(AT_ONCE).try_collect().await
    }

    async fn all(&self, accounts: usize) -> Result<Vec<RequestCost>> {
        let callers: Vec<_> =
            (0..CALLERS.min(accounts)).map(|n| account(n * accounts / CALLERS.min(accounts))).collect();
        let platform = DEVELOPMENT_PLATFORM_KEY.to_owned();
        let by_platform: Vec<_> = callers.iter().map(|account| (platform.clone(), account.clone())).collect();
        let event = json!({ "type": "order.paid", "data": {} });
        let (get, post) = (Method::GET, Method::POST);
        let endpoints = "/api/webhook-endpoints?livemode=true";
        let publish = "/api/events?livemode=true";
        let mut costs = vec![
            self.cost("accounts: a page of 20", &by_platform, &get, "/api/accounts", None).await?,
            self.cost("accounts: a page of 100", &by_platform, &get, "/api/accounts?limit=100", None).await?,
            self.cost(
                "accounts: search by prefix",
                &by_platform,
                &get,
                "/api/accounts?prefix=acct_00123",
                None,
            )
            .await?,
            self.cost("an account, with its counts", &by_platform, &get, "/api/accounts/{account}", None)
                .await?,
            self.cost("endpoints of any account", &by_platform, &get, endpoints, None).await?,
            self.cost("publish for an account, first", &by_platform, &post, publish, Some(&event)).await?,
            self.cost("publish for an account, again", &by_platform, &post, publish, Some(&event)).await?,
        ];
        let mut keys = Vec::new();
        for account in &callers {
            let made = self
                .ask(&platform, account, post.clone(), "/api/keys?livemode=true", Some(&json!({})))
                .await?;
            keys.push((made["key"].as_str().unwrap_or_default().to_owned(), account.clone()));
        }
        // The list of types reads nothing but the key.
        let types = "/api/event-types";
        costs.push(self.cost("a key's first use of the day", &keys, &get, types, None).await?);
        costs.push(self.cost("a key that the function knows", &keys, &get, types, None).await?);
        let attention = "/api/attention";
        costs.push(self.cost("the list of attention, with a new key", &keys, &get, attention, None).await?);
        Ok(costs)
    }

    /// Makes the request once with each key and account, one after another.
    async fn cost(
        &self,
        request: &'static str,
        callers: &[(String, String)],
        method: &Method,
        path: &str,
        body: Option<&Value>,
    ) -> Result<RequestCost> {
        self.system.tables.gate.take();
        let mut times = Vec::new();
        for (key, account) in callers {
            let began = Instant::now();
            self.ask(key, account, method.clone(), &path.replace("{account}", account), body).await?;
            times.push(began.elapsed());
        }
        times.sort_unstable();
        let used = self.system.tables.gate.take();
        let of_table = || used.iter().filter(|((table, _), _)| table == TABLE).map(|(_, used)| used);
        let requests = callers.len();
        let each = |total: f64| total / f64::from(u32::try_from(requests).unwrap_or(u32::MAX));
        let calls = of_table().map(|used| used.calls).sum::<u64>();
        Ok(RequestCost {
            request,
            requests,
            median: times[requests / 2],
            calls: each(f64::from(u32::try_from(calls)?)),
            // A sum of nothing is -0.
            units: each(of_table().map(|used| used.units).sum::<f64>() + 0.0),
        })
    }

    async fn ask(
        &self,
        key: &str,
        account: &str,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> Result<Value> {
        let request =
            self.client.request(method, format!("{}{path}", self.system.functions.http)).bearer_auth(key);
        let request = request.header("posthorn-account", account);
        let request = match body {
            Some(body) => request.header("content-type", "application/json").body(body.to_string()),
            None => request,
        };
        let answer = request.send().await?;
        let (status, text) = (answer.status(), answer.text().await?);
        ensure!(status.is_success(), "{path} returned {status}: {text}");
        Ok(serde_json::from_str(&text)?)
    }
}

/// The figures as a report.
pub(super) fn report(costs: &[RequestCost]) -> Report {
    let rows = costs.iter().map(|cost| {
        Row::default()
            .text("request", cost.request)
            .count("requests", cost.requests)
            .number("median_ms", cost.median.as_secs_f64() * 1_000.0)
            .number("calls", cost.calls)
            .number("units", cost.units)
    });
    Report { benchmark: "accounts", rows: rows.collect(), goals: Vec::new() }
}
