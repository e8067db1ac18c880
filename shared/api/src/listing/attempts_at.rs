//! The attempts at one endpoint, page by page.

use posthorn_domain::{
    AttemptId, AttemptStatus, Endpoint, EndpointId, EventId, EventSpan, Tenant, TimeOrder,
};
use posthorn_storage::{DeliveriesOf, EventLog, StorageError};

use crate::bodies::{AttemptBody, CursorListBody};
use crate::listing::log_page::LogPageBuilder;
use crate::listing::room::sized;
use crate::listing::window::Window;
use crate::problem::Problem;

/// How many attempts are shown with an endpoint.
pub const LAST_ATTEMPTS: usize = 5;
/// How many events are examined for them. An endpoint without recent events shows no attempts.
const LOOK_AT_MOST: usize = 25;

/// Returns the last attempts at an endpoint, at most [`LAST_ATTEMPTS`], newest first.
pub async fn last_attempts(
    log: &EventLog,
    tenant: &Tenant,
    endpoint: &Endpoint,
) -> Result<Vec<AttemptBody>, Problem> {
    let window = Window::First { limit: LAST_ATTEMPTS };
    Ok(attempts_at(log, tenant, endpoint, None, window, LOOK_AT_MOST).await?.list)
}

/// Returns a page of the attempts at an endpoint, sorted by event and then by attempt, newest first. Examines at most
/// `look_at_most` events.
pub async fn attempts_at(
    log: &EventLog,
    tenant: &Tenant,
    endpoint: &Endpoint,
    status: Option<AttemptStatus>,
    window: Window<AttemptId>,
    look_at_most: usize,
) -> Result<CursorListBody<AttemptId, AttemptBody>, Problem> {
    let mut deliveries = deliveries(log, tenant, endpoint, status, window).await?;
    let mut page = LogPageBuilder::new(window, look_at_most);
    while !page.is_complete() {
        let Some(found) = deliveries.next().await? else { break };
        let event_id = found.event_id();
        let attempts =
            found.delivery.map_or(Vec::new(), |delivery| AttemptBody::of(tenant.mode, event_id, &delivery));
        offer(&mut page, attempts, status, window);
        page.pass(beyond_all_of(event_id, endpoint.id, window.time_order()));
    }
    Ok(page.finish()?)
}

async fn deliveries(
    log: &EventLog,
    tenant: &Tenant,
    endpoint: &Endpoint,
    status: Option<AttemptStatus>,
    window: Window<AttemptId>,
) -> Result<DeliveriesOf, StorageError> {
    let span = span(window, EventSpan::ALL.since(endpoint.history.since));
    let (order, expected) = (window.time_order(), window.limit() + 1);
    if status == Some(AttemptStatus::Failed) {
        return Ok(log.failures_of(tenant, endpoint.id, span, order, expected));
    }
    log.deliveries_of(tenant, endpoint, span, order, expected).await
}

/// Returns the part of a span that a page reads.
pub(super) fn span(window: Window<AttemptId>, span: EventSpan) -> EventSpan {
    match window {
        Window::First { .. } | Window::Page { .. } => span,
        // The cursor's event may have more attempts.
        Window::After { id, .. } => span.up_to(id.event_id),
        Window::Before { id, .. } => span.from(id.event_id),
    }
}

/// Offers a page the attempts at an event that are asked for. They come in the order of their ids.
pub(super) fn offer(
    page: &mut LogPageBuilder<AttemptId, AttemptBody>,
    mut attempts: Vec<AttemptBody>,
    status: Option<AttemptStatus>,
    window: Window<AttemptId>,
) {
    if window.time_order() == TimeOrder::NewestFirst {
        attempts.reverse();
    }
    let is_asked_for = |attempt: &AttemptBody| {
        status.is_none_or(|status| attempt.status == status) && is_beyond(attempt.id, window)
    };
    for attempt in attempts.into_iter().filter(is_asked_for) {
        page.offer(attempt.id, || sized(attempt));
    }
}

/// Returns whether an attempt lies beyond the cursor, in the direction in which the list is read.
fn is_beyond(id: AttemptId, window: Window<AttemptId>) -> bool {
    match window {
        Window::First { .. } | Window::Page { .. } => true,
        Window::After { id: cursor, .. } => id < cursor,
        Window::Before { id: cursor, .. } => id > cursor,
    }
}

/// Returns the position in the list beyond all attempts at an event, if the last ones are at this endpoint.
pub(super) fn beyond_all_of(event_id: EventId, endpoint_id: EndpointId, order: TimeOrder) -> AttemptId {
    let number = match order {
        TimeOrder::NewestFirst => 0,
        TimeOrder::OldestFirst => u16::MAX,
    };
    AttemptId { event_id, endpoint_id, number }
}
