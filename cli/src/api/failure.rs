//! Why a call of the API has no answer.

use std::time::Duration;

use anyhow::anyhow;
use reqwest::header::{HeaderMap, RETRY_AFTER};
use reqwest::{StatusCode, Url};
use serde::Deserialize;
use thiserror::Error;

use crate::settings;

/// Why a call has no answer.
#[derive(Debug, Error)]
pub(crate) enum Failure {
    /// It may be answered when it is made again.
    #[error("{said}")]
    Passing {
        said: String,
        /// How long the API asks to wait before.
        wait: Option<Duration>,
        /// Whether the API did nothing, so that also a call that is no reading may be made again.
        is_undone: bool,
    },
    /// There is no such thing.
    #[error("{0}")]
    NotFound(String),
    /// It will not be answered.
    #[error("{0:#}")]
    Lasting(anyhow::Error),
}

/// What the API says about a refusal, and API Gateway about its own.
#[derive(Deserialize)]
struct Problem {
    detail: Option<String>,
    message: Option<String>,
}

impl Failure {
    /// The request could not be sent, or its answer not be read.
    pub(crate) fn unreachable(error: reqwest::Error, api: &Url) -> Self {
        if error.is_builder() {
            return Self::Lasting(anyhow!(error).context("the request cannot be made"));
        }
        let is_undone = error.is_connect();
        let advice = if *api == settings::local() {
            " Start a system on this machine with `cargo run`, or name another with `posthorn login`."
        } else {
            ""
        };
        let (api, error) = (settings::without_secrets(api.clone()), anyhow!(error.without_url()));
        let said = format!("The API at {api} cannot be reached: {error:#}.{advice}");
        Self::Passing { said, wait: None, is_undone }
    }

    /// The API answered with an error.
    pub(crate) fn refusal(status: StatusCode, headers: &HeaderMap, text: &str) -> Self {
        let problem: Option<Problem> = serde_json::from_str(text).ok();
        let said = problem.and_then(|problem| problem.detail.or(problem.message));
        let said = format!(
            "The API answered {status}: {}",
            said.unwrap_or_else(|| text.chars().take(200).collect())
        );
        let advice = if said.contains("Posthorn-Account") { " The option --account does that." } else { "" };
        let said = said + advice;
        let may_pass = [StatusCode::REQUEST_TIMEOUT, StatusCode::CONFLICT, StatusCode::TOO_MANY_REQUESTS];
        if status == StatusCode::NOT_FOUND {
            return Self::NotFound(said);
        }
        if !may_pass.contains(&status) && !status.is_server_error() {
            return Self::Lasting(anyhow!(said));
        }
        let wait = headers.get(RETRY_AFTER).and_then(|value| value.to_str().ok()?.parse().ok());
        let is_undone = status == StatusCode::TOO_MANY_REQUESTS;
        Self::Passing { said, wait: wait.map(Duration::from_secs), is_undone }
    }
}

#[cfg(test)]
mod tests {
    use reqwest::header::HeaderValue;

    use super::*;

    #[test]
    fn a_refusal_is_told_with_the_reason_that_the_api_gives() {
        let said = |text| Failure::refusal(StatusCode::NOT_FOUND, &HeaderMap::new(), text).to_string();
        assert_eq!(said(r#"{"detail":"no event evt_1"}"#), "The API answered 404 Not Found: no event evt_1");
        assert_eq!(said(r#"{"message":"Not Found"}"#), "The API answered 404 Not Found: Not Found");
        assert_eq!(said("<html>"), "The API answered 404 Not Found: <html>");
    }

    #[test]
    fn what_may_pass_says_how_long_to_wait_and_whether_nothing_was_done() {
        let headers = HeaderMap::from_iter([(RETRY_AFTER, HeaderValue::from_static("7"))]);
        let passing = |status| match Failure::refusal(status, &headers, "") {
            Failure::Passing { wait, is_undone, .. } => Some((wait.map(|wait| wait.as_secs()), is_undone)),
            Failure::NotFound(_) | Failure::Lasting(_) => None,
        };
        assert_eq!(passing(StatusCode::TOO_MANY_REQUESTS), Some((Some(7), true)));
        assert_eq!(passing(StatusCode::SERVICE_UNAVAILABLE), Some((Some(7), false)));
        assert_eq!(passing(StatusCode::FORBIDDEN), None);
    }
}
