//! `PUT /api/webhook-endpoints/{id}`: changes a webhook endpoint.

use std::sync::Arc;

use posthorn_api::bodies::EndpointBody;
use posthorn_api::{Access, Problem, Request, Response, ok};
use posthorn_domain::{Clock, EndpointEdit, Guard, Scope};
use posthorn_runtime::{HttpFunction, Runtime, SettingsError, http_function};
use posthorn_storage::EndpointStore;

struct App {
    access: Access,
    endpoints: EndpointStore,
    guard: Guard,
    clock: Arc<dyn Clock>,
}

pub(crate) fn function(runtime: &Runtime) -> Result<HttpFunction, SettingsError> {
    let app = App {
        access: runtime.access()?,
        endpoints: runtime.endpoints()?,
        guard: runtime.guard()?,
        clock: runtime.clock(),
    };
    Ok(http_function(app, update_endpoint))
}

async fn update_endpoint(app: Arc<App>, request: Request) -> Result<Response, Problem> {
    let caller = app.access.caller(&request, &[Scope::EndpointsWrite]).await?;
    let tenant = &caller.tenant;
    let id = request.endpoint_id()?;
    let edit = request.fields(tenant.mode, EndpointEdit::read)?;
    if let Some(url) = edit.url() {
        app.guard.admit(url).map_err(|reason| Problem::field("url", reason))?;
    }
    let now = app.clock.now();
    let edited = |endpoint| {
        if edit.asks_for_another_secret(&endpoint) {
            return Err(Problem::secret_not_editable());
        }
        if let Some(invalid) = edit.refusal(&endpoint) {
            return Err(invalid.into());
        }
        Ok(edit.apply(endpoint, now))
    };
    let endpoint = app.endpoints.update(tenant, id, edited).await?;
    let endpoint = endpoint.ok_or_else(|| Problem::no_endpoint(id))?;
    Ok(ok(&EndpointBody::for_caller(&caller, endpoint)))
}
