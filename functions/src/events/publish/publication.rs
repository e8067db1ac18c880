//! Turns a publisher's request into an event on the queue.

use futures::future::join_all;
use posthorn_api::{Code, Problem, Request};
use posthorn_domain::{Event, EventDraft, EventId, EventMessage, MAX_EVENT_BYTES, Tenant};

use super::App;
use super::idempotency::{self, ClaimedEvent};

/// An event that is on the queue.
pub(crate) struct Publication {
    pub(crate) event: Event,
    /// Whether it was published before, under the same idempotency key.
    pub(crate) replayed: bool,
}

/// Publishes events. Each succeeds or fails separately; the results are in the order of the drafts.
pub(crate) async fn publish(
    app: &App,
    tenant: &Tenant,
    request: &Request,
    drafts: Vec<EventDraft>,
) -> Vec<Result<Publication, Problem>> {
    let events = drafts.into_iter().map(|draft| async {
        let event = accept(app, tenant, request, draft)?;
        idempotency::claim(app, tenant, event).await
    });
    let claims: Vec<Result<ClaimedEvent, Problem>> = join_all(events).await;
    let unsent = claims.iter().flatten().filter(|claimed| !claimed.sent);
    let messages: Vec<_> = unsent.map(|claimed| message(tenant, &claimed.event)).collect();
    let mut results = app.outbox.send(&messages).await.into_iter();
    let sent = claims.into_iter().map(|claimed| {
        let claimed = claimed?;
        if !claimed.sent {
            results.next().expect("there is a result for each message")?;
        }
        Ok(claimed)
    });
    let sent: Vec<Result<ClaimedEvent, Problem>> = sent.collect();
    join_all(sent.into_iter().map(|claimed| async {
        let claimed = claimed?;
        idempotency::mark_sent(app, tenant, &claimed).await;
        Ok(Publication { event: claimed.event, replayed: claimed.replayed })
    }))
    .await
}

/// Makes an event of a draft: gives it an id, and the id of this request unless the publisher has named another. Errors
/// if the event is too large.
fn accept(app: &App, tenant: &Tenant, request: &Request, mut draft: EventDraft) -> Result<Event, Problem> {
    if draft.request.id.is_none() {
        draft.request.id = request.id().parse().ok();
    }
    let id = EventId::of_event(app.clock.now(), &draft.event_type, app.shards, app.random.bits());
    let event = draft.accept(tenant.mode, id);
    let size = event.to_json().len();
    if size > MAX_EVENT_BYTES {
        let detail = format!(
            "The event has {size} bytes as delivered. The limit is {MAX_EVENT_BYTES}. Send a smaller event."
        );
        return Err(Problem::new(Code::EventTooLarge, detail));
    }
    Ok(event)
}

/// Returns the message for the events queue. By now the event's idempotency key, if it has one, is claimed.
fn message(tenant: &Tenant, event: &Event) -> EventMessage {
    EventMessage {
        tenant: tenant.clone(),
        endpoint_id: None,
        claimed: event.draft.request.idempotency_key.is_some(),
        id: Some(event.id),
        draft: event.draft.clone(),
    }
}
