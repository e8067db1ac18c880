//! First attempts at many endpoints at once.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::StreamExt as _;
use futures::stream::FuturesUnordered;
use posthorn_domain::{Delivery, Endpoint};
use posthorn_storage::RecordKey;
use tokio::time::{Instant, timeout_at};

use crate::Postman;

/// How long the record of an event waits for slow endpoints.
const PATIENCE: Duration = Duration::from_secs(1);

/// First attempts under way.
pub(crate) struct Dispatch<F> {
    under_way: FuturesUnordered<F>,
    patience_ends: Instant,
}

impl Postman {
    /// Starts the first attempt at each endpoint.
    pub(crate) fn dispatch<'a>(
        &'a self,
        key: &'a RecordKey,
        first: Vec<(Arc<Endpoint>, Delivery)>,
        body: &Bytes,
    ) -> Dispatch<impl Future<Output = Delivery> + use<'a>> {
        let attempt = |(endpoint, delivery)| self.attempt(key, endpoint, delivery, body.clone());
        Dispatch {
            under_way: first.into_iter().map(attempt).collect(),
            patience_ends: Instant::now() + PATIENCE,
        }
    }
}

impl<F: Future<Output = Delivery>> Dispatch<F> {
    /// The deliveries whose attempts end within a second of the start; it is over sooner when all do.
    pub(crate) async fn prompt(&mut self) -> Vec<Delivery> {
        let mut prompt = Vec::new();
        while let Ok(Some(delivery)) = timeout_at(self.patience_ends, self.under_way.next()).await {
            prompt.push(delivery);
        }
        prompt
    }

    /// The next delivery whose attempt ends, or `None` when all have ended.
    pub(crate) async fn next(&mut self) -> Option<Delivery> {
        self.under_way.next().await
    }
}
