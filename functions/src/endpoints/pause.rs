//! `POST /api/webhook-endpoints/{id}/pause`: holds the deliveries to a webhook endpoint until it is resumed.

use std::sync::Arc;

use posthorn_api::bodies::EndpointBody;
use posthorn_api::{Access, Problem, Request, Response, ok, require_enabled};
use posthorn_delivery::{Notices, Said};
use posthorn_domain::{AuditAction, Clock, Endpoint, EndpointStatus, Scope};
use posthorn_runtime::{HttpFunction, Runtime, SettingsError, http_function};
use posthorn_storage::EndpointStore;

struct App {
    access: Access,
    endpoints: EndpointStore,
    notices: Notices,
    clock: Arc<dyn Clock>,
}

pub(crate) fn function(runtime: &Runtime) -> Result<HttpFunction, SettingsError> {
    let app = App {
        access: runtime.access()?,
        endpoints: runtime.endpoints()?,
        notices: runtime.notices()?,
        clock: runtime.clock(),
    };
    Ok(http_function(app, pause_endpoint))
}

async fn pause_endpoint(app: Arc<App>, request: Request) -> Result<Response, Problem> {
    let caller = app.access.caller(&request, &[Scope::EndpointsWrite]).await?;
    let tenant = &caller.tenant;
    let id = request.endpoint_id()?;
    request.optional_fields(tenant.mode, |_| Ok(()))?;
    let now = app.clock.now();
    let paused = |endpoint: Endpoint| {
        if endpoint.status == EndpointStatus::Paused {
            return Ok(endpoint);
        }
        require_enabled(&endpoint)?;
        Ok::<_, Problem>(Endpoint {
            updated_at: now,
            ..endpoint.with_status(EndpointStatus::Paused, None, now)
        })
    };
    let endpoint = app.endpoints.get(tenant, id).await?.ok_or_else(|| Problem::no_endpoint(id))?;
    if endpoint.status != EndpointStatus::Paused {
        app.notices.publish(tenant, &paused(endpoint)?, Said::Paused, now).await?;
    }
    let entry = caller.entry(AuditAction::EndpointPaused, id);
    let endpoint = app.endpoints.audited(entry).update(tenant, id, paused).await?;
    let endpoint = endpoint.ok_or_else(|| Problem::no_endpoint(id))?;
    Ok(ok(&EndpointBody::for_caller(&caller, endpoint)))
}
