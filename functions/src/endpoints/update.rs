//! `PUT /api/webhook-endpoints/{id}`: changes a webhook endpoint.

use std::sync::Arc;

use posthorn_api::bodies::EndpointBody;
use posthorn_api::{Access, Problem, Request, Response, ok};
use posthorn_delivery::{Notices, Release, Said};
use posthorn_domain::{
    AuditAction, Clock, Endpoint, EndpointEdit, EndpointStatus, Guard, RecoveryId, RecoveryScope, Scope,
    Tenant, Timestamp,
};
use posthorn_runtime::{HttpFunction, Runtime, SettingsError, http_function};
use posthorn_storage::{EndpointStore, StorageError};

struct App {
    access: Access,
    endpoints: EndpointStore,
    guard: Guard,
    release: Release,
    notices: Notices,
    clock: Arc<dyn Clock>,
}

pub(crate) fn function(runtime: &Runtime) -> Result<HttpFunction, SettingsError> {
    let app = App {
        access: runtime.access()?,
        endpoints: runtime.endpoints()?,
        guard: runtime.guard()?,
        release: runtime.release()?,
        notices: runtime.notices()?,
        clock: runtime.clock(),
    };
    Ok(http_function(app, update_endpoint))
}

async fn update_endpoint(app: Arc<App>, request: Request) -> Result<Response, Problem> {
    let caller = app.access.caller(&request, &[Scope::EndpointsWrite]).await?;
    let tenant = &caller.tenant;
    let id = request.endpoint_id()?;
    let edit = request.update_fields(tenant.mode, EndpointEdit::read)?;
    if let Some(url) = edit.url() {
        app.guard.admit(url).map_err(|reason| Problem::field("url", reason))?;
    }
    let now = app.clock.now();
    let mut released = None;
    if edit.status().is_some() {
        let endpoint = app.endpoints.get(tenant, id).await?.ok_or_else(|| Problem::no_endpoint(id))?;
        let said = said(&edit, &endpoint);
        released = release(&app, tenant, &edit, &endpoint).await?;
        let edited = edited(&edit, endpoint, released.as_ref(), now)?;
        if let Some(said) = said {
            app.notices.publish(tenant, &edited, said, now).await?;
        }
    }
    let edited = |endpoint| edited(&edit, endpoint, released.as_ref(), now);
    let entry = caller.entry(AuditAction::EndpointUpdated, id);
    let endpoint = app.endpoints.audited(entry).update(tenant, id, edited).await?;
    let endpoint = endpoint.ok_or_else(|| Problem::no_endpoint(id))?;
    Ok(ok(&EndpointBody::for_caller(&caller, endpoint)))
}

/// Returns the endpoint after the edit.
fn edited(
    edit: &EndpointEdit,
    endpoint: Endpoint,
    released: Option<&Released>,
    now: Timestamp,
) -> Result<Endpoint, Problem> {
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
    let edited = edit.apply(endpoint, released.and_then(|released| released.drain), now);
    edited.require_signable().map_err(|reason| Problem::field("url", reason))?;
    Ok(edited)
}

/// Returns what the edit means to those who follow the endpoint's pauses.
fn said(edit: &EndpointEdit, before: &Endpoint) -> Option<Said> {
    use EndpointStatus::{Enabled, Paused};
    match (before.status, edit.status()?) {
        (Paused, Enabled) => Some(Said::Resumed),
        (Paused, _) => None,
        (_, Paused) => Some(Said::Paused),
        _ => None,
    }
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
    edit: &EndpointEdit,
    endpoint: &Endpoint,
) -> Result<Option<Released>, Problem> {
    if !edit.ends_hold(endpoint) {
        return Ok(None);
    }
    let is_enabled = edit.status() == Some(EndpointStatus::Enabled);
    let scope = if is_enabled { RecoveryScope::Held } else { RecoveryScope::Skipped };
    let drain = app.release.begin(tenant, endpoint, scope).await?;
    Ok(Some(Released { drain }))
}
