//! What a request says, checked as it is read.

use std::str::FromStr;

use http::HeaderValue;
use http::header::CONTENT_TYPE;
use lambda_http::RequestExt as _;
use lambda_http::request::RequestContext;
use posthorn_domain::{
    AttemptId, EndpointId, EventId, Fields, Invalid, InvalidField, MAX_EVENT_BYTES, RecoveryId,
    without_byte_order_mark,
};

use crate::Problem;

/// A request from API Gateway.
#[derive(Debug)]
pub struct Request {
    inner: lambda_http::Request,
    id: String,
}

/// The query parameters of a request, by name.
pub type Query = lambda_http::aws_lambda_events::query_map::QueryMap;

impl From<lambda_http::Request> for Request {
    fn from(inner: lambda_http::Request) -> Self {
        let id = match inner.request_context_ref() {
            Some(RequestContext::ApiGatewayV2(context)) => context.request_id.clone(),
            _ => None,
        };
        Self { inner, id: id.unwrap_or_else(|| "unknown".to_owned()) }
    }
}

impl Request {
    /// The id that API Gateway gave the request.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The method, such as `GET`.
    pub fn method(&self) -> &str {
        self.inner.method().as_str()
    }

    /// The path, without its query.
    pub fn path(&self) -> &str {
        self.inner.uri().path()
    }

    /// A header, which must be visible ASCII if it is there.
    pub fn header(&self, name: &str) -> Result<Option<&str>, Problem> {
        let header = self.inner.headers().get(name).map(HeaderValue::to_str);
        header.transpose().map_err(|_| Problem::param(name, "must be visible ASCII"))
    }

    /// The endpoint that the path names. A text that can be no endpoint's id names none.
    pub fn endpoint_id(&self) -> Result<EndpointId, Problem> {
        let id = self.path_id();
        id.parse().map_err(|_| Problem::no_endpoint(id))
    }

    /// The event that the path names. A text that can be no event's id names none.
    pub fn event_id(&self) -> Result<EventId, Problem> {
        let id = self.path_id();
        id.parse().map_err(|_| Problem::no_event(id))
    }

    /// The attempt that the path names, if it names any. A text that can be no attempt's id names none.
    pub fn attempt_id(&self) -> Result<Option<AttemptId>, Problem> {
        let id = self.path_parameter("id");
        id.map(|id| id.parse().map_err(|_| Problem::no_attempt(id))).transpose()
    }

    /// The recovery that the path names. A text that can be no recovery's id names none.
    pub fn recovery_id(&self) -> Result<RecoveryId, Problem> {
        let id = self.path_parameter("task_id").unwrap_or_default();
        id.parse().map_err(|_| Problem::no_recovery(id))
    }

    fn path_id(&self) -> &str {
        self.path_parameter("id").unwrap_or_default()
    }

    fn path_parameter(&self, name: &str) -> Option<&str> {
        self.inner.path_parameters_ref().and_then(|parameters| parameters.first(name))
    }

    /// The last part of the path.
    pub fn last_segment(&self) -> &str {
        self.inner.uri().path().rsplit('/').next().unwrap_or_default()
    }

    /// A query parameter that may be given once.
    pub fn query(&self, name: &str) -> Result<Option<String>, Problem> {
        match self.query_all(name).as_slice() {
            [] => Ok(None),
            [value] => Ok(Some((*value).to_owned())),
            _ => Err(Problem::param(name, "must be given once")),
        }
    }

    /// A query parameter that may be given once, parsed.
    pub fn query_as<T: FromStr>(
        &self,
        name: &str,
        invalid: impl FnOnce(T::Err) -> Invalid,
    ) -> Result<Option<T>, Problem> {
        let value = self.query(name)?;
        let parsed = value.map(|value| value.parse().map_err(|error| Problem::param(name, invalid(error))));
        parsed.transpose()
    }

    /// Every value of a query parameter. Clients repeat its name as it is, or as `name[]`, or number it: `name[0]`.
    pub fn query_all(&self, name: &str) -> Vec<&str> {
        let given = self.inner.query_string_parameters_ref();
        let places = given.into_iter().flat_map(|given| given.iter().map(|(given, _)| given));
        let mut places: Vec<_> = places.filter(|given| place(given).0 == name).collect();
        places.sort_unstable_by_key(|given| (place(given), *given));
        places.dedup();
        places
            .into_iter()
            .flat_map(|place| given.and_then(|given| given.all(place)).unwrap_or_default())
            .collect()
    }

    /// Refuses query parameters other than these.
    pub fn allow_query(&self, known: &[&str]) -> Result<(), Problem> {
        let given = self.inner.query_string_parameters_ref();
        let unknown = given.and_then(|given| {
            given.iter().map(|(name, _)| name).find(|name| !known.contains(&place(name).0))
        });
        match unknown {
            None => Ok(()),
            Some(name) => {
                let reason =
                    format!("is not a query parameter of this route; there are: {}", known.join(", "));
                Err(Problem::param(name, reason))
            }
        }
    }

    /// The fields of the body's JSON object, read by `read`; those it leaves unread are refused.
    pub fn fields<T>(
        &self,
        read: impl FnOnce(&mut Fields<'_>) -> Result<T, InvalidField>,
    ) -> Result<T, Problem> {
        read_all(self.json(MAX_EVENT_BYTES)?, read)
    }

    /// The fields of the body's JSON object, where there may be none at all: no body is an object without fields.
    pub fn optional_fields<T>(
        &self,
        read: impl FnOnce(&mut Fields<'_>) -> Result<T, InvalidField>,
    ) -> Result<T, Problem> {
        let json = self.json(MAX_EVENT_BYTES)?;
        read_all(if json.is_empty() { "{}" } else { json }, read)
    }

    /// The body, which must be declared as JSON, be text, and have at most `limit` bytes. A byte order mark before it is
    /// skipped.
    pub fn json(&self, limit: usize) -> Result<&str, Problem> {
        self.require_json_type()?;
        let bytes: &[u8] = self.inner.body().as_ref();
        if bytes.len() > limit {
            return Err(Problem::TooLarge(format!(
                "The body has {} bytes; it may have at most {limit}.",
                bytes.len()
            )));
        }
        let text = std::str::from_utf8(bytes).map_err(|error| Problem::BadRequest {
            param: None,
            error: format!("The body is not UTF-8 text: the byte at {} is wrong.", error.valid_up_to()),
        })?;
        Ok(without_byte_order_mark(text))
    }

    fn require_json_type(&self) -> Result<(), Problem> {
        let Some(given) = self.inner.headers().get(CONTENT_TYPE) else { return Ok(()) };
        let essence = given.to_str().unwrap_or_default().split(';').next().unwrap_or_default().trim();
        let is_json = essence.eq_ignore_ascii_case("application/json")
            || (essence.starts_with("application/") && essence.ends_with("+json"));
        if is_json || self.inner.body().is_empty() {
            return Ok(());
        }
        Err(Problem::UnsupportedMediaType(
            "Send the body as JSON, with the header `Content-Type: application/json`.".to_owned(),
        ))
    }
}

/// Reads an object's fields; those that are left unread are refused.
fn read_all<T>(
    json: &str,
    read: impl FnOnce(&mut Fields<'_>) -> Result<T, InvalidField>,
) -> Result<T, Problem> {
    let mut fields = Fields::parse(json)?;
    let value = read(&mut fields)?;
    fields.finish()?;
    Ok(value)
}

/// A query parameter's name, and its place among those of the same name: `order[1]` is `order`'s second.
fn place(given: &str) -> (&str, usize) {
    let numbered = given.strip_suffix(']').and_then(|given| given.split_once('['));
    match numbered.map(|(name, number)| (name, if number.is_empty() { Ok(0) } else { number.parse() })) {
        Some((name, Ok(number))) => (name, number),
        _ => (given, 0),
    }
}
