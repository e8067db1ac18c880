//! Events that producers put on the queue under an idempotency key.

use posthorn_domain::{Event, Tenant};
use posthorn_storage::{Claim, Claimed};

use crate::postman::Postman;
use crate::queue_message::WorkError;

/// What its idempotency key makes of an event.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Standing {
    /// It has no key, or is the first under it.
    New,
    /// It may be on record already: this message was received before.
    Known,
    /// The same event was published before under its key, and has that one's id now. It is on record, or on its way there,
    /// unless whoever published it died or its message is a dead letter.
    Twin,
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
        event.id = theirs.event_id;
        event.draft.request.id = theirs.request_id.and_then(|id| id.parse().ok());
        Ok(Standing::Twin)
    }
}
