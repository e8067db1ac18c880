//! First attempts at many endpoints at once.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::StreamExt as _;
use futures::stream::FuturesOrdered;
use posthorn_domain::{AttemptError, Delivery, Endpoint, Timestamp};
use posthorn_storage::RecordKey;
use tracing::warn;

use crate::postman::Outcome;
use crate::{NoSockets, Postman};

/// How long one event's endpoints may hold up the function, and with it the other events of its batch and its
/// container: an attempt that is not answered by then is cut short and made again from the deliveries queue.
pub(crate) const PATIENCE: Duration = Duration::from_secs(1);

impl Postman {
    /// Makes the first attempt at each endpoint. Each is over within a second of its turn. `accepted_at` is when the event was
    /// accepted. What could not be sent from here stays as it was, and is answered beside what was attempted.
    pub(crate) async fn dispatch(
        &self,
        key: &RecordKey,
        first: Vec<(Arc<Endpoint>, Delivery)>,
        body: &Bytes,
        accepted_at: Timestamp,
    ) -> (Vec<Outcome>, Vec<Delivery>) {
        let attempts = first.into_iter().map(|(endpoint, delivery)| async move {
            let answer = self.sender.post_within(PATIENCE, &endpoint, key.event_id, body).await;
            let Ok(mut answer) = answer else { return Err(delivery) };
            if answer.attempt.error == Some(AttemptError::Timeout) {
                answer.attempt.error = Some(AttemptError::Slow);
            }
            Ok(self.conclude(key, endpoint, delivery, answer, Some(accepted_at)))
        });
        // Polls those that wake, where `join_all` polls all of them if they are few.
        let mut attempts = attempts.collect::<FuturesOrdered<_>>();
        let (mut outcomes, mut unsent) = (Vec::new(), Vec::new());
        while let Some(attempt) = attempts.next().await {
            match attempt {
                Ok(outcome) => outcomes.push(outcome),
                Err(delivery) => unsent.push(delivery),
            }
        }
        if !unsent.is_empty() {
            let (deliveries, cause) = (unsent.len(), &NoSockets as &dyn std::error::Error);
            warn!(event_id = %key.event_id, deliveries, error = cause, "deliveries queued without an attempt");
        }
        (outcomes, unsent)
    }
}
