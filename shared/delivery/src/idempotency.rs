//! Events that producers put on the queue under an idempotency key.

use posthorn_domain::{Event, EventId, Tenant};
use posthorn_storage::{Claim, Claimed, StorageError};

use crate::fan_out::FRESH;
use crate::{Postman, WorkError};

/// What its idempotency key makes of an event.
pub(crate) enum Standing {
    /// It has no key, or is the first under it.
    New,
    /// It may be on record already, under the id that it now has: this message was received before, or somebody else was
    /// about to publish the same event under that id.
    Known,
    /// It is on the queue under another id, so there is nothing left to do.
    Elsewhere(EventId),
}

impl Postman {
    /// Lets the event's key, if it has one, stand for it for 24 hours. A key that stands for the same event said before
    /// stands for that one; one that stands for another event makes the message one that nobody can handle.
    ///
    /// The claim says that the event is on its queue, which is so: this message is there until it has been dealt with.
    pub(crate) async fn claim(&self, tenant: &Tenant, event: &mut Event) -> Result<Standing, WorkError> {
        let Some(key) = event.draft.request.idempotency_key.clone() else { return Ok(Standing::New) };
        let now = self.clock.now();
        let claim = Claim {
            event_id: event.id,
            request_id: event.draft.request.id.as_ref().map(|id| id.as_str().to_owned()),
            body_hash: event.draft.fingerprint(),
            sent: true,
        };
        let theirs = match self.idempotency.claim(tenant, key.as_str(), &claim, now).await? {
            Claimed::Now => return Ok(Standing::New),
            Claimed::Again => return Ok(Standing::Known),
            Claimed::Before(theirs) if theirs.event_id == event.id => return Ok(Standing::Known),
            Claimed::Before(theirs) => theirs,
        };
        if theirs.body_hash != claim.body_hash {
            return Err(WorkError::Poison(format!(
                "its idempotency key was used for another event, {}, within the last 24 hours",
                theirs.event_id
            )));
        }
        if theirs.sent {
            return Ok(Standing::Elsewhere(theirs.event_id));
        }
        if now.since(theirs.event_id.at()) < FRESH {
            // Its publisher is about to send it. When this message comes again, we know whether it was sent.
            return Err(StorageError::Conflict.into());
        }
        event.id = theirs.event_id;
        event.draft.request.id = theirs.request_id.and_then(|id| id.parse().ok());
        Ok(Standing::Known)
    }
}
