//! `POST /api/webhook-endpoints/{id}/recover`: resends what a webhook endpoint has not acknowledged.

use std::sync::Arc;
use std::time::Duration;

use posthorn_api::bodies::{RecoveryBody, RecoveryCountBody};
use posthorn_api::{Access, Problem, Request, Response, accepted, ok, require_enabled};
use posthorn_delivery::Release;
use posthorn_domain::{
    Clock, DeliveryStatus, Endpoint, Random, Recovery, RecoveryId, RecoveryRequest, RecoveryScope, Scope,
    Tenant,
};
use posthorn_runtime::{HttpFunction, Runtime, SettingsError, http_function};
use posthorn_storage::{EndpointStore, EventLog, Treatment};

/// How long a dry run may count. API Gateway waits for 30 seconds.
const COUNTING_TIME: Duration = Duration::from_secs(20);

struct App {
    access: Access,
    endpoints: EndpointStore,
    log: EventLog,
    release: Release,
    clock: Arc<dyn Clock>,
    random: Arc<dyn Random>,
}

pub(crate) fn function(runtime: &Runtime) -> Result<HttpFunction, SettingsError> {
    let app = App {
        access: runtime.access()?,
        endpoints: runtime.endpoints()?,
        log: runtime.event_log()?,
        release: runtime.release()?,
        clock: runtime.clock(),
        random: runtime.random(),
    };
    Ok(http_function(app, recover_endpoint))
}

async fn recover_endpoint(app: Arc<App>, request: Request) -> Result<Response, Problem> {
    let tenant = app.access.tenant(&request, &[Scope::EventsResend]).await?;
    let id = request.endpoint_id()?;
    let now = app.clock.now();
    let asked = request.fields(tenant.mode, |fields| RecoveryRequest::read(fields, now))?;
    let endpoint = app.endpoints.get(&tenant, id).await?.ok_or_else(|| Problem::no_endpoint(id))?;
    let recovery_id = RecoveryId::new(now, app.random.as_ref());
    if asked.scope == RecoveryScope::Held {
        let held = Recovery::of_held(recovery_id, &endpoint, RecoveryScope::Held, now);
        let Some(held) = held else { return Ok(ok(&RecoveryCountBody::new(0, true))) };
        return Ok(ok(&count(&app, &tenant, &endpoint, &held, &asked).await?));
    }
    require_enabled(&endpoint)?;
    let recovery = asked.begin(recovery_id, &endpoint, now);
    if asked.dry_run {
        return Ok(ok(&count(&app, &tenant, &endpoint, &recovery, &asked).await?));
    }
    begin(&app, &tenant, &endpoint, &recovery).await?;
    Ok(accepted(&RecoveryBody::from(recovery)))
}

/// Records the recovery and queues its first slice.
async fn begin(app: &App, tenant: &Tenant, endpoint: &Endpoint, recovery: &Recovery) -> Result<(), Problem> {
    let since = recovery.since;
    if recovery.scope.takes_missing() && since < endpoint.history.since {
        let extend_back = |mut endpoint: Endpoint| {
            endpoint.history.since = endpoint.history.since.min(since);
            Ok::<_, Problem>(endpoint)
        };
        app.endpoints.update(tenant, endpoint.id, extend_back).await?;
    }
    Ok(app.release.start(tenant, recovery, Duration::ZERO).await?)
}

async fn count(
    app: &App,
    tenant: &Tenant,
    endpoint: &Endpoint,
    recovery: &Recovery,
    asked: &RecoveryRequest,
) -> Result<RecoveryCountBody, Problem> {
    let end = app.clock.now().plus(COUNTING_TIME);
    let mut search = app.log.search(tenant, Some(endpoint), recovery).await?;
    let mut count = 0;
    while app.clock.now() < end {
        match search.next(recovery.created_at).await? {
            None => return Ok(RecoveryCountBody::new(count, true)),
            Some((found, treatment)) => {
                let is_held = found.delivery.is_some_and(|delivery| delivery.status == DeliveryStatus::Held);
                let is_wanted = is_held || asked.scope != RecoveryScope::Held;
                let is_asked_for = asked.asks_for(found.key.event_id.at());
                count += u64::from(treatment == Treatment::Send && is_wanted && is_asked_for);
            }
        }
    }
    Ok(RecoveryCountBody::new(count, false))
}
