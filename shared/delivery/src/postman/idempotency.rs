//! Idempotency keys of events that producers put on the queue.

use posthorn_domain::{Event, Tenant};
use posthorn_storage::{Claim, Claimed};

use crate::postman::Postman;
use crate::queue_message::WorkError;

/// Whether an event is new under its idempotency key.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Novelty {
    /// It has no key, or is the first event with it.
    New,
    /// It may be on record already, because this message was received before.
    Known,
    /// The same event was published before with this key, and its id is now used for this one. It is on record or on
    /// its way, unless its publisher crashed or its message is a dead letter.
    Duplicate,
}

impl Postman {
    /// Claims the event's key, if it has one, for 24 hours. If the key is claimed for the same event published before,
    /// that event's id is used. If it is claimed for a different event, the message can never be handled.
    ///
    /// The claim says that the event is on its queue. That is true, because this message stays there until it is
    /// handled.
    pub(crate) async fn claim(&self, tenant: &Tenant, event: &mut Event) -> Result<Novelty, WorkError> {
        let Some(key) = event.draft.request.idempotency_key.clone() else { return Ok(Novelty::New) };
        let now = self.clock.now();
        let claim = Claim {
            event_id: event.id,
            request_id: event.draft.request.id.as_ref().map(|id| id.as_str().to_owned()),
            body_hash: event.draft.fingerprint(),
            sent: true,
        };
        let theirs = match self.idempotency.claim(tenant, key.as_str(), &claim, now).await? {
            Claimed::Now => return Ok(Novelty::New),
            Claimed::Again => return Ok(Novelty::Known),
            Claimed::Before(theirs) if theirs.event_id == event.id => return Ok(Novelty::Known),
            Claimed::Before(theirs) => theirs,
        };
        if theirs.body_hash != claim.body_hash {
            return Err(WorkError::Poison(format!(
                "its idempotency key was used for another event, {}, within the last 24 hours",
                theirs.event_id
            )));
        }
        event.id = theirs.event_id;
        event.draft.request.id = theirs.request_id.and_then(|id| id.parse().ok());
        Ok(Novelty::Duplicate)
    }
}
