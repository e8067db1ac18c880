//! `POST /api/webhook-attempts/{id}/retry`, `POST /api/webhook-attempts/retry`: resends an event to an endpoint now,
//! whatever the result of earlier attempts.

use std::sync::Arc;
use std::time::Duration;

use posthorn_api::bodies::RetryBody;
use posthorn_api::{Access, Code, Problem, Request, Response, accepted, require_enabled};
use posthorn_domain::{
    Delivery, DeliveryMessage, DeliveryWork, EndpointId, EventId, Fields, InvalidField, Random, Scope, Tenant,
};
use posthorn_runtime::{HttpFunction, Runtime, SettingsError, http_function};
use posthorn_storage::{DeliveryOutbox, EndpointStore, EventLog, RecordKey};

/// Maximum number of manual retries of a delivery: its record has to fit into a row.
pub(crate) const MAX_RESENDS: u32 = 20;

/// The route whose body names the delivery.
const BY_DELIVERY: &str = "POST /api/webhook-attempts/retry";

struct App {
    access: Access,
    endpoints: EndpointStore,
    log: EventLog,
    outbox: DeliveryOutbox,
    random: Arc<dyn Random>,
}

pub(crate) fn function(runtime: &Runtime) -> Result<HttpFunction, SettingsError> {
    let app = App {
        access: runtime.access()?,
        endpoints: runtime.endpoints()?,
        log: runtime.event_log()?,
        outbox: runtime.deliveries_queue()?,
        random: runtime.random(),
    };
    Ok(http_function(app, retry_attempt))
}

async fn retry_attempt(app: Arc<App>, request: Request) -> Result<Response, Problem> {
    let tenant = app.access.tenant(&request, &[Scope::EventsResend]).await?;
    let (key, delivery) = if request.route_key() == BY_DELIVERY {
        find_delivery(&app, &tenant, &request).await?
    } else {
        find_by_attempt(&app, &tenant, &request).await?
    };
    require_retryable(&app, &tenant, &delivery).await?;
    let endpoint_id = delivery.endpoint_id;
    let resend = DeliveryWork::Resend { endpoint_id, resend: app.random.number() };
    let message = DeliveryMessage { tenant, event_id: key.event_id, chunk: key.chunk, work: resend };
    app.outbox.send(&[(message, Duration::ZERO)]).await?;
    Ok(accepted(&RetryBody::new(key.tenant.mode, key.event_id, endpoint_id)))
}

/// Finds the delivery of the event and endpoint in the body.
async fn find_delivery(
    app: &App,
    tenant: &Tenant,
    request: &Request,
) -> Result<(RecordKey, Delivery), Problem> {
    let (event_id, endpoint_id) = request.fields(tenant.mode, read_delivery)?;
    let found = app.log.find(tenant, event_id, endpoint_id).await?;
    let (key, delivery) = found.ok_or_else(|| Problem::no_event(event_id))?;
    let delivery = delivery.ok_or_else(|| Problem::no_delivery(event_id, endpoint_id))?;
    Ok((key, delivery))
}

/// Finds the delivery of the attempt in the path.
async fn find_by_attempt(
    app: &App,
    tenant: &Tenant,
    request: &Request,
) -> Result<(RecordKey, Delivery), Problem> {
    let id = request.attempt_id()?;
    request.optional_fields(tenant.mode, |_| Ok(()))?;
    match app.log.find(tenant, id.event_id, id.endpoint_id).await? {
        Some((key, Some(delivery))) if (1..=delivery.attempts.len()).contains(&usize::from(id.number)) => {
            Ok((key, delivery))
        }
        _ => Err(Problem::no_attempt(id)),
    }
}

/// Reads `event_id` and `webhook_endpoint_id`.
fn read_delivery(fields: &mut Fields<'_>) -> Result<(EventId, EndpointId), InvalidField> {
    Ok((fields.required("event_id")?, fields.required("webhook_endpoint_id")?))
}

async fn require_retryable(app: &App, tenant: &Tenant, delivery: &Delivery) -> Result<(), Problem> {
    let id = delivery.endpoint_id;
    let endpoint = app.endpoints.get(tenant, id).await?;
    let deleted = || {
        let detail = format!(
            "The webhook endpoint {id} was deleted, so nothing can be sent to it. Register it again."
        );
        Problem::new(Code::EndpointDeleted, detail)
    };
    require_enabled(&endpoint.ok_or_else(deleted)?)?;
    if delivery.resends() >= MAX_RESENDS {
        let detail = format!(
            "This event was resent to the webhook endpoint {id} on request {MAX_RESENDS} times, which is the limit. Start a \
             recovery instead."
        );
        return Err(Problem::new(Code::RetryLimitReached, detail));
    }
    Ok(())
}
