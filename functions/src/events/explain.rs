//! `GET /api/events/{id}/explain`: says of each endpoint why it got an event, or did not.

use std::cmp::Reverse;
use std::collections::HashMap;
use std::sync::Arc;

use posthorn_api::bodies::ExplanationBody;
use posthorn_api::{
    Access, LogPageBuilder, MAX_LOOKED_AT, Problem, Request, Response, Window, explanation_listing, ok, sized,
};
use posthorn_domain::{DeliveredEvent, Delivery, Endpoint, EndpointId, EventId, EventType, Scope, Tenant};
use posthorn_runtime::{HttpFunction, Runtime, SettingsError, http_function};
use posthorn_storage::{EndpointStore, EventLog, EventRecord};

/// Number of endpoints that are read at once.
const READ_AT_ONCE: usize = 25;

struct App {
    access: Access,
    endpoints: EndpointStore,
    log: EventLog,
}

pub(crate) fn function(runtime: &Runtime) -> Result<HttpFunction, SettingsError> {
    let app = App { access: runtime.access()?, endpoints: runtime.endpoints()?, log: runtime.event_log()? };
    Ok(http_function(app, explain_event))
}

/// An event, and what is needed to explain where it went.
struct Explained {
    id: EventId,
    event_type: EventType,
    only: Option<EndpointId>,
    deliveries: HashMap<EndpointId, Delivery>,
}

async fn explain_event(app: Arc<App>, request: Request) -> Result<Response, Problem> {
    let needed = [Scope::EventsRead, Scope::EndpointsRead];
    let tenant = app.access.tenant_with_query(&request, &needed).await?;
    let listing = explanation_listing(&request)?;
    let id = request.event_id()?;
    let record = app.log.get_whole(&tenant, id).await?.ok_or_else(|| Problem::no_event(id))?;
    let event = Explained::new(id, record)?;
    let mut asked = match listing.endpoint {
        Some(endpoint) => vec![endpoint],
        None => all_endpoints(&app, &tenant, &event, listing.window).await?,
    };
    let mut page: LogPageBuilder<EndpointId, ExplanationBody> =
        LogPageBuilder::new(listing.window, MAX_LOOKED_AT);
    let has_more = asked.len() > listing.window.limit();
    asked.truncate(listing.window.limit());
    let mut endpoints = HashMap::new();
    for ids in asked.chunks(READ_AT_ONCE) {
        let read = app.endpoints.get_all(&tenant, ids).await?.into_iter();
        endpoints.extend(read.map(|endpoint| (endpoint.id, endpoint)));
    }
    for id in asked {
        match event.at(id, endpoints.get(&id)) {
            Some(explanation) => page.offer(id, || sized(explanation)),
            None if listing.endpoint.is_some() => return Err(Problem::no_endpoint(id)),
            // It was deleted a moment ago, or its row cannot be read.
            None => {}
        }
        page.pass(id);
    }
    if has_more {
        page.end();
    }
    Ok(ok(&page.finish()?))
}

/// Returns the endpoints of a page and one more, the newest first: the tenant's, and those that have a delivery but were
/// deleted.
async fn all_endpoints(
    app: &App,
    tenant: &Tenant,
    event: &Explained,
    window: Window<EndpointId>,
) -> Result<Vec<EndpointId>, Problem> {
    let outlines = app.endpoints.outlines(tenant).await?;
    let mut ids: Vec<_> = outlines.into_iter().map(|outline| outline.id).collect();
    ids.extend(event.deliveries.keys());
    ids.sort_unstable_by_key(|id| Reverse(*id));
    ids.dedup();
    if let Some(after) = window.after() {
        ids.retain(|id| id < after);
    }
    ids.truncate(window.limit() + 1);
    Ok(ids)
}

impl Explained {
    fn new(id: EventId, record: EventRecord) -> Result<Self, Problem> {
        let event = DeliveredEvent::read(&record.body).map_err(Problem::internal)?;
        let event_type = event.event_type().map_err(Problem::internal)?;
        let deliveries = record.deliveries.into_iter();
        let deliveries = deliveries.map(|delivery| (delivery.endpoint_id, delivery)).collect();
        Ok(Self { id, event_type, only: record.only, deliveries })
    }

    /// Explains what became of the event at an endpoint; `None` if it has neither a delivery nor the endpoint.
    fn at(&self, id: EndpointId, endpoint: Option<&Endpoint>) -> Option<ExplanationBody> {
        if let Some(delivery) = self.deliveries.get(&id) {
            return Some(ExplanationBody::of_delivery(delivery, endpoint));
        }
        let explain =
            |endpoint| ExplanationBody::without_delivery(endpoint, &self.event_type, self.id.at(), self.only);
        endpoint.map(explain)
    }
}
