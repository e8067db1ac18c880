//! Calls the API.

use std::time::Duration;

use anyhow::{Context as _, Result, anyhow};
use clap::Args;
use posthorn_domain::AccountId;
use reqwest::{StatusCode, Url};
use serde::Deserialize;

/// The longest wait for the next part of a response: longer than any function takes.
const PATIENCE: Duration = Duration::from_secs(35);
/// The longest wait for a connection.
const CONNECTING: Duration = Duration::from_secs(10);

/// Which API, and who asks.
#[derive(Args)]
pub(crate) struct ApiArguments {
    /// The address of the API: the stack's output `ApiUrl`
    #[arg(long, value_name = "URL", env = "POSTHORN_API_URL", default_value = "http://127.0.0.1:8080")]
    api_url: Url,
    /// The API key. A system on this machine needs none
    #[arg(long, value_name = "KEY", env = "POSTHORN_API_KEY", hide_env_values = true)]
    api_key: Option<String>,
    /// The account that a platform key acts for
    #[arg(long, value_name = "ID")]
    account: Option<AccountId>,
    /// Live data
    #[arg(long, conflicts_with = "test")]
    live: bool,
    /// Test data. The default is the mode of the key; a platform key has none, and uses test data
    #[arg(long)]
    test: bool,
}

/// Why a call has no answer.
#[derive(Debug)]
pub(crate) enum Failure {
    /// It may be answered when it is made again.
    Passing(String),
    /// It will not be answered.
    Lasting(anyhow::Error),
}

/// A client of the API.
pub(crate) struct Api {
    client: reqwest::Client,
    url: Url,
    key: Option<String>,
    account: Option<AccountId>,
    livemode: Option<bool>,
}

/// What the API says about a refusal, and API Gateway about its own.
#[derive(Deserialize)]
struct Problem {
    detail: Option<String>,
    message: Option<String>,
}

impl ApiArguments {
    /// Returns a client.
    pub(crate) fn client(self) -> Result<Api> {
        let key = self.api_key.map(|key| key.trim().to_owned()).filter(|key| !key.is_empty());
        let is_platform = key.as_deref().is_some_and(|key| key.starts_with("sk_platform_"));
        let livemode = (self.live || self.test || is_platform).then_some(self.live);
        let client = reqwest::Client::builder().read_timeout(PATIENCE).connect_timeout(CONNECTING).build()?;
        Ok(Api { client, url: self.api_url, key, account: self.account, livemode })
    }
}

impl Api {
    /// Gets a path below the API's address, with a query. Returns the body.
    pub(crate) async fn get(&self, path: &str, query: &[(&str, &str)]) -> Result<String, Failure> {
        let mut url =
            self.url.join(path).context("the address of the API is invalid").map_err(Failure::Lasting)?;
        url.query_pairs_mut().extend_pairs(query);
        if let Some(livemode) = self.livemode {
            url.query_pairs_mut().append_pair("livemode", if livemode { "true" } else { "false" });
        }
        let mut request = self.client.get(url);
        if let Some(key) = &self.key {
            request = request.bearer_auth(key);
        }
        if let Some(account) = &self.account {
            request = request.header("posthorn-account", account.to_string());
        }
        let unreachable = |error: reqwest::Error| {
            if error.is_builder() {
                return Failure::Lasting(anyhow!(error).context("the request cannot be made"));
            }
            Failure::Passing(format!("The API cannot be reached: {:#}.", anyhow!(error.without_url())))
        };
        let answer = request.send().await.map_err(unreachable)?;
        let status = answer.status();
        let text = answer.text().await.map_err(unreachable)?;
        if status.is_success() { Ok(text) } else { Err(refusal(status, &text)) }
    }
}

fn refusal(status: StatusCode, text: &str) -> Failure {
    let problem: Option<Problem> = serde_json::from_str(text).ok();
    let said = problem.and_then(|problem| problem.detail.or(problem.message));
    let said =
        format!("The API answered {status}: {}", said.unwrap_or_else(|| text.chars().take(200).collect()));
    let may_pass = [StatusCode::REQUEST_TIMEOUT, StatusCode::CONFLICT, StatusCode::TOO_MANY_REQUESTS];
    if may_pass.contains(&status) || status.is_server_error() {
        Failure::Passing(said)
    } else {
        Failure::Lasting(anyhow!(said))
    }
}
