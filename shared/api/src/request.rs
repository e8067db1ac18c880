//! Requests. Each part is checked when it is read.

use std::str::FromStr;

use http::HeaderValue;
use http::header::{CONTENT_ENCODING, CONTENT_TYPE};
use lambda_http::RequestExt as _;
use lambda_http::request::RequestContext;
use posthorn_domain::{
    AccountId, AttemptId, EndpointId, EventId, Fields, Invalid, InvalidField, KeyId, MAX_EVENT_BYTES, Mode,
    RecoveryId, Timestamp, without_byte_order_mark,
};
use url::form_urlencoded;

use crate::access::require_mode;
use crate::code::Code;
use crate::problem::Problem;

/// A request from API Gateway.
#[derive(Debug)]
pub struct Request {
    inner: lambda_http::Request,
    id: String,
    route_key: String,
}

/// The query parameters of a request, by name.
pub type Query = lambda_http::aws_lambda_events::query_map::QueryMap;

impl From<lambda_http::Request> for Request {
    fn from(inner: lambda_http::Request) -> Self {
        let (id, route_key) = match inner.request_context_ref() {
            Some(RequestContext::ApiGatewayV2(context)) => {
                (context.request_id.clone(), context.route_key.clone())
            }
            _ => (None, None),
        };
        let id = id.unwrap_or_else(|| "unknown".to_owned());
        let route_key = route_key.unwrap_or_else(|| format!("{} {}", inner.method(), inner.uri().path()));
        Self { inner, id, route_key }
    }
}

impl Request {
    /// Returns the id that API Gateway gave the request, or `unknown`.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Returns the key of the route in API Gateway, such as `POST /api/webhook-attempts/{id}/retry`. If the gateway
    /// gave none, it is the method and the path.
    pub fn route_key(&self) -> &str {
        &self.route_key
    }

    /// Returns the method, such as `GET`.
    pub fn method(&self) -> &str {
        self.inner.method().as_str()
    }

    /// Returns the path, without its query.
    pub fn path(&self) -> &str {
        self.inner.uri().path()
    }

    /// Returns the path as the client sent it, without the stage that API Gateway may put before it.
    pub(crate) fn raw_path(&self) -> &str {
        match self.inner.raw_http_path() {
            "" => self.path(),
            path => path,
        }
    }

    /// Returns the scheme and host that the client called, such as `https://hooks.example.com`.
    pub fn origin(&self) -> String {
        let uri = self.inner.uri();
        let host = uri.authority().map_or("localhost", |authority| authority.as_str());
        format!("{}://{host}", uri.scheme_str().unwrap_or("https"))
    }

    /// Returns the body as it was sent.
    pub(crate) fn bytes(&self) -> &[u8] {
        self.inner.body().as_ref()
    }

    /// Returns all query parameters in their order, decoded.
    pub(crate) fn all_parameters(&self) -> Vec<(String, String)> {
        let query = self.inner.uri().query().unwrap_or_default();
        form_urlencoded::parse(query.as_bytes()).into_owned().collect()
    }

    /// Returns whether the request has the signature of a PaymentKit component, valid or not: PaymentKit's SDK sent it. It
    /// is read as PaymentKit reads it.
    pub fn is_signed(&self) -> bool {
        self.inner.headers().contains_key("x-component-sig")
    }

    /// Returns the mode that the query parameter `livemode` names.
    pub fn livemode(&self) -> Result<Option<Mode>, Problem> {
        match self.query("livemode")?.as_deref() {
            None => Ok(None),
            Some("true") => Ok(Some(Mode::Live)),
            Some("false") => Ok(Some(Mode::Test)),
            Some(_) => Err(Problem::param("livemode", "must be true or false")),
        }
    }

    /// Returns a header, if it is there. Errors unless it is visible ASCII.
    pub fn header(&self, name: &str) -> Result<Option<&str>, Problem> {
        let header = self.inner.headers().get(name).map(HeaderValue::to_str);
        header.transpose().map_err(|_| Problem::header(name, "must contain only printable ASCII characters"))
    }

    /// Returns the endpoint id in the path. Errors with a 404 if it cannot be one.
    pub fn endpoint_id(&self) -> Result<EndpointId, Problem> {
        let id = self.path_parameter("id");
        id.parse().map_err(|_| Problem::no_endpoint(id))
    }

    /// Returns the event id in the path. Errors with a 404 if it cannot be one.
    pub fn event_id(&self) -> Result<EventId, Problem> {
        let id = self.path_parameter("id");
        id.parse().map_err(|_| Problem::no_event(id))
    }

    /// Returns the attempt id in the path. Errors with a 404 if it cannot be one.
    pub fn attempt_id(&self) -> Result<AttemptId, Problem> {
        let id = self.path_parameter("id");
        id.parse().map_err(|_| Problem::no_attempt(id))
    }

    /// Returns the recovery id in the path. Errors with a 404 if it cannot be one.
    pub fn recovery_id(&self) -> Result<RecoveryId, Problem> {
        let id = self.path_parameter("task_id");
        id.parse().map_err(|_| Problem::no_recovery(id))
    }

    /// Returns the account in the path. Errors with a 404 if it cannot be one.
    pub fn account_id(&self) -> Result<AccountId, Problem> {
        let id = self.path_parameter("id");
        id.parse().map_err(|_| Problem::no_account(id))
    }

    /// Returns the key id in the path. Errors with a 404 if it cannot be one.
    pub fn key_id(&self) -> Result<KeyId, Problem> {
        let id = self.path_parameter("id");
        id.parse().map_err(|_| Problem::no_key(id))
    }

    /// Returns the rest of the path, for a route that ends in `{file+}`; `None` for other routes.
    pub fn rest_of_path(&self) -> Option<&str> {
        self.path_parameter_if_any("file")
    }

    /// Returns a parameter of the path; an empty text if the route has no such parameter.
    fn path_parameter(&self, name: &str) -> &str {
        self.path_parameter_if_any(name).unwrap_or_default()
    }

    fn path_parameter_if_any(&self, name: &str) -> Option<&str> {
        self.inner.path_parameters_ref().and_then(|parameters| parameters.first(name))
    }

    /// Returns a query parameter. Errors if it is given more than once.
    pub fn query(&self, name: &str) -> Result<Option<String>, Problem> {
        match self.query_all(name).as_slice() {
            // The SDK sends an empty value for `null`.
            [] => Ok(None),
            [""] if self.is_signed() => Ok(None),
            [value] => Ok(Some((*value).to_owned())),
            _ => Err(Problem::param(name, "is given more than once. Send it only once.")),
        }
    }

    /// Returns a query parameter, parsed. Errors if it is given more than once, or does not parse.
    pub fn query_as<T: FromStr<Err = Invalid>>(&self, name: &str) -> Result<Option<T>, Problem> {
        self.query_as_or(name, |invalid| invalid)
    }

    /// Like [`Self::query_as`]. If the parameter does not parse, the error is `invalid`.
    pub fn query_as_or<T: FromStr>(
        &self,
        name: &str,
        invalid: impl FnOnce(T::Err) -> Invalid,
    ) -> Result<Option<T>, Problem> {
        let value = self.query(name)?;
        let parsed = value.map(|value| value.parse().map_err(|error| Problem::param(name, invalid(error))));
        parsed.transpose()
    }

    /// Returns a query parameter that is a time. A `+` that was not escaped arrives as a space, so a space before the
    /// offset counts as a `+`.
    pub fn query_time(&self, name: &str) -> Result<Option<Timestamp>, Problem> {
        let Some(text) = self.query(name)? else { return Ok(None) };
        let with_plus =
            || text.rsplit_once(' ').and_then(|(time, offset)| format!("{time}+{offset}").parse().ok());
        let time = text.parse().or_else(|invalid| with_plus().ok_or(invalid));
        time.map(Some).map_err(|invalid: Invalid| Problem::param(name, invalid))
    }

    /// Returns all values of a query parameter. Clients repeat its name (`name` or `name[]`), or number it (`name[0]`).
    pub fn query_all(&self, name: &str) -> Vec<&str> {
        let given = self.inner.query_string_parameters_ref();
        let names = given.into_iter().flat_map(|given| given.iter().map(|(given, _)| given));
        let mut names: Vec<_> = names.filter(|given| name_and_place(given).0 == name).collect();
        names.sort_unstable_by_key(|given| (name_and_place(given), *given));
        names.dedup();
        names
            .into_iter()
            .flat_map(|name| given.and_then(|given| given.all(name)).unwrap_or_default())
            .collect()
    }

    /// Errors if there are query parameters other than these. PaymentKit ignores others, and its SDK's users send them.
    pub fn allow_query(&self, known: &[&str]) -> Result<(), Problem> {
        if self.is_signed() {
            return Ok(());
        }
        let given = self.inner.query_string_parameters_ref();
        let unknown = given.and_then(|given| {
            given.iter().map(|(name, _)| name).find(|name| !known.contains(&name_and_place(name).0))
        });
        match unknown {
            None => Ok(()),
            Some(name) => {
                let reason = format!(
                    "is not a query parameter of this route. Its query parameters are: {}",
                    known.join(", ")
                );
                Err(Problem::unknown_param(name, reason))
            }
        }
    }

    /// Reads the fields of the body's JSON object with `read`. Errors if there are fields that it does not read, or if
    /// `livemode` is not the mode of the request's key.
    pub fn fields<T>(
        &self,
        mode: Mode,
        read: impl FnOnce(&mut Fields<'_>) -> Result<T, InvalidField>,
    ) -> Result<T, Problem> {
        read_fields(self.json(MAX_EVENT_BYTES)?, mode, read)
    }

    /// Like [`Self::fields`], for a body that is not about one mode's data.
    pub fn plain_fields<T>(
        &self,
        read: impl FnOnce(&mut Fields<'_>) -> Result<T, InvalidField>,
    ) -> Result<T, Problem> {
        read_object(self.optional_json()?, |fields| Ok(read(fields)?))
    }

    /// Like [`Self::fields`], for an update. PaymentKit's SDK sends no body if there is nothing to change.
    pub fn update_fields<T>(
        &self,
        mode: Mode,
        read: impl FnOnce(&mut Fields<'_>) -> Result<T, InvalidField>,
    ) -> Result<T, Problem> {
        if self.is_signed() { self.optional_fields(mode, read) } else { self.fields(mode, read) }
    }

    /// Like [`Self::fields`], for a body that is optional: an empty body counts as an object without fields.
    pub fn optional_fields<T>(
        &self,
        mode: Mode,
        read: impl FnOnce(&mut Fields<'_>) -> Result<T, InvalidField>,
    ) -> Result<T, Problem> {
        read_fields(self.optional_json()?, mode, read)
    }

    /// Returns the body; an object without fields if it is empty.
    fn optional_json(&self) -> Result<&str, Problem> {
        let json = self.json(MAX_EVENT_BYTES)?;
        Ok(if json.is_empty() { "{}" } else { json })
    }

    /// Returns the body, without a byte order mark. Errors unless it is UTF-8, has at most `limit` bytes, and its
    /// headers, if given, declare uncompressed JSON.
    pub fn json(&self, limit: usize) -> Result<&str, Problem> {
        self.require_json_type()?;
        self.require_size(limit)?;
        let bytes: &[u8] = self.inner.body().as_ref();
        let text = std::str::from_utf8(bytes).map_err(|error| {
            let detail = format!(
                "The body is not valid UTF-8: the byte at offset {} is invalid.",
                error.valid_up_to()
            );
            Problem::new(Code::MalformedBody, detail)
        })?;
        Ok(without_byte_order_mark(text))
    }

    /// Errors if the body has more than `limit` bytes.
    pub(crate) fn require_size(&self, limit: usize) -> Result<(), Problem> {
        let size = self.bytes().len();
        if size > limit {
            let detail = format!("The body has {size} bytes. The limit is {limit}.");
            return Err(Problem::new(Code::BodyTooLarge, detail));
        }
        Ok(())
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

/// Returns whether a media type is JSON or based on it, such as `application/vnd.api+json`. Ignores case.
fn is_json(media_type: &str) -> bool {
    let essence = media_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    essence == "application/json" || (essence.starts_with("application/") && essence.ends_with("+json"))
}

/// Reads an object's fields with `read`. Errors if there are fields that it does not read, or if `livemode` is not
/// `mode`.
pub fn read_fields<T>(
    json: &str,
    mode: Mode,
    read: impl FnOnce(&mut Fields<'_>) -> Result<T, InvalidField>,
) -> Result<T, Problem> {
    read_object(json, |fields| {
        let value = read(fields)?;
        if let Some(asked) = fields.optional("livemode")? {
            require_mode(asked, mode)?;
        }
        Ok(value)
    })
}

/// Reads an object's fields with `read`. Errors if there are fields that it does not read.
fn read_object<T>(
    json: &str,
    read: impl FnOnce(&mut Fields<'_>) -> Result<T, Problem>,
) -> Result<T, Problem> {
    let mut fields = Fields::parse(json)?;
    let value = read(&mut fields)?;
    fields.finish()?;
    Ok(value)
}

/// Returns a query parameter's name, and its place among those of the same name: `order[1]` is the second `order`, and
/// `order[1][0]` the first part of it.
fn name_and_place(given: &str) -> (&str, usize, usize) {
    let number = |text: &str| if text.is_empty() { Ok(0) } else { text.parse::<usize>() };
    let numbered = given.strip_suffix(']').and_then(|given| given.split_once('['));
    let numbered = numbered.map(|(name, place)| (name, place.split_once("][").unwrap_or((place, ""))));
    match numbered.map(|(name, (index, part))| (name, number(index), number(part))) {
        Some((name, Ok(index), Ok(part))) => (name, index, part),
        _ => (given, 0, 0),
    }
}
