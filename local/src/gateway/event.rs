//! Converts a request to the event that API Gateway passes to a function (payload format 2.0).

use std::collections::BTreeMap;
use std::net::SocketAddr;

use axum::body::Bytes;
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use http::HeaderMap;
use http::header::{CONTENT_TYPE, COOKIE, HOST, USER_AGENT};
use http::request::Parts;
use posthorn_domain::{Clock as _, Random as _};
use posthorn_local_aws::template::AWS_ACCOUNT;
use posthorn_runtime::{SystemClock, SystemRandom};
use serde_json::{Value, json};
use url::form_urlencoded;

/// A request, and its route.
pub(super) struct Invocation<'a> {
    pub(super) head: Parts,
    pub(super) body: Bytes,
    pub(super) caller: SocketAddr,
    /// The route's key, such as `GET /api/events`.
    pub(super) route: &'a str,
    /// The parameters of the path.
    pub(super) parameters: BTreeMap<String, String>,
}

impl Invocation<'_> {
    /// The event in JSON.
    pub(super) fn event(&self) -> Value {
        let (body, is_base64) = self.body();
        json!({
            "version": "2.0",
            "routeKey": self.route,
            "rawPath": self.head.uri.path(),
            "rawQueryString": self.head.uri.query().unwrap_or_default(),
            "cookies": self.cookies(),
            "headers": self.headers(),
            "queryStringParameters": self.query_parameters(),
            "pathParameters": self.parameters,
            "requestContext": self.context(),
            "body": body,
            "isBase64Encoded": is_base64,
        })
    }

    fn context(&self) -> Value {
        let now = SystemClock.now();
        let time = jiff::Timestamp::from_millisecond(now.as_millis()).unwrap_or_default();
        json!({
            "accountId": AWS_ACCOUNT,
            "apiId": "local",
            "domainName": text(&self.head.headers, HOST),
            "domainPrefix": "local",
            "http": {
                "method": self.head.method.as_str(),
                "path": self.head.uri.path(),
                "protocol": format!("{:?}", self.head.version),
                "sourceIp": self.caller.ip(),
                "userAgent": text(&self.head.headers, USER_AGENT),
            },
            "requestId": format!("{:016x}", SystemRandom.bits()),
            "routeKey": self.route,
            "stage": "$default",
            "time": time.strftime("%d/%b/%Y:%H:%M:%S +0000").to_string(),
            "timeEpoch": now.as_millis(),
        })
    }

    fn cookies(&self) -> Vec<&str> {
        let headers = self.head.headers.get_all(COOKIE).iter().filter_map(|value| value.to_str().ok());
        headers.flat_map(|cookies| cookies.split("; ")).collect()
    }

    /// The headers. The values of a header that occurs more than once are joined with commas. API Gateway adds that it was
    /// called with https; a laptop is called with http.
    fn headers(&self) -> BTreeMap<&str, String> {
        let mut joined: BTreeMap<&str, String> = BTreeMap::new();
        for (name, value) in self.head.headers.iter().filter(|(name, _)| *name != COOKIE) {
            join(joined.entry(name.as_str()).or_default(), &String::from_utf8_lossy(value.as_bytes()));
        }
        joined.insert("x-forwarded-proto", "http".to_owned());
        joined
    }

    fn query_parameters(&self) -> BTreeMap<String, String> {
        let mut joined: BTreeMap<String, String> = BTreeMap::new();
        for (name, value) in form_urlencoded::parse(self.head.uri.query().unwrap_or_default().as_bytes()) {
            join(joined.entry(name.into_owned()).or_default(), &value);
        }
        joined
    }

    /// The body, and whether it is in Base64. It is text if its content type is a text type.
    fn body(&self) -> (Option<String>, bool) {
        if self.body.is_empty() {
            return (None, false);
        }
        let content_type = text(&self.head.headers, CONTENT_TYPE).unwrap_or("text/plain");
        let is_text = content_type.starts_with("text/") || content_type.starts_with("application/json");
        match std::str::from_utf8(&self.body) {
            Ok(body) if is_text => (Some(body.to_owned()), false),
            _ => (Some(BASE64_STANDARD.encode(&self.body)), true),
        }
    }
}

fn text(headers: &HeaderMap, name: http::HeaderName) -> Option<&str> {
    headers.get(name)?.to_str().ok()
}

fn join(values: &mut String, value: &str) {
    if !values.is_empty() {
        values.push(',');
    }
    values.push_str(value);
}
