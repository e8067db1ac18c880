//! `GET /api/webhook-endpoints`: lists webhook endpoints.

use std::collections::HashMap;
use std::sync::Arc;

use posthorn_api::{Access, Expansion, Problem, Request, Response, endpoint_listing, ok, unknown_cursor};
use posthorn_domain::Scope;
use posthorn_runtime::{HttpFunction, Runtime, SettingsError, http_function};
use posthorn_storage::{EndpointStore, EventLog};

struct App {
    access: Access,
    endpoints: EndpointStore,
    log: EventLog,
}

pub(crate) fn function(runtime: &Runtime) -> Result<HttpFunction, SettingsError> {
    let app = App { access: runtime.access()?, endpoints: runtime.endpoints()?, log: runtime.event_log()? };
    Ok(http_function(app, list_endpoints))
}

async fn list_endpoints(app: Arc<App>, request: Request) -> Result<Response, Problem> {
    let caller = app.access.caller_with_query(&request, &[Scope::EndpointsRead]).await?;
    let tenant = &caller.tenant;
    let listing = endpoint_listing(&request)?;
    let outlines = app.endpoints.outlines(tenant).await?;
    let mut page = listing.begin(outlines).map_err(|cursor| unknown_cursor(&listing, cursor))?;
    let mut read = HashMap::new();
    loop {
        let wanted = page.wanted();
        if wanted.is_empty() {
            break;
        }
        let endpoints = app.endpoints.get_all(tenant, &wanted).await?;
        if request.is_signed() {
            read.extend(endpoints.iter().map(|endpoint| (endpoint.id, endpoint.clone())));
        }
        page.take(endpoints)?;
    }
    if request.is_signed() {
        let expansion = Expansion { log: &app.log, caller: &caller };
        return Ok(ok(&expansion.page(page.finish(), &read).await?));
    }
    Ok(ok(&page.finish()))
}
