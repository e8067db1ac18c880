//! The query of a list of endpoints.

use posthorn_domain::{
    Direction, EndpointId, EndpointListing, Invalid, OrderField, UnknownCursor, Window, parse_order,
};

use crate::{Problem, Request};

/// The largest page.
const MAX_PAGE: usize = 100;
/// The page when nobody says how large.
const DEFAULT_PAGE: usize = 20;

const PARAMETERS: &[&str] =
    &["livemode", "page", "pageSize", "size", "order", "status", "limit", "starting_after", "ending_before"];

/// Reads `page`, `pageSize` (or `size`), `order`, `status`, and the cursor form `limit`, `starting_after`,
/// `ending_before`.
pub fn endpoint_listing(request: &Request) -> Result<EndpointListing, Problem> {
    request.allow_query(PARAMETERS)?;
    Ok(EndpointListing {
        status: request.query_as("status", |invalid: Invalid| invalid)?,
        order: order(request)?,
        window: window(request)?,
    })
}

/// The listing starts from an endpoint that does not exist.
pub fn unknown_cursor(listing: &EndpointListing, UnknownCursor(id): UnknownCursor) -> Problem {
    let param = match listing.window {
        Window::Before { .. } => "ending_before",
        Window::After { .. } | Window::Page { .. } => "starting_after",
    };
    Problem::param(param, format!("names no webhook endpoint of this account and mode: {id}"))
}

/// `order` may be given once, with commas, or repeatedly.
fn order(request: &Request) -> Result<Vec<(OrderField, Direction)>, Problem> {
    let mut order = Vec::new();
    for text in request.query_all("order") {
        order.extend(parse_order(text).map_err(|invalid| Problem::param("order", invalid))?);
    }
    if order.is_empty() {
        order.push((OrderField::CreatedAt, Direction::Descending));
    }
    Ok(order)
}

fn window(request: &Request) -> Result<Window, Problem> {
    let page = number(request, "page", usize::MAX)?;
    let page_size = number(request, "pageSize", MAX_PAGE)?;
    let size = number(request, "size", MAX_PAGE)?;
    let limit = number(request, "limit", MAX_PAGE)?;
    let after = cursor(request, "starting_after")?;
    let before = cursor(request, "ending_before")?;
    if page_size.is_some() && size.is_some() {
        return Err(Problem::param("size", "is another name for `pageSize`; give one of them"));
    }
    let given = page.or(page_size).or(size);
    if given.is_some() && (limit.is_some() || after.is_some() || before.is_some()) {
        let reason = "cannot be mixed with limit, starting_after or ending_before: ask by page or by cursor";
        return Err(Problem::param("page", reason));
    }
    let limit = limit.unwrap_or(DEFAULT_PAGE);
    match (after, before) {
        (Some(_), Some(_)) => {
            Err(Problem::param("ending_before", "cannot be given together with starting_after"))
        }
        (Some(id), None) => Ok(Window::After { id, limit }),
        (None, Some(id)) => Ok(Window::Before { id, limit }),
        (None, None) => {
            Ok(Window::Page { number: page.unwrap_or(1), size: page_size.or(size).unwrap_or(limit) })
        }
    }
}

fn number(request: &Request, name: &str, max: usize) -> Result<Option<usize>, Problem> {
    let reason = || match max {
        usize::MAX => Invalid::because("must be a whole number from 1"),
        max => Invalid::because(format!("must be a whole number from 1 to {max}")),
    };
    match request.query_as::<usize>(name, |_| reason())? {
        Some(number) if !(1..=max).contains(&number) => Err(Problem::param(name, reason())),
        number => Ok(number),
    }
}

fn cursor(request: &Request, name: &str) -> Result<Option<EndpointId>, Problem> {
    request.query_as(name, |_: Invalid| Invalid::because("must be the id of a webhook endpoint"))
}
