//! Query parameters of lists.

use std::num::ParseIntError;
use std::str::FromStr;
use std::time::Duration;

use posthorn_domain::{
    AccountId, AttemptId, AttemptStatus, AuditId, ConsumerName, EnabledEvents, EndpointId, EventFilter,
    EventId, EventSpan, FeedCursor, Invalid, KeyId, Timestamp, TroubleState,
};

use crate::listing::endpoints::{EndpointListing, UnknownCursor};
use crate::listing::order::{Direction, OrderField, parse_order};
use crate::listing::window::Window;
use crate::problem::Problem;
use crate::request::Request;

/// Maximum number of entries in a page.
pub const MAX_PAGE: usize = 100;
/// Maximum page number.
pub const LAST_PAGE: usize = 1_000_000;
/// Number of entries in a page if the request does not say.
pub const DEFAULT_PAGE: usize = 20;

/// How many events numbered pages reach: a deeper page would read all events before it.
pub const MAX_NUMBERED_EVENTS: usize = 1_000;

const ENDPOINT_PARAMETERS: &[&str] =
    &["livemode", "page", "pageSize", "size", "order", "status", "limit", "starting_after", "ending_before"];

const EVENT_PARAMETERS: &[&str] = &[
    "livemode",
    "type",
    "object_type",
    "object_id",
    "created_at_from",
    "created_at_to",
    "page",
    "pageSize",
    "size",
    "limit",
    "starting_after",
    "ending_before",
];

const ATTEMPT_PARAMETERS: &[&str] =
    &["livemode", "event_id", "webhook_endpoint_id", "status", "limit", "starting_after", "ending_before"];

const ATTENTION_PARAMETERS: &[&str] = &["livemode", "state", "limit", "starting_after"];

const ACCOUNT_PARAMETERS: &[&str] = &["prefix", "limit", "starting_after"];

/// Of lists that have nothing to choose: keys, the audit log.
const PAGE_PARAMETERS: &[&str] = &["limit", "starting_after"];

const EXPLANATION_PARAMETERS: &[&str] = &["livemode", "webhook_endpoint_id", "limit", "starting_after"];

const FEED_PARAMETERS: &[&str] = &["livemode", "cursor", "since", "limit", "types", "wait", "consumer"];

/// The longest that a request for the feed waits for events: API Gateway gives a function 30 seconds.
pub const MAX_WAIT: Duration = Duration::from_secs(20);

/// The query of the feed.
#[derive(Debug)]
pub struct FeedQuery {
    /// Where to begin.
    pub start: FeedStart,
    /// Only events of these types, if given.
    pub types: Option<EnabledEvents>,
    /// Maximum number of events.
    pub limit: usize,
    /// How long to wait for an event if there is none.
    pub wait: Duration,
    /// The reader whose cursor Posthorn keeps.
    pub consumer: Option<ConsumerName>,
}

/// Where a reader of the feed begins.
#[derive(Debug)]
pub enum FeedStart {
    /// With what is accepted from now on, or at the consumer's kept cursor.
    Now,
    /// With what was accepted at this time or later, unless the consumer has a kept cursor.
    Since(Timestamp),
    /// After what this cursor has passed.
    Cursor(FeedCursor),
}

/// The query of a list that explains where an event went.
#[derive(Debug)]
pub struct ExplanationListing {
    /// Only this endpoint, if given.
    pub endpoint: Option<EndpointId>,
    /// The page: the first one, or one after an endpoint.
    pub window: Window<EndpointId>,
}

/// The query of a list of accounts.
#[derive(Debug)]
pub struct AccountListing {
    /// Only accounts whose ids begin with this text.
    pub prefix: String,
    /// The page: the first one, or one after an account.
    pub window: Window<AccountId>,
}

/// The query of the list of endpoints that need attention, of an account or of all.
#[derive(Debug)]
pub struct AttentionListing<Id> {
    /// Only endpoints in this state, if given.
    pub state: Option<TroubleState>,
    /// The page: the first one, or one after an endpoint.
    pub window: Window<Id>,
}

/// The query of a list of events.
#[derive(Debug)]
pub struct EventListing {
    /// Filters by type and object.
    pub filter: EventFilter,
    /// The span of time, cut at the cursor.
    pub span: EventSpan,
    /// The page.
    pub window: Window<EventId>,
}

/// What the listed attempts have in common.
#[derive(Debug, Clone, Copy)]
pub enum AttemptsOf {
    /// Nothing: all attempts of the account in one mode.
    All,
    /// The attempts of one event, at one endpoint or at all.
    Event(EventId, Option<EndpointId>),
    /// The attempts at one endpoint.
    Endpoint(EndpointId),
}

/// The query of a list of attempts.
#[derive(Debug)]
pub struct AttemptListing {
    /// What they have in common.
    pub of: AttemptsOf,
    /// Only attempts with this status, if given.
    pub status: Option<AttemptStatus>,
    /// The page.
    pub window: Window<AttemptId>,
}

/// Reads `type`, `object_type`, `object_id`, `created_at_from`, `created_at_to`, and the page or cursor.
pub fn event_listing(request: &Request) -> Result<EventListing, Problem> {
    request.allow_query(EVENT_PARAMETERS)?;
    let window = window(request, "an event")?;
    if window.skip().saturating_add(window.limit()) > MAX_NUMBERED_EVENTS {
        let reason = format!(
            "reaches beyond the first {MAX_NUMBERED_EVENTS} events, where numbered pages end. Use `starting_after` instead."
        );
        return Err(Problem::param("page", reason));
    }
    let mut span = match window {
        Window::First { .. } | Window::Page { .. } => EventSpan::ALL,
        Window::After { id, .. } => EventSpan::ALL.before(id),
        Window::Before { id, .. } => EventSpan::ALL.after(id),
    };
    if let Some(from) = request.query_time("created_at_from")? {
        span = span.since(from);
    }
    if let Some(to) = request.query_time("created_at_to")? {
        span = span.until(to);
    }
    let filter = EventFilter {
        event_type: request.query_as("type")?,
        object_type: request.query_as("object_type")?,
        object_id: request.query_as("object_id")?,
    };
    Ok(EventListing { filter, span, window })
}

/// Reads `event_id`, `webhook_endpoint_id` and `status`, and the cursor.
pub fn attempt_listing(request: &Request) -> Result<AttemptListing, Problem> {
    request.allow_query(ATTEMPT_PARAMETERS)?;
    let named = |what: &'static str| move |_: Invalid| Invalid::because(format!("must be the id of {what}"));
    let event_id = request.query_as_or("event_id", named("an event"))?;
    let endpoint_id = request.query_as_or("webhook_endpoint_id", named("a webhook endpoint"))?;
    let of = match (event_id, endpoint_id) {
        (Some(event_id), at) => AttemptsOf::Event(event_id, at),
        (None, Some(endpoint_id)) => AttemptsOf::Endpoint(endpoint_id),
        (None, None) => AttemptsOf::All,
    };
    let status = request.query_as("status")?;
    Ok(AttemptListing { of, status, window: window(request, "an attempt")? })
}

/// Reads `state`, `limit` and `starting_after`.
pub fn attention_listing<Id: FromStr<Err = Invalid>>(
    request: &Request,
) -> Result<AttentionListing<Id>, Problem> {
    request.allow_query(ATTENTION_PARAMETERS)?;
    Ok(AttentionListing { state: request.query_as("state")?, window: window(request, "a webhook endpoint")? })
}

/// Reads `webhook_endpoint_id`, `limit` and `starting_after`.
pub fn explanation_listing(request: &Request) -> Result<ExplanationListing, Problem> {
    request.allow_query(EXPLANATION_PARAMETERS)?;
    let endpoint = request.query_as("webhook_endpoint_id")?;
    Ok(ExplanationListing { endpoint, window: window(request, "a webhook endpoint")? })
}

/// Reads `cursor` or `since`, `types`, `limit`, `wait` and `consumer`.
pub fn feed_query(request: &Request) -> Result<FeedQuery, Problem> {
    request.allow_query(FEED_PARAMETERS)?;
    let start = match (request.query_as("cursor")?, request.query_time("since")?) {
        (Some(_), Some(_)) => {
            let reason =
                "cannot be combined with `cursor`, which says where to go on. Send only one of them.";
            return Err(Problem::param("since", reason));
        }
        (Some(cursor), None) => FeedStart::Cursor(cursor),
        (None, Some(at)) => FeedStart::Since(at),
        (None, None) => FeedStart::Now,
    };
    let types: Vec<_> =
        request.query_all("types").into_iter().flat_map(|text| text.split(',')).map(str::trim).collect();
    let types = (!types.is_empty()).then(|| EnabledEvents::parse(types)).transpose();
    let longest = MAX_WAIT.as_secs();
    let wait = request.query_as_or("wait", |_: ParseIntError| wrong_wait(longest))?.unwrap_or(0);
    if wait > longest {
        return Err(Problem::param("wait", wrong_wait(longest)));
    }
    Ok(FeedQuery {
        start,
        types: types.map_err(|reason| Problem::param("types", reason))?,
        limit: number(request, "limit", MAX_PAGE)?.unwrap_or(MAX_PAGE),
        wait: Duration::from_secs(wait),
        consumer: request.query_as("consumer")?,
    })
}

fn wrong_wait(longest: u64) -> Invalid {
    Invalid::because(format!("must be a whole number of seconds from 0 to {longest}"))
}

/// Reads `prefix`, `limit` and `starting_after`.
pub fn account_listing(request: &Request) -> Result<AccountListing, Problem> {
    request.allow_query(ACCOUNT_PARAMETERS)?;
    let prefix = request.query("prefix")?.unwrap_or_default();
    if !prefix.is_empty() {
        let _: AccountId = prefix.parse().map_err(|reason| Problem::param("prefix", reason))?;
    }
    Ok(AccountListing { prefix, window: window(request, "an account")? })
}

/// Reads `limit` and `starting_after`.
pub fn audit_window(request: &Request) -> Result<Window<AuditId>, Problem> {
    request.allow_query(PAGE_PARAMETERS)?;
    window(request, "an entry of the audit log")
}

/// Reads `limit` and `starting_after`.
pub fn key_window(request: &Request) -> Result<Window<KeyId>, Problem> {
    request.allow_query(PAGE_PARAMETERS)?;
    window(request, "a key")
}

/// Reads `page`, `pageSize` (or `size`), `order`, `status`, and the cursor form `limit`, `starting_after`,
/// `ending_before`.
pub fn endpoint_listing(request: &Request) -> Result<EndpointListing, Problem> {
    request.allow_query(ENDPOINT_PARAMETERS)?;
    Ok(EndpointListing {
        status: request.query_as("status")?,
        order: order(request)?,
        window: window(request, "a webhook endpoint, or the `next_cursor` of a response")?,
    })
}

/// Returns the problem for a cursor that names no endpoint.
pub fn unknown_cursor(listing: &EndpointListing, UnknownCursor(id): UnknownCursor) -> Problem {
    let param = match listing.window {
        Window::Before { .. } => "ending_before",
        Window::First { .. } | Window::After { .. } | Window::Page { .. } => "starting_after",
    };
    let reason = format!(
        "is {id}, but this account has no such webhook endpoint in this mode. To continue a list in this order, pass the \
         `next_cursor` of the last response, which still works if its endpoint is deleted."
    );
    Problem::unknown_cursor(param, reason)
}

/// Reads `order`, which may be a list with commas, or repeated, or both. PaymentKit's SDK also sends pairs of a field and a
/// direction: `order[0][0]=url&order[0][1]=ASC`.
fn order(request: &Request) -> Result<Vec<(OrderField, Direction)>, Problem> {
    let mut order: Vec<(OrderField, Direction)> = Vec::new();
    for text in request.query_all("order") {
        if let (Some((_, direction)), Ok(given)) = (order.last_mut(), text.parse()) {
            *direction = given;
            continue;
        }
        order.extend(parse_order(text).map_err(|invalid| Problem::param("order", invalid))?);
    }
    if order.is_empty() {
        order.push((OrderField::CreatedAt, Direction::Descending));
    }
    Ok(order)
}

/// Reads `page` and `pageSize` (or `size`), or `limit` and `starting_after` or `ending_before`, which are ids of
/// `what`.
fn window<Id: FromStr<Err = Invalid>>(request: &Request, what: &str) -> Result<Window<Id>, Problem> {
    let page = number(request, "page", LAST_PAGE)?;
    let page_size = number(request, "pageSize", MAX_PAGE)?;
    let size = number(request, "size", MAX_PAGE)?;
    let limit = number(request, "limit", MAX_PAGE)?;
    let after = cursor(request, "starting_after", what)?;
    let before = cursor(request, "ending_before", what)?;
    if page_size.is_some() && size.is_some() {
        return Err(Problem::param("size", "is another name for `pageSize`. Send only one of them."));
    }
    // PaymentKit's SDK knows a limit of a numbered page.
    let (page_size, limit) = if request.is_signed() && page.is_some() {
        (page_size.or(size).or(limit), None)
    } else {
        (page_size, limit)
    };
    let given = page.or(page_size).or(size);
    if given.is_some() && (limit.is_some() || after.is_some() || before.is_some()) {
        let reason = "and `pageSize` cannot be combined with `limit`, `starting_after` or `ending_before`. List by \
                      page or by cursor.";
        return Err(Problem::param("page", reason));
    }
    let limit = limit.unwrap_or(DEFAULT_PAGE);
    match (after, before) {
        (Some(_), Some(_)) => Err(Problem::param(
            "ending_before",
            "cannot be combined with `starting_after`. Send only one of them.",
        )),
        (Some(id), None) => Ok(Window::After { id, limit }),
        (None, Some(id)) => Ok(Window::Before { id, limit }),
        (None, None) => Ok(match (page, page_size.or(size)) {
            (None, None) => Window::First { limit },
            (page, size) => Window::Page { number: page.unwrap_or(1), size: size.unwrap_or(limit) },
        }),
    }
}

fn number(request: &Request, name: &str, max: usize) -> Result<Option<usize>, Problem> {
    let reason = || Invalid::because(format!("must be a whole number from 1 to {max}"));
    match request.query_as_or::<usize>(name, |_| reason())? {
        Some(number) if !(1..=max).contains(&number) => Err(Problem::param(name, reason())),
        number => Ok(number),
    }
}

fn cursor<Id: FromStr<Err = Invalid>>(
    request: &Request,
    name: &str,
    what: &str,
) -> Result<Option<Id>, Problem> {
    request.query_as_or(name, |_: Invalid| Invalid::because(format!("must be the id of {what}")))
}
