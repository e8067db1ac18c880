//! Calls the API.

pub(crate) mod failure;
pub(crate) mod operations;
pub(crate) mod pages;

use std::time::Duration;

use anyhow::{Context as _, anyhow};
use posthorn_domain::AccountId;
use reqwest::Url;
use serde::de::DeserializeOwned;
use serde_json::Value;
use serde_json::value::RawValue;
use tokio::time::sleep;

use crate::exit::require;
use failure::Failure;
use operations::{Operation, Reach};

/// The longest wait for the next part of a response: longer than any function takes.
const PATIENCE: Duration = Duration::from_secs(35);
/// The longest wait for a connection.
const CONNECTING: Duration = Duration::from_secs(10);
/// How often a call is made, if its answer may be another the next time.
const TRIES: u32 = 4;
/// The wait before the second try, if the API asks for none. Each further one is twice as long.
const FIRST_WAIT: Duration = Duration::from_millis(500);
/// The longest wait before a further try. If the API asks for more, the call ends.
const LONGEST_WAIT: Duration = Duration::from_secs(20);

/// Returns an object of the fields that are given.
pub(crate) fn object<const N: usize>(fields: [(&str, Option<Value>); N]) -> Value {
    let given = fields.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?)));
    Value::Object(given.collect())
}

/// A client of the API.
#[derive(Debug)]
pub(crate) struct Api {
    client: reqwest::Client,
    url: Url,
    key: Option<String>,
    account: Option<AccountId>,
    livemode: Option<bool>,
}

/// A call that is not made yet.
#[derive(Debug, Clone)]
pub(crate) struct Call<'a> {
    api: &'a Api,
    operation: Operation,
    path: Vec<String>,
    query: Vec<(&'static str, String)>,
    body: Option<String>,
    idempotency_key: Option<String>,
}

impl Api {
    /// Returns a client for the API at this address. Errors if no TLS can be set up.
    pub(crate) fn new(
        url: Url,
        key: Option<String>,
        account: Option<AccountId>,
        livemode: Option<bool>,
    ) -> reqwest::Result<Self> {
        let client = reqwest::Client::builder()
            .read_timeout(PATIENCE)
            .connect_timeout(CONNECTING)
            // What a request carries is for this API, and no other.
            .redirect(reqwest::redirect::Policy::none())
            .build()?;
        Ok(Self { client, url, key, account, livemode })
    }

    /// The address.
    pub(crate) fn url(&self) -> &Url {
        &self.url
    }

    /// Returns a call of an operation.
    pub(crate) fn call(&self, operation: Operation) -> Call<'_> {
        let (path, query) = (Vec::new(), Vec::new());
        Call { api: self, operation, path, query, body: None, idempotency_key: None }
    }
}

impl Call<'_> {
    /// Sets the next part of the path that stands in braces.
    pub(crate) fn path(mut self, value: impl Into<String>) -> Self {
        self.path.push(value.into());
        self
    }

    /// Adds a parameter to the query, if there is a value.
    pub(crate) fn query(mut self, name: &'static str, value: Option<impl ToString>) -> Self {
        self.query.extend(value.map(|value| (name, value.to_string())));
        self
    }

    /// Sets the body.
    pub(crate) fn json(self, body: &Value) -> Self {
        self.body(body.to_string())
    }

    /// Sets the body: JSON.
    pub(crate) fn body(mut self, body: String) -> Self {
        self.body = Some(body);
        self
    }

    /// Sets the key by which the API recognises the call if it is made again.
    pub(crate) fn idempotency_key(mut self, key: String) -> Self {
        self.idempotency_key = Some(key);
        self
    }

    /// Makes the call, again if its answer may be another then and that does no harm. Returns the response's body.
    pub(crate) async fn send(&self) -> Result<String, Failure> {
        let mut wait = FIRST_WAIT;
        for _ in 1..TRIES {
            let asked = match self.send_once().await {
                Err(Failure::Passing { wait, is_undone, .. }) if is_undone || self.is_repeatable() => wait,
                sent => return sent,
            };
            if asked.is_some_and(|asked| asked > LONGEST_WAIT) {
                break;
            }
            sleep(asked.unwrap_or(wait)).await;
            wait *= 2;
        }
        self.send_once().await
    }

    /// Makes the call. Returns what the response has, as JSON.
    pub(crate) async fn read<T: DeserializeOwned>(&self) -> anyhow::Result<T> {
        let text = self.send().await?;
        serde_json::from_str(&text).with_context(|| self.unexpected())
    }

    /// Makes the call. Returns the response as it is.
    pub(crate) async fn raw(&self) -> anyhow::Result<Box<RawValue>> {
        RawValue::from_string(self.send().await?).with_context(|| self.unexpected())
    }

    /// Makes the call once. Returns the response's body.
    pub(crate) async fn send_once(&self) -> Result<String, Failure> {
        let unreachable = |error| Failure::unreachable(error, &self.api.url);
        let answer = self.request().map_err(Failure::Lasting)?.send().await.map_err(unreachable)?;
        let (status, headers) = (answer.status(), answer.headers().clone());
        let text = answer.text().await.map_err(unreachable)?;
        if status.is_success() { Ok(text) } else { Err(Failure::refusal(status, &headers, &text)) }
    }

    fn request(&self) -> anyhow::Result<reqwest::RequestBuilder> {
        let method = self.operation.method.parse()?;
        let mut request = self.api.client.request(method, self.url()?);
        if let Some(key) = &self.api.key {
            request = request.bearer_auth(key);
        }
        if self.operation.reach != Reach::Platform
            && let Some(account) = &self.api.account
        {
            request = request.header("posthorn-account", account.to_string());
        }
        if let Some(key) = &self.idempotency_key {
            request = request.header("idempotency-key", key);
        }
        Ok(match &self.body {
            Some(body) => request.header("content-type", "application/json").body(body.clone()),
            None => request,
        })
    }

    fn url(&self) -> anyhow::Result<Url> {
        let mut url = self.api.url.clone();
        for part in &self.path {
            // They would lead to another operation.
            require(!["", ".", ".."].contains(&part.as_str()), || format!("{part:?} is no id"))?;
        }
        let mut given = self.path.iter();
        let mut segments =
            url.path_segments_mut().map_err(|()| anyhow!("the address of the API is invalid"))?;
        segments.pop_if_empty();
        for part in self.operation.path.split('/').skip(1) {
            segments.push(if part.starts_with('{') { given.next().map_or("", String::as_str) } else { part });
        }
        drop(segments);
        let mode = self.api.livemode.filter(|_| self.operation.reach == Reach::Tenant);
        if mode.is_some() || !self.query.is_empty() {
            url.query_pairs_mut().extend_pairs(&self.query);
        }
        if let Some(live) = mode {
            url.query_pairs_mut().append_pair("livemode", if live { "true" } else { "false" });
        }
        Ok(url)
    }

    /// Returns whether a second call does no more than one.
    fn is_repeatable(&self) -> bool {
        self.operation.method == "GET" || self.idempotency_key.is_some()
    }

    fn unexpected(&self) -> String {
        let Operation { id, method, path, .. } = self.operation;
        format!("the API's answer to {method} {path} is not what {id} answers: is the address right?")
    }
}
