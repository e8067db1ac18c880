//! The stack's HTTP API.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use http::{Method, header};
use serde_json::Value;

/// Timeout of a request: API Gateway gives up after 30 s.
const TIMEOUT: Duration = Duration::from_secs(35);

/// A client of the API.
pub(crate) struct Api {
    base: String,
    key: String,
    client: reqwest::Client,
}

/// An answer of the API.
pub(crate) struct Answer {
    /// The request, for error messages.
    request: String,
    status: u16,
    media_type: String,
    body: String,
}

/// Returns the HTTP client for requests.
pub(crate) fn client() -> Result<reqwest::Client> {
    Ok(reqwest::Client::builder().timeout(TIMEOUT).build()?)
}

impl Api {
    /// Uses the API at this address with this key.
    pub(crate) fn new(client: reqwest::Client, base: &str, key: String) -> Self {
        Self { base: base.trim_end_matches('/').to_owned(), key, client }
    }

    /// Sends a request with the key.
    pub(crate) async fn request(&self, method: Method, path: &str, body: Option<&Value>) -> Result<Answer> {
        self.send(method, path, body, Some(&self.key)).await
    }

    /// Sends a GET without a key.
    pub(crate) async fn get_without_key(&self, path: &str) -> Result<Answer> {
        self.send(Method::GET, path, None, None).await
    }

    pub(crate) async fn get(&self, path: &str) -> Result<Value> {
        self.request(Method::GET, path, None).await?.json(200)
    }

    /// Returns `None` if the answer is 404.
    pub(crate) async fn find(&self, path: &str) -> Result<Option<Value>> {
        let answer = self.request(Method::GET, path, None).await?;
        if answer.status == 404 { Ok(None) } else { answer.json(200).map(Some) }
    }

    /// Sends a POST. Errors unless the answer has this status.
    pub(crate) async fn post(&self, path: &str, body: &Value, status: u16) -> Result<Value> {
        self.request(Method::POST, path, Some(body)).await?.json(status)
    }

    pub(crate) async fn put(&self, path: &str, body: &Value) -> Result<Value> {
        self.request(Method::PUT, path, Some(body)).await?.json(200)
    }

    pub(crate) async fn delete(&self, path: &str) -> Result<Value> {
        self.request(Method::DELETE, path, None).await?.json(200)
    }

    async fn send(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
        key: Option<&str>,
    ) -> Result<Answer> {
        let what = format!("{method} {path}");
        let mut request = self.client.request(method, format!("{}{path}", self.base));
        if let Some(key) = key {
            request = request.bearer_auth(key);
        }
        if let Some(body) = body {
            request = request.header(header::CONTENT_TYPE, "application/json").body(body.to_string());
        }
        let response = request.send().await.with_context(|| format!("{what} got no response"))?;
        let media_type = response.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
        Ok(Answer {
            status: response.status().as_u16(),
            media_type: media_type.unwrap_or_default().to_owned(),
            body: response.text().await.with_context(|| format!("the response to {what} ended early"))?,
            request: what,
        })
    }
}

impl Answer {
    /// Returns the answer's JSON. Errors unless the answer has this status.
    pub(crate) fn json(&self, status: u16) -> Result<Value> {
        let Self { request, status: got, body, .. } = self;
        ensure!(*got == status, "{request} should return {status}, but returned {got}: {body}");
        serde_json::from_str(body).with_context(|| format!("{request} should return JSON: {body}"))
    }

    /// Errors unless the answer is problem JSON (RFC 9457) with this status.
    pub(crate) fn problem(&self, status: u16) -> Result<()> {
        let (problem, Self { request, media_type, body, .. }) = (self.json(status)?, self);
        ensure!(
            media_type.starts_with("application/problem+json"),
            "{request} should return application/problem+json, but returned {media_type}: {body}"
        );
        let complete =
            problem["status"] == status && problem["title"].is_string() && problem["detail"].is_string();
        ensure!(complete, "{request} should return a title, a status and a detail: {body}");
        Ok(())
    }
}

/// Returns a text field of an answer. Errors if it is missing.
pub(crate) fn text<'v>(value: &'v Value, field: &str) -> Result<&'v str> {
    value[field].as_str().with_context(|| format!("`{field}` should be a text in {value}"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may fail")]

    use super::*;

    fn answer(status: u16, media_type: &str, body: &str) -> Answer {
        let (request, media_type, body) = ("GET /x".to_owned(), media_type.to_owned(), body.to_owned());
        Answer { request, status, media_type, body }
    }

    #[test]
    fn only_problem_json_with_the_status_is_a_problem() {
        let body = r#"{"status": 404, "title": "Not Found", "detail": "no such route"}"#;
        answer(404, "application/problem+json", body).problem(404).unwrap();
        let refused = |answer: Answer| answer.problem(404).unwrap_err().to_string();
        assert!(refused(answer(404, "application/json", body)).contains("returned application/json"));
        assert!(refused(answer(403, "application/problem+json", body)).contains("returned 403"));
        let gateway = answer(404, "application/problem+json", r#"{"message": "Not Found"}"#);
        assert!(refused(gateway).contains("should return a title"));
        assert!(refused(answer(404, "text/html", "<html>")).contains("should return JSON"));
    }
}
