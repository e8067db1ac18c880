//! Errors as answers: problem JSON ([RFC 9457](https://www.rfc-editor.org/rfc/rfc9457)), plus `code` for programs,
//! `error`, a sentence for people, and `param` if one field or parameter is wrong.

use std::error::Error;
use std::fmt::Display;

use http::HeaderValue;
use http::header::{ALLOW, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use lambda_http::Body;
use posthorn_domain::{InvalidField, RotationRefused};
use posthorn_storage::StorageError;
use serde::Serialize;
use tracing::error;

use crate::code::Code;
use crate::response::Response;

/// Maximum length of a sentence and of a field's name, in characters. Both may repeat what the client sent, and a
/// batch's answer may have a hundred of them.
const MAX_DETAIL: usize = 1_000;
const MAX_PARAM: usize = 200;

/// Why a request failed.
#[derive(Debug)]
pub struct Problem {
    code: Code,
    detail: Detail,
    param: Option<String>,
    /// Where to get a new portal session.
    return_url: Option<String>,
    /// The methods of the path, if the request's method is not among them.
    allowed: Option<String>,
}

/// The explanation of a problem.
#[derive(Debug)]
enum Detail {
    /// A sentence for the caller.
    Sentence(String),
    /// The cause of a failure of ours or of AWS. It goes to the log, not to the caller.
    Cause(Box<dyn Error + Send + Sync>),
}

impl Problem {
    /// Makes a problem with this code. The detail is a sentence that says what is wrong, and what to do.
    pub fn new(code: Code, detail: impl Into<String>) -> Self {
        Self { code, detail: Detail::Sentence(detail.into()), param: None, return_url: None, allowed: None }
    }

    /// Makes a problem with one named thing; `reason` completes the sentence that begins with its name.
    fn with(code: Code, param: &str, reason: impl Display) -> Self {
        Self { param: Some(param.to_owned()), ..Self::new(code, format!("`{param}` {reason}")) }
    }

    /// A query parameter is invalid.
    pub fn param(param: &str, reason: impl Display) -> Self {
        Self::with(Code::InvalidParameter, param, reason)
    }

    /// A query parameter is missing.
    pub fn missing_param(param: &str, detail: impl Into<String>) -> Self {
        Self { param: Some(param.to_owned()), ..Self::new(Code::MissingParameter, detail) }
    }

    /// The route has no such query parameter.
    pub fn unknown_param(param: &str, reason: impl Display) -> Self {
        Self::with(Code::UnknownParameter, param, reason)
    }

    /// A cursor names a position that is no longer known.
    pub fn unknown_cursor(param: &str, reason: impl Display) -> Self {
        Self::with(Code::UnknownCursor, param, reason)
    }

    /// A numbered page is larger than an answer may be; a page of `fitting` entries is not.
    pub fn page_too_large(fitting: usize) -> Self {
        let reason = format!(
            "is too large: a response has at most 6 MB. Ask for at most {fitting}, or page with `starting_after`."
        );
        Self::with(Code::PageTooLarge, "pageSize", reason)
    }

    /// A field of the body is invalid.
    pub fn field(param: &str, reason: impl Display) -> Self {
        Self::with(Code::InvalidField, param, reason)
    }

    /// An update asks for another secret.
    pub fn secret_not_editable() -> Self {
        let reason = "can't be changed by an update. Use POST …/secret/rotate.";
        Self::with(Code::SecretNotEditable, "secret", reason)
    }

    /// A header is invalid.
    pub fn header(param: &str, reason: impl Display) -> Self {
        Self::with(Code::InvalidHeader, param, reason)
    }

    /// The request's `livemode` differs from the mode of its API key.
    pub fn wrong_mode(detail: impl Into<String>) -> Self {
        Self { param: Some("livemode".to_owned()), ..Self::new(Code::WrongMode, detail) }
    }

    /// The tenant has no endpoint with this id.
    pub fn no_endpoint(id: impl Display) -> Self {
        let detail = format!("There is no webhook endpoint {id} in this account and mode.");
        Self::new(Code::EndpointNotFound, detail)
    }

    /// The tenant has no event with this id.
    pub fn no_event(id: impl Display) -> Self {
        let detail = format!(
            "There is no event {id} in this account and mode. It may not be recorded yet, or it has expired."
        );
        Self::new(Code::EventNotFound, detail)
    }

    /// The tenant has no attempt with this id.
    pub fn no_attempt(id: impl Display) -> Self {
        let detail =
            format!("There is no attempt {id} in this account and mode. Its event may have expired.");
        Self::new(Code::AttemptNotFound, detail)
    }

    /// The event was never sent to the endpoint.
    pub fn no_delivery(event_id: impl Display, endpoint_id: impl Display) -> Self {
        let detail = format!(
            "The event {event_id} was not sent to the webhook endpoint {endpoint_id}. To send events that an endpoint \
             missed, start a recovery with the scope `missing`."
        );
        Self::new(Code::DeliveryNotFound, detail)
    }

    /// The endpoint has no recovery with this id.
    pub fn no_recovery(id: impl Display) -> Self {
        let detail = format!("This webhook endpoint has no recovery {id}. It may have expired.");
        Self::new(Code::RecoveryNotFound, detail)
    }

    /// A platform key's request names no account.
    pub fn missing_account() -> Self {
        let detail = "A platform key acts for one account at a time. Name the account in the header `Posthorn-Account`.";
        Self::new(Code::MissingAccount, detail)
    }

    /// The one-time code of a portal session is used or too old.
    pub fn code_spent(return_url: Option<String>) -> Self {
        let detail = "This link was used before, or it is too old. Ask for a new one.";
        Self { return_url, ..Self::new(Code::CodeSpent, detail) }
    }

    /// The feed's cursor is older than the events that are kept.
    pub fn cursor_expired() -> Self {
        let detail = "The cursor is older than all events that are kept, so what followed it has expired in part. Begin again with \
                      `since`.";
        Self { param: Some("cursor".to_owned()), ..Self::new(Code::CursorExpired, detail) }
    }

    /// There is no account with this id.
    pub fn no_account(id: impl Display) -> Self {
        let detail = format!(
            "There is no account {id}. An account comes to exist with `PUT /api/accounts/{{id}}`, or with its first webhook \
             endpoint or key."
        );
        Self::new(Code::AccountNotFound, detail)
    }

    /// The account has no key with this id.
    pub fn no_key(id: impl Display) -> Self {
        Self::new(Code::KeyNotFound, format!("There is no key {id} in this account."))
    }

    /// The path does not have this method. `allowed` lists its methods, separated by commas.
    pub fn method_not_allowed(method: &str, allowed: String) -> Self {
        let detail = format!("This path does not support the method {method}. Supported methods: {allowed}.");
        Self { allowed: Some(allowed), ..Self::new(Code::MethodNotAllowed, detail) }
    }

    /// AWS failed, or did not answer in time.
    pub fn unavailable(cause: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self { detail: Detail::Cause(cause.into()), ..Self::new(Code::Unavailable, "") }
    }

    /// An internal error.
    pub fn internal(cause: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self { detail: Detail::Cause(cause.into()), ..Self::new(Code::InternalError, "") }
    }

    /// Returns the problem as a JSON object. For a 500 or 503, logs the cause; the object contains only the request's
    /// id.
    pub fn body(&self, request_id: &str) -> ProblemBody {
        let status = self.code.status();
        let detail = match &self.detail {
            Detail::Sentence(sentence) => shortened(sentence, MAX_DETAIL),
            Detail::Cause(cause) => {
                error!(request_id, error = %describe(cause.as_ref()), "request failed");
                let what = match self.code {
                    Code::Unavailable => {
                        "The service is overloaded, or AWS does not respond. Retry the request in a few seconds."
                    }
                    _ => "Something went wrong on our side.",
                };
                format!("{what} If you report this, include the request id {request_id}.")
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
            return_url: self.return_url.clone(),
        }
    }

    /// Returns the problem as an answer.
    pub fn into_response(self, request_id: &str) -> Response {
        let body = serde_json::to_string(&self.body(request_id)).expect("JSON can express every problem");
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
    #[serde(skip_serializing_if = "Option::is_none")]
    return_url: Option<String>,
}

/// Cuts a text to at most `max` characters, and then adds an ellipsis.
fn shortened(text: &str, max: usize) -> String {
    match text.char_indices().nth(max) {
        None => text.to_owned(),
        Some((end, _)) => format!("{}…", &text[..end]),
    }
}

/// Returns an error and its causes in one line.
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
                "Other requests are changing this at the same time. Read it again, then retry the request.",
            ),
            StorageError::LimitReached { limit } => {
                let detail = format!(
                    "This account has {limit} webhook endpoints in this mode, which is the limit. Delete one \
                     first."
                );
                Self::new(Code::EndpointLimitReached, detail)
            }
            StorageError::AccountDeleted => Self::new(
                Code::AccountDeleted,
                "This account is being deleted. Use another id, or wait until its deletion is completed.",
            ),
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
