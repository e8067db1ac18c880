//! `GET /api/event-types`: the catalogue of event types.

use std::sync::Arc;

use posthorn_api::bodies::{EventTypeBody, ListBody};
use posthorn_api::{Access, Problem, Request, Response, ok};
use posthorn_domain::event_types;
use posthorn_runtime::{HttpFunction, Runtime, SettingsError, http_function};

struct App {
    access: Access,
}

pub(crate) fn function(runtime: &Runtime) -> Result<HttpFunction, SettingsError> {
    let app = App { access: runtime.access()? };
    Ok(http_function(app, list_event_types))
}

async fn list_event_types(app: Arc<App>, request: Request) -> Result<Response, Problem> {
    app.access.tenant(&request, &[]).await?;
    let list: Vec<_> = event_types().map(EventTypeBody::from).collect();
    Ok(ok(&ListBody::new(list)))
}
