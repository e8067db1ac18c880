//! The attempts at all endpoints, page by page.

use posthorn_domain::{AttemptId, AttemptStatus, EndpointId, EventFilter, EventSpan, Tenant, TimeOrder};
use posthorn_storage::EventLog;

use crate::bodies::{AttemptBody, CursorListBody};
use crate::listing::attempts_at::{beyond_all_of, offer, span};
use crate::listing::log_page::{LogPageBuilder, MAX_LOOKED_AT};
use crate::listing::window::Window;
use crate::problem::Problem;

/// Returns a page of the attempts of an account in one mode, sorted by event, then by endpoint, then by attempt, newest
/// first. Examines at most [`MAX_LOOKED_AT`] events.
pub async fn attempts_of_all(
    log: &EventLog,
    tenant: &Tenant,
    status: Option<AttemptStatus>,
    window: Window<AttemptId>,
) -> Result<CursorListBody<AttemptId, AttemptBody>, Problem> {
    let (order, span) = (window.time_order(), span(window, EventSpan::ALL));
    let partitions = log.partitions(tenant, &EventFilter::default()).await?;
    // Most events have an attempt.
    let mut events = log.scan(tenant, &partitions, span, order, window.limit() + 1);
    let mut page = LogPageBuilder::new(window, MAX_LOOKED_AT);
    let last_endpoint = EndpointId::from_bytes(match order {
        TimeOrder::NewestFirst => [u8::MIN; 16],
        TimeOrder::OldestFirst => [u8::MAX; 16],
    });
    while !page.is_complete() {
        let Some((event_id, record)) = events.next().await? else { break };
        let record = log.with_chunks(tenant, event_id, record).await?;
        let deliveries = record.deliveries.iter();
        let mut attempts: Vec<_> =
            deliveries.flat_map(|delivery| AttemptBody::of(tenant.mode, event_id, delivery)).collect();
        attempts.sort_unstable_by_key(|attempt| attempt.id);
        offer(&mut page, attempts, status, window);
        page.pass(beyond_all_of(event_id, last_endpoint, order));
    }
    Ok(page.finish()?)
}
