//! Errors as answers: problem JSON ([RFC 9457](https://www.rfc-editor.org/rfc/rfc9457)), plus `error`, a sentence
//! that a person can act on, plus `param` where one field is to blame.

use std::error::Error;

use http::header::{ALLOW, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderValue, StatusCode};
use lambda_http::Body;
use posthorn_domain::{InvalidField, RotationRefused};
use posthorn_storage::StorageError;
use serde::Serialize;
use tracing::error;

use crate::Response;

/// Why a request is not answered as it wished.
#[derive(Debug)]
pub enum Problem {
    /// 400: the request itself is wrong.
    BadRequest {
        /// The field or query parameter to blame.
        param: Option<String>,
        /// What is wrong, as a sentence.
        error: String,
    },
    /// 401: the caller is not known.
    Unauthorized(&'static str),
    /// 403: the caller is known, and may not do this.
    Forbidden(String),
    /// 404: the caller has nothing of this name.
    NotFound(String),
    /// 405: the path has other methods.
    MethodNotAllowed {
        /// The method asked for.
        method: String,
        /// The methods of the path, separated by commas.
        allowed: String,
    },
    /// 409: it clashes with what there is.
    Conflict(String),
    /// 413: the body, or an event in it, is too large.
    TooLarge(String),
    /// 415: the body is not declared as JSON.
    UnsupportedMediaType(String),
    /// 503: AWS did not do its part, or not in time. The cause goes to the log, not to the caller.
    Unavailable(Box<dyn Error + Send + Sync>),
    /// 500: it is our fault. The cause goes to the log, not to the caller.
    Internal(Box<dyn Error + Send + Sync>),
}

impl Problem {
    /// One field or query parameter is to blame; `reason` ends the sentence that begins with its name.
    pub fn param(param: &str, reason: impl std::fmt::Display) -> Self {
        Self::BadRequest { param: Some(param.to_owned()), error: format!("`{param}` {reason}") }
    }

    /// The tenant has no endpoint of this id.
    pub fn no_endpoint(id: impl std::fmt::Display) -> Self {
        Self::NotFound(format!("There is no webhook endpoint {id} in this account and mode."))
    }

    /// The tenant has no event of this id.
    pub fn no_event(id: impl std::fmt::Display) -> Self {
        Self::NotFound(format!(
            "There is no event {id} in this account and mode; it may be too new, or older than events are kept."
        ))
    }

    /// The tenant has no attempt of this id.
    pub fn no_attempt(id: impl std::fmt::Display) -> Self {
        Self::NotFound(format!(
            "There is no attempt {id} in this account and mode; it may be older than events are kept."
        ))
    }

    /// The event was never sent to the endpoint.
    pub fn no_delivery(event_id: impl std::fmt::Display, endpoint_id: impl std::fmt::Display) -> Self {
        Self::NotFound(format!(
            "The event {event_id} was not sent to a webhook endpoint {endpoint_id}. What an endpoint missed is sent by \
             its recovery, with the scope `missing`."
        ))
    }

    /// The endpoint has no recovery of this id.
    pub fn no_recovery(id: impl std::fmt::Display) -> Self {
        Self::NotFound(format!(
            "This webhook endpoint has no recovery {id}; it may be older than events are kept."
        ))
    }

    fn status(&self) -> StatusCode {
        match self {
            Self::BadRequest { .. } => StatusCode::BAD_REQUEST,
            Self::Unauthorized(_) => StatusCode::UNAUTHORIZED,
            Self::Forbidden(_) => StatusCode::FORBIDDEN,
            Self::NotFound(_) => StatusCode::NOT_FOUND,
            Self::MethodNotAllowed { .. } => StatusCode::METHOD_NOT_ALLOWED,
            Self::Conflict(_) => StatusCode::CONFLICT,
            Self::TooLarge(_) => StatusCode::PAYLOAD_TOO_LARGE,
            Self::UnsupportedMediaType(_) => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::Unavailable(_) => StatusCode::SERVICE_UNAVAILABLE,
            Self::Internal(_) => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    /// The problem as a JSON object. That of a 500 or 503 says nothing of its cause but the request's id.
    pub fn body(&self, request_id: &str) -> impl Serialize + use<> {
        let status = self.status();
        let (error, param) = match self {
            Self::BadRequest { param, error } => (error.clone(), param.clone()),
            Self::Unauthorized(error) => ((*error).to_owned(), None),
            Self::Forbidden(error)
            | Self::NotFound(error)
            | Self::Conflict(error)
            | Self::TooLarge(error)
            | Self::UnsupportedMediaType(error) => (error.clone(), None),
            Self::MethodNotAllowed { method, allowed } => {
                (format!("This path has no method {method}, only {allowed}."), None)
            }
            Self::Unavailable(cause) => {
                error!(request_id, error = %describe(cause.as_ref()), "request failed");
                let advice =
                    "The service is overloaded or AWS does not answer. Repeat the request a little later.";
                (format!("{advice} When you report it, name the request {request_id}."), None)
            }
            Self::Internal(cause) => {
                error!(request_id, error = %describe(cause.as_ref()), "request failed");
                let apology = "Something went wrong on our side.";
                (format!("{apology} When you report it, name the request {request_id}."), None)
            }
        };
        ProblemBody {
            r#type: "about:blank",
            title: status.canonical_reason().unwrap_or_default(),
            status: status.as_u16(),
            detail: error.clone(),
            error,
            param,
        }
    }

    /// The problem as an answer.
    pub fn into_response(self, request_id: &str) -> Response {
        let body =
            serde_json::to_string(&self.body(request_id)).expect("a problem holds nothing that JSON cannot");
        let mut response = Response::new(Body::Text(body));
        *response.status_mut() = self.status();
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        match self {
            Self::Unauthorized(_) => {
                headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
            }
            Self::MethodNotAllowed { allowed, .. } => {
                let allowed = HeaderValue::try_from(allowed).expect("methods are visible ASCII");
                headers.insert(ALLOW, allowed);
            }
            Self::Unavailable(_) => {
                headers.insert(RETRY_AFTER, HeaderValue::from_static("1"));
            }
            _ => {}
        }
        response
    }
}

#[derive(Serialize)]
struct ProblemBody {
    r#type: &'static str,
    title: &'static str,
    status: u16,
    detail: String,
    error: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    param: Option<String>,
}

/// An error and its causes in one line.
fn describe(error: &(dyn Error + 'static)) -> String {
    let causes = std::iter::successors(Some(error), |&error| error.source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

impl From<InvalidField> for Problem {
    fn from(invalid: InvalidField) -> Self {
        let error = invalid.to_string();
        match invalid {
            InvalidField::Malformed(_) => {
                Self::BadRequest { param: None, error: format!("The body is {error}") }
            }
            InvalidField::Field { param, .. } => Self::BadRequest { param: Some(param), error },
        }
    }
}

impl From<RotationRefused> for Problem {
    fn from(refused: RotationRefused) -> Self {
        match refused {
            RotationRefused::SameSecret => Self::param("secret", refused),
            RotationRefused::TooManyRetired => Self::Conflict(refused.to_string()),
        }
    }
}

impl From<StorageError> for Problem {
    fn from(error: StorageError) -> Self {
        match error {
            StorageError::Conflict => Self::Conflict(
                "Others keep changing this at the same time. Read it again, then repeat the request."
                    .to_owned(),
            ),
            StorageError::LimitReached { limit } => Self::Conflict(format!(
                "This account has {limit} webhook endpoints in this mode, which is the most it may have. \
                 Delete one first."
            )),
            unavailable @ (StorageError::Unavailable { .. } | StorageError::Interrupted) => {
                Self::Unavailable(Box::new(unavailable))
            }
            other => Self::Internal(Box::new(other)),
        }
    }
}
