//! Makes first attempts at many endpoints at once.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::StreamExt as _;
use futures::stream::FuturesOrdered;
use posthorn_domain::{AttemptError, Delivery, Endpoint, EventId, Timestamp};
use posthorn_storage::RecordKey;
use tracing::warn;

use crate::postman::Postman;
use crate::postman::outcome::Outcome;
use crate::sending::{Answer, NoSockets};

/// The time that first attempts may take in all, with their wait for others before them.
pub(crate) const DISPATCH: Duration = Duration::from_secs(3);

/// The results of first attempts.
#[derive(Default)]
pub(crate) struct Dispatched {
    /// The attempts that were made.
    pub(crate) outcomes: Vec<Outcome>,
    /// The deliveries without an attempt, for the first attempts queue.
    pub(crate) postponed: Vec<Delivery>,
}

enum Fate {
    Made(Outcome),
    Postponed(Delivery),
    /// This process cannot open more sockets.
    Unsent(Delivery),
}

impl Postman {
    /// Makes the first attempt at each endpoint that may be sent to directly. `accepted_at` is when the event was
    /// accepted; `expires_at` is when its record expires, or `None` if that is not soon. Deliveries without an attempt
    /// stay unchanged.
    pub(crate) async fn dispatch(
        &self,
        key: &RecordKey,
        first: Vec<(Arc<Endpoint>, Delivery)>,
        body: &Bytes,
        accepted_at: Timestamp,
        expires_at: Option<Timestamp>,
    ) -> Dispatched {
        let attempts = first.into_iter().map(|(endpoint, delivery)| async move {
            let usual = self.seen.watch.usual_latency(endpoint.id);
            let Some(mut ticket) = self.seen.direct.admit(&endpoint, usual).await else {
                return Fate::Postponed(delivery);
            };
            let time = ticket.time(self.seen.watch.patience(endpoint.id));
            let Ok(answer) = self.post_briefly(time, &endpoint, key.event_id, body).await else {
                return Fate::Unsent(delivery);
            };
            if answer.attempt.succeeded() {
                ticket.succeeded();
            }
            Fate::Made(self.conclude(key, endpoint, delivery, answer, Some(accepted_at), expires_at))
        });
        // Polls only the futures that wake; `join_all` polls all of them if they are few.
        let mut fates = attempts.collect::<FuturesOrdered<_>>();
        let (mut dispatched, mut unsent) = (Dispatched::default(), 0);
        while let Some(fate) = fates.next().await {
            match fate {
                Fate::Made(outcome) => dispatched.outcomes.push(outcome),
                Fate::Postponed(delivery) => dispatched.postponed.push(delivery),
                Fate::Unsent(delivery) => {
                    dispatched.postponed.push(delivery);
                    unsent += 1;
                }
            }
        }
        if unsent > 0 {
            let error = &NoSockets as &dyn std::error::Error;
            warn!(event_id = %key.event_id, deliveries = unsent, error, "deliveries queued without an attempt");
        }
        dispatched
    }

    /// Makes an attempt that is cut short after this time. It is then made again from the deliveries queue.
    pub(crate) async fn post_briefly(
        &self,
        time: Duration,
        endpoint: &Endpoint,
        event_id: EventId,
        body: &Bytes,
    ) -> Result<Answer, NoSockets> {
        let mut answer = self.sender.post_within(time, endpoint, event_id, body).await?;
        if answer.attempt.error == Some(AttemptError::Timeout) {
            answer.attempt.error = Some(AttemptError::Slow);
        }
        Ok(answer)
    }
}
