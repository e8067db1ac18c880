//! `PUT /api/webhook-endpoints/{id}`: changes a webhook endpoint.

use std::sync::Arc;

use posthorn_api::bodies::EndpointBody;
use posthorn_api::{Access, Problem, Request, Response, ok};
use posthorn_domain::{
    Clock, EndpointEdit, EndpointId, EndpointStatus, Guard, RecoveryId, RecoveryScope, Scope, Tenant,
};
use posthorn_runtime::{HttpFunction, Runtime, SettingsError, http_function};
use posthorn_storage::{EndpointStore, StorageError};

use super::release::Release;

struct App {
    access: Access,
    endpoints: EndpointStore,
    guard: Guard,
    release: Release,
    clock: Arc<dyn Clock>,
}

pub(crate) fn function(runtime: &Runtime) -> Result<HttpFunction, SettingsError> {
    let app = App {
        access: runtime.access()?,
        endpoints: runtime.endpoints()?,
        guard: runtime.guard()?,
        release: Release::of(runtime)?,
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
    let released = release(&app, tenant, id, &edit).await?;
    let now = app.clock.now();
    let edited = |endpoint| {
        if edit.asks_for_another_secret(&endpoint) {
            return Err(Problem::secret_not_editable());
        }
        if let Some(invalid) = edit.refusal(&endpoint) {
            return Err(invalid.into());
        }
        if edit.ends_hold(&endpoint) && released.is_none() {
            // It was paused a moment ago.
            return Err(StorageError::Conflict.into());
        }
        let drain = released.as_ref().and_then(|Released { drain }| *drain);
        Ok(edit.apply(endpoint, drain, now))
    };
    let endpoint = app.endpoints.update(tenant, id, edited).await?;
    let endpoint = endpoint.ok_or_else(|| Problem::no_endpoint(id))?;
    Ok(ok(&EndpointBody::for_caller(&caller, endpoint)))
}

/// A hold that ends.
struct Released {
    /// The recovery that sends what is held; `None` if that is canceled.
    drain: Option<RecoveryId>,
}

/// If the edit ends a hold, begins a recovery of what is held.
async fn release(
    app: &App,
    tenant: &Tenant,
    id: EndpointId,
    edit: &EndpointEdit,
) -> Result<Option<Released>, Problem> {
    let Some(status) = edit.status() else { return Ok(None) };
    let endpoint = app.endpoints.get(tenant, id).await?.ok_or_else(|| Problem::no_endpoint(id))?;
    if !edit.ends_hold(&endpoint) {
        return Ok(None);
    }
    let scope = if status == EndpointStatus::Enabled { RecoveryScope::Held } else { RecoveryScope::Skipped };
    let drain = app.release.begin(tenant, &endpoint, scope).await?;
    Ok(Some(Released { drain }))
}
