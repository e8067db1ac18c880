//! Endpoints kept in memory, so that an event does not read them all.

use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use lru::LruCache;
use posthorn_domain::{Clock, Endpoint, EndpointId, EndpointStatus, Tenant, Timestamp};
use posthorn_storage::{EndpointStore, StorageError};

use crate::Subscriptions;

/// How many tenants' subscriptions are kept; the least recently used are forgotten.
const MAX_TENANTS: NonZeroUsize = NonZeroUsize::new(1_000).expect("it is not zero");

/// The subscriptions of each tenant, read again when their version has moved.
pub struct Snapshots {
    store: EndpointStore,
    clock: Arc<dyn Clock>,
    max_age: Duration,
    tenants: Mutex<LruCache<Tenant, Arc<Slot>>>,
}

/// One tenant's snapshot. The lock is held while it is read, so that many events at once read it once.
type Slot = tokio::sync::Mutex<Option<Snapshot>>;

struct Snapshot {
    version: u64,
    checked_at: Timestamp,
    subscriptions: Arc<Subscriptions>,
}

impl Snapshots {
    /// Snapshots of this store. A change to an endpoint counts after `max_age` at the latest.
    pub fn new(store: EndpointStore, clock: Arc<dyn Clock>, max_age: Duration) -> Self {
        Self { store, clock, max_age, tenants: Mutex::new(LruCache::new(MAX_TENANTS)) }
    }

    /// The tenant's subscriptions, at most `max_age` old.
    pub async fn get(&self, tenant: &Tenant) -> Result<Arc<Subscriptions>, StorageError> {
        let slot = self.slot(tenant);
        let mut slot = slot.lock().await;
        let now = self.clock.now();
        if let Some(snapshot) = slot.as_ref()
            && self.max_age > now.since(snapshot.checked_at)
        {
            return Ok(Arc::clone(&snapshot.subscriptions));
        }
        // The version is read before the endpoints: if they change in between, the next check reads them again.
        let version = self.store.version(tenant).await?;
        let subscriptions = match slot.take() {
            Some(snapshot) if snapshot.version == version => snapshot.subscriptions,
            _ => Arc::new(Subscriptions::new(self.store.list(tenant).await?)),
        };
        *slot = Some(Snapshot { version, checked_at: now, subscriptions: Arc::clone(&subscriptions) });
        Ok(subscriptions)
    }

    /// The endpoint, if it is enabled. One that is not in the snapshot is looked up: it may have been registered just
    /// now.
    pub(crate) async fn enabled(
        &self,
        tenant: &Tenant,
        id: EndpointId,
    ) -> Result<Option<Arc<Endpoint>>, StorageError> {
        if let Some(endpoint) = self.get(tenant).await?.enabled(id) {
            return Ok(Some(endpoint));
        }
        let endpoint = self.store.get(tenant, id).await?;
        Ok(endpoint.filter(|endpoint| endpoint.status == EndpointStatus::Enabled).map(Arc::new))
    }

    /// Where endpoints are kept.
    pub(crate) fn store(&self) -> &EndpointStore {
        &self.store
    }

    fn slot(&self, tenant: &Tenant) -> Arc<Slot> {
        let mut tenants = self.tenants.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(tenants.get_or_insert_ref(tenant, Arc::default))
    }
}
