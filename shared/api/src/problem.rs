//! Errors as answers: problem JSON ([RFC 9457](https://www.rfc-editor.org/rfc/rfc9457)), plus a `code` that a program can act
//! on, plus `error`, a sentence that a person can act on, plus `param` where one field is to blame.

use std::error::Error;
use std::fmt::Display;

use http::HeaderValue;
use http::header::{ALLOW, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use lambda_http::Body;
use posthorn_domain::{InvalidField, RotationRefused};
use posthorn_storage::StorageError;
use serde::Serialize;
use tracing::error;

use crate::{Code, Response};

/// The longest sentence, and the longest name of a field, in characters. Both may repeat what the client sent, and a batch's
/// answer may have a hundred of them.
const MAX_DETAIL: usize = 1_000;
const MAX_PARAM: usize = 200;

/// Why a request failed.
#[derive(Debug)]
pub struct Problem {
    code: Code,
    detail: Detail,
    param: Option<String>,
    /// The methods that the path has, where the one asked for is none of them.
    allowed: Option<String>,
}

/// What is said of a problem.
#[derive(Debug)]
enum Detail {
    /// This sentence.
    Sentence(String),
    /// That it is our fault or AWS's. The cause goes to the log, not to the caller.
    Cause(Box<dyn Error + Send + Sync>),
}

impl Problem {
    /// A problem of this kind. The detail is a sentence that says what is wrong, and what to do.
    pub fn new(code: Code, detail: impl Into<String>) -> Self {
        Self { code, detail: Detail::Sentence(detail.into()), param: None, allowed: None }
    }

    /// A problem with one thing that has a name; `reason` ends the sentence that begins with it.
    fn with(code: Code, param: &str, reason: impl Display) -> Self {
        Self { param: Some(param.to_owned()), ..Self::new(code, format!("`{param}` {reason}")) }
    }

    /// A query parameter is to blame.
    pub fn param(param: &str, reason: impl Display) -> Self {
        Self::with(Code::InvalidParameter, param, reason)
    }

    /// A query parameter that there is not.
    pub fn unknown_param(param: &str, reason: impl Display) -> Self {
        Self::with(Code::UnknownParameter, param, reason)
    }

    /// A cursor names a place that is not known any more.
    pub fn unknown_cursor(param: &str, reason: impl Display) -> Self {
        Self::with(Code::UnknownCursor, param, reason)
    }

    /// A numbered page has more than one answer can hold; pages of so many entries fit.
    pub fn page_too_large(fitting: usize) -> Self {
        let reason = format!(
            "asks for more than fits into one answer (6 MB). Ask for {fitting} at most, or page with `starting_after`."
        );
        Self::with(Code::PageTooLarge, "pageSize", reason)
    }

    /// A field of the body is to blame.
    pub fn field(param: &str, reason: impl Display) -> Self {
        Self::with(Code::InvalidField, param, reason)
    }

    /// An update asks for another secret.
    pub fn secret_not_editable() -> Self {
        let reason = "can't be changed by an update. Use POST …/secret/rotate.";
        Self::with(Code::SecretNotEditable, "secret", reason)
    }

    /// A header is to blame.
    pub fn header(param: &str, reason: impl Display) -> Self {
        Self::with(Code::InvalidHeader, param, reason)
    }

    /// The request's `livemode` is not its key's.
    pub fn wrong_mode(detail: impl Into<String>) -> Self {
        Self { param: Some("livemode".to_owned()), ..Self::new(Code::WrongMode, detail) }
    }

    /// The tenant has no endpoint of this id.
    pub fn no_endpoint(id: impl Display) -> Self {
        let detail = format!("There is no webhook endpoint {id} in this account and mode.");
        Self::new(Code::EndpointNotFound, detail)
    }

    /// The tenant has no event of this id.
    pub fn no_event(id: impl Display) -> Self {
        let detail = format!(
            "There is no event {id} in this account and mode; it may be too new, or older than events are kept."
        );
        Self::new(Code::EventNotFound, detail)
    }

    /// The tenant has no attempt of this id.
    pub fn no_attempt(id: impl Display) -> Self {
        let detail = format!(
            "There is no attempt {id} in this account and mode; it may be older than events are kept."
        );
        Self::new(Code::AttemptNotFound, detail)
    }

    /// The event was never sent to the endpoint.
    pub fn no_delivery(event_id: impl Display, endpoint_id: impl Display) -> Self {
        let detail = format!(
            "The event {event_id} was not sent to a webhook endpoint {endpoint_id}. What an endpoint missed is sent by \
             its recovery, with the scope `missing`."
        );
        Self::new(Code::DeliveryNotFound, detail)
    }

    /// The endpoint has no recovery of this id.
    pub fn no_recovery(id: impl Display) -> Self {
        let detail =
            format!("This webhook endpoint has no recovery {id}; it may be older than events are kept.");
        Self::new(Code::RecoveryNotFound, detail)
    }

    /// The path has other methods, which stand between commas.
    pub fn method_not_allowed(method: &str, allowed: String) -> Self {
        let detail = format!("This path has no method {method}, only {allowed}.");
        Self { allowed: Some(allowed), ..Self::new(Code::MethodNotAllowed, detail) }
    }

    /// AWS did not do its part, or not in time.
    pub fn unavailable(cause: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self { detail: Detail::Cause(cause.into()), ..Self::new(Code::Unavailable, "") }
    }

    /// It is our fault.
    pub fn internal(cause: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self { detail: Detail::Cause(cause.into()), ..Self::new(Code::InternalError, "") }
    }

    /// The problem as a JSON object. That of a 500 or 503 says nothing of its cause but the request's id.
    pub fn body(&self, request_id: &str) -> ProblemBody {
        let status = self.code.status();
        let detail = match &self.detail {
            Detail::Sentence(sentence) => shortened(sentence, MAX_DETAIL),
            Detail::Cause(cause) => {
                error!(request_id, error = %describe(cause.as_ref()), "request failed");
                let what = match self.code {
                    Code::Unavailable => {
                        "The service is overloaded or AWS does not answer. Repeat the request a little later."
                    }
                    _ => "Something went wrong on our side.",
                };
                format!("{what} When you report it, name the request {request_id}.")
            }
        };
        ProblemBody {
            r#type: "about:blank",
            title: status.canonical_reason().unwrap_or_default(),
            status: status.as_u16(),
            code: self.code,
            error: detail.clone(),
            detail,
            param: self.param.as_ref().map(|param| shortened(param, MAX_PARAM)),
        }
    }

    /// The problem as an answer.
    pub fn into_response(self, request_id: &str) -> Response {
        let body =
            serde_json::to_string(&self.body(request_id)).expect("a problem holds nothing that JSON cannot");
        let mut response = Response::new(Body::Text(body));
        let status = self.code.status();
        *response.status_mut() = status;
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        if status == http::StatusCode::UNAUTHORIZED {
            headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        if let Some(allowed) = self.allowed {
            headers.insert(ALLOW, HeaderValue::try_from(allowed).expect("methods are visible ASCII"));
        }
        if self.code == Code::Unavailable {
            headers.insert(RETRY_AFTER, HeaderValue::from_static("1"));
        }
        response
    }
}

/// A problem as a JSON object.
#[derive(Debug, Clone, Serialize)]
pub struct ProblemBody {
    r#type: &'static str,
    title: &'static str,
    status: u16,
    code: Code,
    detail: String,
    error: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    param: Option<String>,
}

/// The beginning of a text.
fn shortened(text: &str, max: usize) -> String {
    match text.char_indices().nth(max) {
        None => text.to_owned(),
        Some((end, _)) => format!("{}…", &text[..end]),
    }
}

/// An error and its causes in one line.
fn describe(error: &(dyn Error + 'static)) -> String {
    let causes = std::iter::successors(Some(error), |&error| error.source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

impl From<InvalidField> for Problem {
    fn from(invalid: InvalidField) -> Self {
        let sentence = invalid.to_string();
        let (code, param) = match invalid {
            InvalidField::Malformed(_) => {
                return Self::new(Code::MalformedBody, format!("The body is {sentence}"));
            }
            InvalidField::Field { param, .. } => (Code::InvalidField, param),
            InvalidField::Missing { param } => (Code::MissingField, param),
            InvalidField::Unknown { param, .. } => (Code::UnknownField, param),
        };
        Self { param: Some(param), ..Self::new(code, sentence) }
    }
}

impl From<RotationRefused> for Problem {
    fn from(refused: RotationRefused) -> Self {
        match refused {
            RotationRefused::SameSecret => Self::field("secret", refused),
            RotationRefused::TooManyRetired => Self::new(Code::SecretLimitReached, refused.to_string()),
        }
    }
}

impl From<StorageError> for Problem {
    fn from(error: StorageError) -> Self {
        match error {
            StorageError::Conflict => Self::new(
                Code::ConcurrentEdit,
                "Others keep changing this at the same time. Read it again, then repeat the request.",
            ),
            StorageError::LimitReached { limit } => {
                let detail = format!(
                    "This account has {limit} webhook endpoints in this mode, which is the most it may have. \
                     Delete one first."
                );
                Self::new(Code::EndpointLimitReached, detail)
            }
            unavailable @ (StorageError::Unavailable { .. }
            | StorageError::NoQueue { .. }
            | StorageError::Interrupted) => Self::unavailable(unavailable),
            other => Self::internal(other),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_client_sent_is_not_repeated_at_any_length() {
        let name = "é".repeat(5_000);
        let body = Problem::field(&name, "is wrong").body("r");
        assert_eq!(body.param.unwrap().chars().count(), MAX_PARAM + 1);
        assert_eq!(body.detail.chars().count(), MAX_DETAIL + 1);
        assert!(body.detail.ends_with('…'));
        assert_eq!(Problem::field("url", "is wrong").body("r").detail, "`url` is wrong");
    }
}
