//! `POST /api/webhook-endpoints/{id}/resume`: sends what a paused webhook endpoint holds, or lets it go.

use std::sync::Arc;

use posthorn_api::bodies::EndpointBody;
use posthorn_api::{Access, Problem, Request, Response, ok, require_enabled};
use posthorn_delivery::{Notices, Release, Said};
use posthorn_domain::{
    AuditAction, Clock, Endpoint, EndpointStatus, Fields, Flag, Hold, InvalidField, RecoveryScope, Scope,
};
use posthorn_runtime::{HttpFunction, Runtime, SettingsError, http_function};
use posthorn_storage::EndpointStore;

struct App {
    access: Access,
    endpoints: EndpointStore,
    release: Release,
    notices: Notices,
    clock: Arc<dyn Clock>,
}

pub(crate) fn function(runtime: &Runtime) -> Result<HttpFunction, SettingsError> {
    let app = App {
        access: runtime.access()?,
        endpoints: runtime.endpoints()?,
        release: runtime.release()?,
        notices: runtime.notices()?,
        clock: runtime.clock(),
    };
    Ok(http_function(app, resume_endpoint))
}

async fn resume_endpoint(app: Arc<App>, request: Request) -> Result<Response, Problem> {
    let caller = app.access.caller(&request, &[Scope::EndpointsWrite]).await?;
    let tenant = &caller.tenant;
    let id = request.endpoint_id()?;
    let skip = request.optional_fields(tenant.mode, read_skip)?;
    let endpoint = app.endpoints.get(tenant, id).await?.ok_or_else(|| Problem::no_endpoint(id))?;
    if endpoint.status != EndpointStatus::Paused {
        require_enabled(&endpoint)?;
        // What a recovery has not sent yet can be skipped; and one that has stopped at a limit is followed by another.
        let has_rest =
            endpoint.hold.is_some() && (skip || !app.release.is_draining(tenant, &endpoint).await?);
        if !has_rest {
            return Ok(ok(&EndpointBody::for_caller(&caller, endpoint)));
        }
    }
    let scope = if skip { RecoveryScope::Skipped } else { RecoveryScope::Held };
    let drain = app.release.begin(tenant, &endpoint, scope).await?;
    let now = app.clock.now();
    let before = endpoint.hold.map(Hold::drain);
    let resumed = |endpoint: Endpoint| {
        // If the hold has changed, another request was first.
        if endpoint.hold.map(Hold::drain) != before {
            return Ok(endpoint);
        }
        let resumed = endpoint.with_status(EndpointStatus::Enabled, drain, now);
        let hold = resumed.hold.filter(|_| !skip);
        Ok::<_, Problem>(Endpoint { hold, updated_at: now, ..resumed })
    };
    app.notices.publish(tenant, &resumed(endpoint)?, Said::Resumed, now).await?;
    let entry = caller.entry(AuditAction::EndpointResumed, id);
    let endpoint = app.endpoints.audited(entry).update(tenant, id, resumed).await?;
    let endpoint = endpoint.ok_or_else(|| Problem::no_endpoint(id))?;
    Ok(ok(&EndpointBody::for_caller(&caller, endpoint)))
}

/// Reads `skip`: whether what is held is canceled instead of sent.
fn read_skip(fields: &mut Fields<'_>) -> Result<bool, InvalidField> {
    let Flag(skip) = fields.optional("skip")?.unwrap_or_default();
    Ok(skip)
}
