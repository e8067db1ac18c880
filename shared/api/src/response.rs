//! Answers that went well.

use http::header::CONTENT_TYPE;
use http::{HeaderValue, StatusCode};
use lambda_http::Body;
use serde::Serialize;

/// An answer to API Gateway.
pub type Response = lambda_http::Response<Body>;

/// 200 with this as JSON.
pub fn ok(body: &impl Serialize) -> Response {
    json(StatusCode::OK, body)
}

/// 201 with this as JSON.
pub fn created(body: &impl Serialize) -> Response {
    json(StatusCode::CREATED, body)
}

/// 202 with this as JSON.
pub fn accepted(body: &impl Serialize) -> Response {
    json(StatusCode::ACCEPTED, body)
}

/// 202 with this as JSON, as it was answered before to the same idempotency key.
pub fn replayed(body: &impl Serialize) -> Response {
    let mut response = accepted(body);
    response.headers_mut().insert("idempotent-replayed", HeaderValue::from_static("true"));
    response
}

fn json(status: StatusCode, body: &impl Serialize) -> Response {
    let body = serde_json::to_string(body).expect("answers hold nothing that JSON cannot");
    let mut response = Response::new(Body::Text(body));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}
