//! `GET /api/webhook-endpoints`: lists webhook endpoints.

use std::sync::Arc;

use posthorn_api::{Access, Problem, Request, Response, endpoint_listing, ok, unknown_cursor};
use posthorn_domain::Scope;
use posthorn_runtime::{HttpFunction, Runtime, SettingsError, http_function};
use posthorn_storage::EndpointStore;

struct App {
    access: Access,
    endpoints: EndpointStore,
}

pub(crate) fn function(runtime: &Runtime) -> Result<HttpFunction, SettingsError> {
    let app = App { access: runtime.access()?, endpoints: runtime.endpoints()? };
    Ok(http_function(app, list_endpoints))
}

async fn list_endpoints(app: Arc<App>, request: Request) -> Result<Response, Problem> {
    let tenant = app.access.tenant_with_query(&request, &[Scope::EndpointsRead]).await?;
    let listing = endpoint_listing(&request)?;
    let outlines = app.endpoints.outlines(&tenant).await?;
    let mut page = listing.begin(outlines).map_err(|cursor| unknown_cursor(&listing, cursor))?;
    loop {
        let wanted = page.wanted();
        if wanted.is_empty() {
            return Ok(ok(&page.finish()));
        }
        page.take(app.endpoints.get_all(&tenant, &wanted).await?)?;
    }
}
