//! Answers HTTP requests as an HTTP API of API Gateway does: it passes each request to its route's function as an
//! event.

mod event;
mod pages;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::panic::AssertUnwindSafe;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use axum::body::{Body, to_bytes};
use axum::extract::{ConnectInfo, Request};
use futures::FutureExt as _;
use http::header::{AUTHORIZATION, CONTENT_TYPE};
use http::request::Parts;
use http::{HeaderValue, StatusCode};
use lambda_http::{Context, RequestExt as _};
use matchit::Router;
use posthorn_api::Problem;
use posthorn_api::bytes_in_answer;
use posthorn_domain::Clock as _;
use posthorn_local_aws::template::Route;
use posthorn_runtime::{HttpFunction, SystemClock};
use tokio::net::TcpListener;
use tracing::error;
use url::form_urlencoded;

use event::Invocation;

/// Maximum bytes of a request that API Gateway accepts: 10 MB.
const BODY_LIMIT: usize = 10 << 20;
/// Maximum bytes that Lambda accepts of an event, and of a function's answer: 6 MB each
/// ([Lambda quotas](https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html)).
const PAYLOAD_LIMIT: usize = 6 << 20;

/// The function behind a route.
#[derive(Clone)]
pub(crate) struct Target {
    pub(crate) function: HttpFunction,
    /// Maximum time of an invocation.
    pub(crate) timeout: Duration,
}

/// The routes of an HTTP API.
pub(crate) struct Gateway {
    /// The key and the target of each route, by method.
    routers: BTreeMap<String, Router<(String, Target)>>,
    /// Answers requests that match no route.
    default: Option<Target>,
    /// Added to requests without `Authorization`.
    authorization: HeaderValue,
    /// The same, for requests for test data.
    test_authorization: HeaderValue,
    /// The platform's key, which is as public, but never added.
    platform_authorization: HeaderValue,
    /// Whether requests need an API key or a signature of their own.
    requires_keys: bool,
}

impl Gateway {
    /// Returns a gateway that adds one of the first two keys to requests without one, depending on whether they ask for live
    /// or test data, unless it requires keys. None of the three is accepted from web pages.
    pub(crate) fn new(key: &str, test_key: &str, platform_key: &str, requires_keys: bool) -> Result<Self> {
        let bearer = |key: &str| HeaderValue::try_from(format!("Bearer {key}"));
        Ok(Self {
            routers: BTreeMap::new(),
            default: None,
            authorization: bearer(key)?,
            test_authorization: bearer(test_key)?,
            platform_authorization: bearer(platform_key)?,
            requires_keys,
        })
    }

    /// Passes the requests of these routes to this function.
    pub(crate) fn add(&mut self, routes: &[Route], target: &Target) -> Result<()> {
        for Route { method, path } in routes {
            if path == Route::DEFAULT {
                ensure!(self.default.is_none(), "the template has two routes {}", Route::DEFAULT);
                self.default = Some(target.clone());
                continue;
            }
            let key = format!("{method} {path}");
            let of_method = self.routers.entry(method.clone()).or_default();
            of_method
                .insert(pattern(path), (key.clone(), target.clone()))
                .with_context(|| format!("cannot add the route {key}"))?;
        }
        Ok(())
    }

    /// Serves the routes until `shutdown` resolves.
    pub(crate) async fn serve(
        self,
        listener: TcpListener,
        shutdown: impl Future<Output = ()> + Send + 'static,
    ) -> Result<()> {
        let gateway = std::sync::Arc::new(self);
        let router = axum::Router::new().fallback(
            move |ConnectInfo(caller): ConnectInfo<SocketAddr>, request: Request| async move {
                gateway.answer(caller, request).await
            },
        );
        let service = router.into_make_service_with_connect_info::<SocketAddr>();
        Ok(axum::serve(listener, service).with_graceful_shutdown(shutdown).await?)
    }

    /// Finds a request's route. Returns the route's key and target, and the path's parameters.
    fn find(&self, method: &str, path: &str) -> Option<(&str, &Target, BTreeMap<String, String>)> {
        let of_method = |method: &str| self.routers.get(method).and_then(|router| router.at(path).ok());
        let found = of_method(method).or_else(|| of_method("ANY"));
        let Some(found) = found else {
            return self.default.as_ref().map(|target| (Route::DEFAULT, target, BTreeMap::new()));
        };
        let (key, target) = found.value;
        let parameters = found.params.iter().map(|(name, value)| (name.to_owned(), value.to_owned()));
        Some((key, target, parameters.collect()))
    }

    async fn answer(&self, caller: SocketAddr, request: Request) -> http::Response<Body> {
        let (mut head, body) = request.into_parts();
        let Some((route, target, parameters)) = self.find(head.method.as_str(), head.uri.path()) else {
            return message(StatusCode::NOT_FOUND, "Not Found");
        };
        // The console's pages take no key.
        let is_page = head.uri.path() == "/" || head.uri.path().starts_with("/console/");
        if !is_page && let Err(problem) = self.lend_key(&mut head) {
            return problem.into_response("").map(into_body);
        }
        let Ok(body) = to_bytes(body, BODY_LIMIT).await else {
            return message(StatusCode::PAYLOAD_TOO_LARGE, "Request Entity Too Large");
        };
        let event = Invocation { head, body, caller, route, parameters }.event().to_string();
        if event.len() > PAYLOAD_LIMIT {
            return message(StatusCode::PAYLOAD_TOO_LARGE, "Request Entity Too Large");
        }
        let answer = AssertUnwindSafe(target.invoke(&event)).catch_unwind().await;
        answer.unwrap_or_else(|_| message(StatusCode::INTERNAL_SERVER_ERROR, "Internal Server Error"))
    }

    /// Adds a development key to a request without an API key. Requests that contain a development key get the same
    /// check, because web pages know these keys, too.
    fn lend_key(&self, head: &mut Parts) -> Result<(), Problem> {
        let ours = [&self.authorization, &self.test_authorization, &self.platform_authorization];
        match head.headers.get(AUTHORIZATION) {
            None if self.requires_keys => return Ok(()),
            Some(given) if ours.iter().all(|key| !is_same_key(given, key)) => return Ok(()),
            given => pages::refuse_pages(&head.headers, given.is_some())?,
        }
        let query = form_urlencoded::parse(head.uri.query().unwrap_or_default().as_bytes());
        let is_test = query.into_iter().any(|(name, value)| name == "livemode" && value == "false");
        let authorization = if is_test { &self.test_authorization } else { &self.authorization };
        head.headers.entry(AUTHORIZATION).or_insert_with(|| authorization.clone());
        Ok(())
    }
}

/// Returns a route's path as the router writes it: `/console/{file+}`, the rest of a path, is `/console/{*file}` there.
fn pattern(path: &str) -> String {
    let rest = path.strip_suffix("+}").and_then(|path| path.rsplit_once('{'));
    rest.map_or_else(|| path.to_owned(), |(before, name)| format!("{before}{{*{name}}}"))
}

/// Whether two `Authorization` headers contain the same key. The scheme's spelling and the spaces around the key may
/// differ.
fn is_same_key(one: &HeaderValue, other: &HeaderValue) -> bool {
    let key = |header: &HeaderValue| {
        let text = header.to_str().unwrap_or_default();
        text.split_once(' ').map_or("", |(_, key)| key.trim()).to_owned()
    };
    key(one) == key(other)
}

impl Target {
    async fn invoke(&self, event: &str) -> http::Response<Body> {
        let request = match lambda_http::request::from_str(event) {
            Ok(request) => request,
            Err(cause) => {
                error!(
                    error = &cause as &dyn std::error::Error,
                    "the request cannot be converted to an event"
                );
                return message(StatusCode::BAD_REQUEST, "Bad Request");
            }
        };
        let mut context = Context::default();
        let deadline = SystemClock.now().plus(self.timeout);
        context.deadline = u64::try_from(deadline.as_millis()).unwrap_or(u64::MAX);
        let request = request.with_lambda_context(context);
        match tokio::time::timeout(self.timeout, (self.function)(request)).await {
            Ok(answer) if bytes_of_answer(&answer) > PAYLOAD_LIMIT => {
                message(StatusCode::INTERNAL_SERVER_ERROR, "Internal Server Error")
            }
            Ok(answer) => answer.map(into_body),
            Err(_) => message(StatusCode::SERVICE_UNAVAILABLE, "Service Unavailable"),
        }
    }
}

/// The bytes of an answer as a function returns it to Lambda: a JSON object with the body as one of its strings.
fn bytes_of_answer(answer: &http::Response<lambda_http::Body>) -> usize {
    let headers = answer.headers().iter().map(|(name, value)| name.as_str().len() + value.len() + 6);
    let body = match answer.body() {
        lambda_http::Body::Text(text) => bytes_in_answer(text),
        lambda_http::Body::Binary(bytes) => bytes.len().div_ceil(3) * 4,
        _ => 0,
    };
    ENVELOPE.len() + headers.sum::<usize>() + body
}

/// The JSON around the headers and the body.
const ENVELOPE: &str = r#"{"statusCode":200,"headers":{},"multiValueHeaders":{},"body":"","isBase64Encoded":false,"cookies":[]}"#;

fn into_body(body: lambda_http::Body) -> Body {
    match body {
        lambda_http::Body::Text(text) => Body::from(text),
        lambda_http::Body::Binary(bytes) => Body::from(bytes),
        _ => Body::empty(),
    }
}

/// An answer of API Gateway itself.
fn message(status: StatusCode, text: &str) -> http::Response<Body> {
    let mut response = http::Response::new(Body::from(serde_json::json!({ "message": text }).to_string()));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}
