//! `POST /api/webhook-endpoints`: registers a webhook endpoint.

use std::sync::Arc;

use posthorn_api::bodies::{CreatedEndpointBody, EndpointBody, EndpointDryRunBody};
use posthorn_api::{Access, Problem, Request, Response, created, ok};
use posthorn_domain::{AuditAction, Clock, Guard, NewEndpoint, Random, Scope};
use posthorn_runtime::{HttpFunction, Runtime, SettingsError, http_function};
use posthorn_storage::EndpointStore;

struct App {
    access: Access,
    endpoints: EndpointStore,
    max_endpoints: u32,
    guard: Guard,
    clock: Arc<dyn Clock>,
    random: Arc<dyn Random>,
}

pub(crate) fn function(runtime: &Runtime) -> Result<HttpFunction, SettingsError> {
    let app = App {
        access: runtime.access()?,
        endpoints: runtime.endpoints()?,
        max_endpoints: runtime.setting("MAX_ENDPOINTS")?,
        guard: runtime.guard()?,
        clock: runtime.clock(),
        random: runtime.random(),
    };
    Ok(http_function(app, create_endpoint))
}

async fn create_endpoint(app: Arc<App>, request: Request) -> Result<Response, Problem> {
    let caller = app.access.caller(&request, &[Scope::EndpointsWrite]).await?;
    let tenant = &caller.tenant;
    let new = request.fields(tenant.mode, NewEndpoint::read)?;
    let is_dry_run = new.is_dry_run();
    let endpoint = new.register(tenant, app.clock.now(), app.random.as_ref());
    app.guard.admit(&endpoint.url).map_err(|reason| Problem::field("url", reason))?;
    endpoint.require_signable().map_err(|reason| Problem::field("url", reason))?;
    if is_dry_run {
        return Ok(ok(&EndpointDryRunBody::passed()));
    }
    let entry = caller.entry(AuditAction::EndpointCreated, endpoint.id);
    app.endpoints.audited(entry).create(tenant, &endpoint, app.max_endpoints).await?;
    let secret = endpoint.secret.reveal();
    let endpoint = EndpointBody::for_caller(&caller, endpoint);
    Ok(created(&CreatedEndpointBody { endpoint, secret }))
}
