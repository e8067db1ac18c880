//! Successful answers.

use http::header::CONTENT_TYPE;
use http::{HeaderValue, StatusCode};
use lambda_http::Body;
use serde::Serialize;

/// An answer to API Gateway.
pub type Response = lambda_http::Response<Body>;

/// Returns a 200 with this body as JSON.
pub fn ok(body: &impl Serialize) -> Response {
    json(StatusCode::OK, body)
}

/// Returns a 201 with this body as JSON.
pub fn created(body: &impl Serialize) -> Response {
    json(StatusCode::CREATED, body)
}

/// Returns a 202 with this body as JSON.
pub fn accepted(body: &impl Serialize) -> Response {
    json(StatusCode::ACCEPTED, body)
}

/// Returns a 202 with this body as JSON, and a header that says: this idempotency key has had this answer before.
pub fn replayed(body: &impl Serialize) -> Response {
    let mut response = accepted(body);
    response.headers_mut().insert("idempotent-replayed", HeaderValue::from_static("true"));
    response
}

fn json(status: StatusCode, body: &impl Serialize) -> Response {
    let body = serde_json::to_string(body).expect("JSON can express every response");
    let mut response = Response::new(Body::Text(body));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}
