//! What a request says, checked as it is read.

use std::str::FromStr;

use http::HeaderValue;
use http::header::{CONTENT_ENCODING, CONTENT_TYPE};
use lambda_http::RequestExt as _;
use lambda_http::request::RequestContext;
use posthorn_domain::{
    AttemptId, EndpointId, EventId, Fields, Invalid, InvalidField, MAX_EVENT_BYTES, Mode, RecoveryId,
    Timestamp, without_byte_order_mark,
};

use crate::access::require_mode;
use crate::{Code, Problem};

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
        header.transpose().map_err(|_| Problem::header(name, "must be visible ASCII"))
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

    /// A query parameter that is a time. In a query, a `+` that was not escaped arrives as a space, so that of an offset
    /// does.
    pub fn query_time(&self, name: &str) -> Result<Option<Timestamp>, Problem> {
        let Some(text) = self.query(name)? else { return Ok(None) };
        let with_plus =
            || text.rsplit_once(' ').and_then(|(time, offset)| format!("{time}+{offset}").parse().ok());
        let time = text.parse().or_else(|invalid| with_plus().ok_or(invalid));
        time.map(Some).map_err(|invalid: Invalid| Problem::param(name, invalid))
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
                Err(Problem::unknown_param(name, reason))
            }
        }
    }

    /// The fields of the body's JSON object, read by `read`; those it leaves unread are refused, and so is a `livemode`
    /// that is not the mode of the request's key.
    pub fn fields<T>(
        &self,
        mode: Mode,
        read: impl FnOnce(&mut Fields<'_>) -> Result<T, InvalidField>,
    ) -> Result<T, Problem> {
        read_fields(self.json(MAX_EVENT_BYTES)?, mode, read)
    }

    /// The same, where there may be no fields at all: no body is an object without fields.
    pub fn optional_fields<T>(
        &self,
        mode: Mode,
        read: impl FnOnce(&mut Fields<'_>) -> Result<T, InvalidField>,
    ) -> Result<T, Problem> {
        let json = self.json(MAX_EVENT_BYTES)?;
        read_fields(if json.is_empty() { "{}" } else { json }, mode, read)
    }

    /// The body, which must be declared as JSON, be text, and have at most `limit` bytes. A byte order mark before it is
    /// skipped.
    pub fn json(&self, limit: usize) -> Result<&str, Problem> {
        self.require_json_type()?;
        let bytes: &[u8] = self.inner.body().as_ref();
        if bytes.len() > limit {
            let detail = format!("The body has {} bytes; it may have at most {limit}.", bytes.len());
            return Err(Problem::new(Code::BodyTooLarge, detail));
        }
        let text = std::str::from_utf8(bytes).map_err(|error| {
            let detail = format!("The body is not UTF-8 text: the byte at {} is wrong.", error.valid_up_to());
            Problem::new(Code::MalformedBody, detail)
        })?;
        Ok(without_byte_order_mark(text))
    }

    fn require_json_type(&self) -> Result<(), Problem> {
        let header = |name| self.inner.headers().get(name).map(|value| value.to_str().unwrap_or_default());
        if self.inner.body().is_empty() {
            return Ok(());
        }
        let encoding = header(CONTENT_ENCODING).unwrap_or("identity").trim();
        if !encoding.eq_ignore_ascii_case("identity") {
            let detail = format!(
                "The body is encoded as {encoding:?}. Send it uncompressed, without the header `Content-Encoding`."
            );
            return Err(Problem::new(Code::UnsupportedEncoding, detail));
        }
        match header(CONTENT_TYPE) {
            Some(media_type) if !is_json(media_type) => {
                let detail = "Send the body as JSON, with the header `Content-Type: application/json`.";
                Err(Problem::new(Code::UnsupportedMediaType, detail))
            }
            _ => Ok(()),
        }
    }
}

/// Whether a media type is JSON or something written in it, such as `application/vnd.api+json`. Case makes no difference.
fn is_json(media_type: &str) -> bool {
    let essence = media_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    essence == "application/json" || (essence.starts_with("application/") && essence.ends_with("+json"))
}

/// Reads an object's fields; those that are left unread are refused, and so is a `livemode` that is not `mode`.
pub fn read_fields<T>(
    json: &str,
    mode: Mode,
    read: impl FnOnce(&mut Fields<'_>) -> Result<T, InvalidField>,
) -> Result<T, Problem> {
    let mut fields = Fields::parse(json)?;
    let value = read(&mut fields)?;
    if let Some(asked) = fields.optional("livemode")? {
        require_mode(asked, mode)?;
    }
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
