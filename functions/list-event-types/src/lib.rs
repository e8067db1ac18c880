//! `GET /api/event-types`: the catalogue of event types.

use std::sync::Arc;

use posthorn_api::{CatalogueApi, Problem, Request, Response, ok};
use posthorn_domain::{CatalogueEntry, Page, event_types};
use posthorn_runtime::{HttpFunction, Runtime, SettingsError, http_function};

/// The function, as its environment sets it up.
pub fn function(runtime: &Runtime) -> Result<HttpFunction, SettingsError> {
    Ok(http_function(runtime.catalogue_api()?, list_event_types))
}

async fn list_event_types(app: Arc<CatalogueApi>, request: Request) -> Result<Response, Problem> {
    app.access.tenant(&request, &[]).await?;
    let list: Vec<&CatalogueEntry> = event_types().collect();
    Ok(ok(&Page { count: list.len(), list }))
}
