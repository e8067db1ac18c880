//! First attempts at many endpoints at once.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::StreamExt as _;
use futures::stream::FuturesOrdered;
use posthorn_domain::{AttemptError, Delivery, Endpoint, Timestamp};
use posthorn_storage::RecordKey;

use crate::Postman;
use crate::postman::Outcome;

/// How long one event's endpoints may hold up the function, and with it the other events of its batch and its
/// container: an attempt that is not answered by then is cut short and made again from the deliveries queue.
pub(crate) const PATIENCE: Duration = Duration::from_secs(1);

impl Postman {
    /// Makes the first attempt at each endpoint. It is over within a second. `accepted_at` is when the event was accepted.
    pub(crate) async fn dispatch(
        &self,
        key: &RecordKey,
        first: Vec<(Arc<Endpoint>, Delivery)>,
        body: &Bytes,
        accepted_at: Timestamp,
    ) -> Vec<Outcome> {
        let attempts = first.into_iter().map(|(endpoint, delivery)| async move {
            let mut answer = self.sender.post_within(PATIENCE, &endpoint, key.event_id, body).await;
            if answer.attempt.error == Some(AttemptError::Timeout) {
                answer.attempt.error = Some(AttemptError::Slow);
            }
            self.conclude(key, endpoint, delivery, answer, Some(accepted_at), None)
        });
        // Polls those that wake, where `join_all` polls all of them if they are few.
        attempts.collect::<FuturesOrdered<_>>().collect().await
    }
}
