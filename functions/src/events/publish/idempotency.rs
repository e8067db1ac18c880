//! Makes publishing safe to repeat: within 24 hours, a key belongs to one event.

use std::time::Duration;

use backon::{ConstantBuilder, Retryable as _};
use posthorn_api::{Code, Problem};
use posthorn_domain::{Event, ShortText, Tenant};
use posthorn_storage::{Claim, Claimed};

use super::App;

/// How many times, and at what intervals, a request checks whether an earlier request with the same key has sent the
/// event.
const CHECKS: usize = 20;
const INTERVAL: Duration = Duration::from_millis(50);

/// An event to publish, after its idempotency key, if it has one, was claimed.
pub(crate) struct ClaimedEvent {
    pub(crate) event: Event,
    /// Whether it is on its queue.
    pub(crate) sent: bool,
    /// Whether an earlier request has published it.
    pub(crate) replayed: bool,
}

/// Claims the event's key. Returns the event as it is to be published, or as it was published under the same key.
/// Errors with a 409 if the key belongs to another event.
pub(crate) async fn claim(app: &App, tenant: &Tenant, mut event: Event) -> Result<ClaimedEvent, Problem> {
    let Some(key) = event.draft.request.idempotency_key.clone() else {
        return Ok(ClaimedEvent { event, sent: false, replayed: false });
    };
    let claim = Claim {
        event_id: event.id,
        request_id: event.draft.request.id.as_ref().map(|id| id.as_str().to_owned()),
        body_hash: event.draft.fingerprint(),
        sent: false,
    };
    match app.idempotency.claim(tenant, key.as_str(), &claim, app.clock.now()).await? {
        Claimed::Now | Claimed::Again => Ok(ClaimedEvent { event, sent: false, replayed: false }),
        Claimed::Before(theirs) if theirs.body_hash != claim.body_hash => Err(reused(&key)),
        Claimed::Before(theirs) => {
            event.id = theirs.event_id;
            event.draft.request.id = theirs.request_id.and_then(|id| id.parse().ok());
            // The first request may be about to send the event. If it ended before that, this request sends the event.
            let sent = theirs.sent || is_sent_soon(app, tenant, key.as_str()).await?;
            Ok(ClaimedEvent { event, sent, replayed: true })
        }
    }
}

/// Returns the problem for a key that belongs to another event.
pub(crate) fn reused(key: &ShortText) -> Problem {
    let detail = format!(
        "The idempotency key {:?} was used for another event within the last 24 hours. Use a new key for a new event. \
         To retry a request, send it unchanged.",
        key.as_str()
    );
    Problem::new(Code::IdempotencyKeyReused, detail)
}

/// Records that the event of a key is on its queue. If that fails, a repeated request sends the event again, under the
/// same id.
pub(crate) async fn mark_sent(app: &App, tenant: &Tenant, claimed: &ClaimedEvent) {
    let Some(key) = claimed.event.draft.request.idempotency_key.as_ref().filter(|_| !claimed.sent) else {
        return;
    };
    if let Err(cause) = app.idempotency.mark_sent(tenant, key.as_str()).await {
        let error = &cause as &dyn std::error::Error;
        tracing::warn!(event_id = %claimed.event.id, error, "idempotency key not marked as sent");
    }
}

async fn is_sent_soon(app: &App, tenant: &Tenant, key: &str) -> Result<bool, Problem> {
    let check = || async {
        match app.idempotency.get(tenant, key).await {
            Ok(Some(claim)) if claim.sent => Ok(Ok(true)),
            Ok(_) => Err(()),
            Err(error) => Ok(Err(error)),
        }
    };
    let checks = ConstantBuilder::default().with_delay(INTERVAL).with_max_times(CHECKS);
    Ok(check.retry(checks).await.unwrap_or(Ok(false))?)
}
