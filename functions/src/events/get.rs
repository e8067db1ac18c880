//! `GET /api/events/{id}`: reads an event and its deliveries.

use std::sync::Arc;

use posthorn_api::bodies::EventBody;
use posthorn_api::{Access, Problem, Request, Response, ok};
use posthorn_domain::{DeliveredEvent, Scope};
use posthorn_runtime::{HttpFunction, Runtime, SettingsError, http_function};
use posthorn_storage::EventLog;

struct App {
    access: Access,
    log: EventLog,
}

pub(crate) fn function(runtime: &Runtime) -> Result<HttpFunction, SettingsError> {
    let app = App { access: runtime.access()?, log: runtime.event_log()? };
    Ok(http_function(app, get_event))
}

async fn get_event(app: Arc<App>, request: Request) -> Result<Response, Problem> {
    let tenant = app.access.tenant(&request, &[Scope::EventsRead]).await?;
    let id = request.event_id()?;
    let record = app.log.get_whole(&tenant, id).await?.ok_or_else(|| Problem::no_event(id))?;
    let event = DeliveredEvent::read(&record.body).map_err(Problem::internal)?;
    Ok(ok(&EventBody::new(event, record.deliveries)))
}
