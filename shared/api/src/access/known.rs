//! What a process remembers of credentials and accounts.

use std::hash::Hash;
use std::num::NonZeroUsize;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use lru::LruCache;
use posthorn_domain::Timestamp;

/// How long something is remembered. A revoked key works for at most this long.
const MAX_AGE: Duration = Duration::from_secs(30);
/// How many entries are remembered; the least recently used are evicted.
const MAX_ENTRIES: NonZeroUsize = NonZeroUsize::new(10_000).expect("it is not zero");

/// Values that were read within the last 30 seconds.
pub(super) struct Known<K: Hash + Eq, V>(Mutex<LruCache<K, (V, Timestamp)>>);

impl<K: Hash + Eq, V> Default for Known<K, V> {
    fn default() -> Self {
        Self(Mutex::new(LruCache::new(MAX_ENTRIES)))
    }
}

impl<K: Hash + Eq, V: Clone> Known<K, V> {
    /// Returns the value if it was read recently.
    pub(super) fn get(&self, key: &K, now: Timestamp) -> Option<V> {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (value, read_at) = known.get(key)?;
        (now.since(*read_at) < MAX_AGE).then(|| value.clone())
    }

    /// Remembers a value that was read `now`.
    pub(super) fn put(&self, key: K, value: V, now: Timestamp) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).put(key, (value, now));
    }
}
