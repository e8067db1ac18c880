//! `GET /api/events`: lists events, the newest first.

use std::sync::Arc;

use posthorn_api::{
    Access, LogPageBuilder, MAX_LOOKED_AT, Problem, Request, Response, bytes_in_answer, event_listing, ok,
};
use posthorn_domain::{DeliveredEvent, EventId, Scope};
use posthorn_runtime::{HttpFunction, Runtime, SettingsError, http_function};
use posthorn_storage::EventLog;
use serde_json::value::RawValue;

struct App {
    access: Access,
    log: EventLog,
}

pub(crate) fn function(runtime: &Runtime) -> Result<HttpFunction, SettingsError> {
    let app = App { access: runtime.access()?, log: runtime.event_log()? };
    Ok(http_function(app, list_events))
}

async fn list_events(app: Arc<App>, request: Request) -> Result<Response, Problem> {
    let tenant = app.access.tenant_with_query(&request, &[Scope::EventsRead]).await?;
    let listing = event_listing(&request)?;
    let partitions = app.log.partitions(&tenant, &listing.filter).await?;
    let window = listing.window;
    let expected = window.skip() + window.limit() + 1;
    let mut events = app.log.scan(&tenant, &partitions, listing.span, window.time_order(), expected);
    let mut page: LogPageBuilder<EventId, Box<RawValue>> = LogPageBuilder::new(window, MAX_LOOKED_AT);
    while !page.is_complete() {
        let Some((id, record)) = events.next().await? else { break };
        let event = DeliveredEvent::read(&record.body).map_err(unreadable)?;
        if listing.filter.takes(&event).map_err(unreadable)? {
            let record =
                if page.shows_next() { app.log.with_chunks(&tenant, id, record).await? } else { record };
            let event = DeliveredEvent::read(&record.body).map_err(unreadable)?.counting(&record.deliveries);
            let json = serde_json::value::to_raw_value(&event).map_err(unreadable)?;
            page.offer(id, || (bytes_in_answer(json.get()), json));
        }
        page.pass(id);
    }
    Ok(ok(&page.finish()?))
}

fn unreadable(error: serde_json::Error) -> Problem {
    Problem::internal(error)
}
