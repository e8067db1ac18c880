//! `GET /api/attention`: lists the webhook endpoints that are disabled, paused, held or failing.

use std::collections::HashMap;
use std::sync::Arc;

use posthorn_api::bodies::AttentionBody;
use posthorn_api::{
    Access, LogPageBuilder, MAX_LOOKED_AT, Problem, Request, Response, attention_listing, ok, sized,
};
use posthorn_domain::{Endpoint, EndpointId, Scope};
use posthorn_runtime::{HttpFunction, Runtime, SettingsError, http_function};
use posthorn_storage::{EndpointStore, InTrouble};

struct App {
    access: Access,
    endpoints: EndpointStore,
}

pub(crate) fn function(runtime: &Runtime) -> Result<HttpFunction, SettingsError> {
    let app = App { access: runtime.access()?, endpoints: runtime.endpoints()? };
    Ok(http_function(app, list_attention))
}

async fn list_attention(app: Arc<App>, request: Request) -> Result<Response, Problem> {
    let tenant = app.access.tenant_with_query(&request, &[Scope::EndpointsRead]).await?;
    let listing = attention_listing(&request)?;
    let before = listing.window.after().copied();
    let limit = listing.window.limit();
    let found = app.endpoints.in_trouble(&tenant, listing.state, before, limit + 1).await?;
    let shown: Vec<_> = found.iter().take(limit).map(|found| found.endpoint_id).collect();
    let mut endpoints: HashMap<EndpointId, Endpoint> = HashMap::new();
    if !shown.is_empty() {
        let read = app.endpoints.get_all(&tenant, &shown).await?;
        endpoints.extend(read.into_iter().map(|endpoint| (endpoint.id, endpoint)));
    }
    let mut page: LogPageBuilder<EndpointId, AttentionBody> =
        LogPageBuilder::new(listing.window, MAX_LOOKED_AT);
    let has_more = found.len() > limit;
    for InTrouble { endpoint_id, trouble } in found.into_iter().take(limit) {
        // One that is missing was deleted, and one that is well recovered, a moment ago.
        let endpoint = endpoints.remove(&endpoint_id).filter(|endpoint| endpoint.trouble().is_some());
        if let Some(endpoint) = endpoint {
            page.offer(endpoint_id, || sized(AttentionBody::new(trouble, endpoint)));
        }
        page.pass(endpoint_id);
    }
    if has_more {
        page.end();
    }
    Ok(ok(&page.finish()?))
}
