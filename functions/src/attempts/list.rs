//! `GET /api/webhook-attempts`: lists the attempts at an event's deliveries, at an endpoint, or all, the newest first.

use std::sync::Arc;

use posthorn_api::bodies::{AttemptBody, CursorListBody};
use posthorn_api::{
    Access, AttemptListing, AttemptsOf, LogPageBuilder, MAX_LOOKED_AT, Problem, Request, Response, Window,
    attempt_listing, attempts_at, attempts_of_all, ok, sized,
};
use posthorn_domain::{AttemptId, EndpointId, EventId, Scope, Tenant};
use posthorn_runtime::{HttpFunction, Runtime, SettingsError, http_function};
use posthorn_storage::{EndpointStore, EventLog};

struct App {
    access: Access,
    endpoints: EndpointStore,
    log: EventLog,
}

pub(crate) fn function(runtime: &Runtime) -> Result<HttpFunction, SettingsError> {
    let app = App { access: runtime.access()?, endpoints: runtime.endpoints()?, log: runtime.event_log()? };
    Ok(http_function(app, list_attempts))
}

async fn list_attempts(app: Arc<App>, request: Request) -> Result<Response, Problem> {
    let tenant = app.access.tenant_with_query(&request, &[Scope::EventsRead]).await?;
    let listing = attempt_listing(&request)?;
    let page = match listing.of {
        AttemptsOf::Event(event_id, at) => of_event(&app, &tenant, event_id, at, &listing).await?,
        AttemptsOf::Endpoint(id) => {
            let endpoint = app.endpoints.get(&tenant, id).await?.ok_or_else(|| Problem::no_endpoint(id))?;
            let AttemptListing { status, window, .. } = listing;
            attempts_at(&app.log, &tenant, &endpoint, status, window, MAX_LOOKED_AT).await?
        }
        AttemptsOf::All => attempts_of_all(&app.log, &tenant, listing.status, listing.window).await?,
    };
    Ok(ok(&page))
}

/// Reads all attempts of an event, whose number is bounded, sorts them by time, and cuts them to the page.
async fn of_event(
    app: &App,
    tenant: &Tenant,
    event_id: EventId,
    at: Option<EndpointId>,
    listing: &AttemptListing,
) -> Result<CursorListBody<AttemptId, AttemptBody>, Problem> {
    let record = app.log.get_whole(tenant, event_id).await?.ok_or_else(|| Problem::no_event(event_id))?;
    let is_asked_for = |id| at.is_none_or(|asked| asked == id);
    let deliveries = record.deliveries.iter().filter(|delivery| is_asked_for(delivery.endpoint_id));
    let mut attempts: Vec<_> =
        deliveries.flat_map(|delivery| AttemptBody::of(tenant.mode, event_id, delivery)).collect();
    attempts.sort_unstable_by_key(|attempt| std::cmp::Reverse((attempt.created_at, attempt.id)));
    let attempts = beyond_cursor(attempts, listing.window)?;
    let mut page = LogPageBuilder::new(listing.window, usize::MAX);
    for attempt in attempts {
        if listing.status.is_none_or(|status| attempt.status == status) {
            page.offer(attempt.id, || sized(attempt));
        }
    }
    Ok(page.finish()?)
}

/// Returns the attempts beyond the cursor, in the direction in which the list is read.
fn beyond_cursor(
    mut attempts: Vec<AttemptBody>,
    window: Window<AttemptId>,
) -> Result<Vec<AttemptBody>, Problem> {
    let position = |param: &str, id: AttemptId| {
        let position = attempts.iter().position(|attempt| attempt.id == id);
        position.ok_or_else(|| {
            Problem::unknown_cursor(
                param,
                format!("is {id}, but the list has no such attempt. Start the list again."),
            )
        })
    };
    match window {
        Window::First { .. } | Window::Page { .. } => {}
        Window::After { id, .. } => drop(attempts.drain(..=position("starting_after", id)?)),
        Window::Before { id, .. } => {
            attempts.truncate(position("ending_before", id)?);
            attempts.reverse();
        }
    }
    Ok(attempts)
}
