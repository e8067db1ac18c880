//! Resolves names as the system does, but without threads. `getaddrinfo` blocks one per query, cannot be canceled, and
//! caches nothing, so a silent name server would delay all other names.
//!
//! A query has its own socket, which is closed with it. Nothing stays open between queries, so a process that was
//! frozen holds no socket that the network has dropped meanwhile.

mod ask;
mod message;
mod system;

use std::collections::HashMap;
use std::net::IpAddr;
use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures::FutureExt as _;
use futures::future::{BoxFuture, Shared, WeakShared};
use lru::LruCache;
use posthorn_domain::{Clock, Random, Timestamp};
use tokio::time::timeout;

use self::system::System;
use crate::sending::resolver::{Resolve, Unresolved};

/// The timeout of a lookup, with all its queries.
const PATIENCE: Duration = Duration::from_secs(3);
/// The longest that addresses are cached, whatever their TTL.
const MAX_TTL: Duration = Duration::from_mins(1);
/// How long a failed lookup is cached, or that a name has no addresses. It is shorter than the shortest wait for a
/// retry, so that each retry queries again.
const NEGATIVE_TTL: Duration = Duration::from_secs(3);
/// The number of names that are cached.
const MAX_NAMES: NonZeroUsize = NonZeroUsize::new(4_096).expect("it is not zero");
/// The most addresses of a name that are cached, because its owner decides how many there are.
const MAX_ADDRESSES: usize = 64;
/// How long the contents of the system's files are cached: a laptop changes its network.
const SYSTEM_TTL: Duration = Duration::from_secs(5);

/// A caching resolver with one lookup per name at a time, however many wait for it. Cache entries age by the clock that
/// is passed in, because a frozen process cannot trust its own.
pub(crate) struct Names(Arc<Inner>);

struct Inner {
    /// The name servers to query; `None` for those in the system's files.
    given: Option<Arc<System>>,
    clock: Arc<dyn Clock>,
    random: Arc<dyn Random>,
    state: Mutex<State>,
}

struct State {
    known: LruCache<String, Known>,
    under_way: HashMap<String, WeakShared<LookUp>>,
    system: Option<(Arc<System>, Timestamp)>,
}

/// A lookup under way. It is canceled when nobody waits for it any more.
type LookUp = BoxFuture<'static, Result<Arc<[IpAddr]>, Unresolved>>;

/// The result of a lookup, and how long it is valid.
struct Known {
    result: Result<Arc<[IpAddr]>, Unresolved>,
    since: Timestamp,
    ttl: Duration,
}

/// A name's addresses, in the order in which to try them.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Found {
    addresses: Vec<IpAddr>,
    ttl: Duration,
}

impl Names {
    /// Returns a resolver that reads the system's files at its first query, so that they don't delay the start of the
    /// process.
    pub(crate) fn new(clock: Arc<dyn Clock>, random: Arc<dyn Random>) -> Self {
        Self::asking(None, clock, random)
    }

    fn asking(given: Option<Arc<System>>, clock: Arc<dyn Clock>, random: Arc<dyn Random>) -> Self {
        let state = State { known: LruCache::new(MAX_NAMES), under_way: HashMap::new(), system: None };
        Self(Arc::new(Inner { given, clock, random, state: Mutex::new(state) }))
    }

    /// Returns the name's addresses, from the cache or from a name server.
    async fn look_up(&self, name: &str) -> Result<Vec<IpAddr>, Unresolved> {
        let name = name.to_ascii_lowercase();
        if let Some(known) = self.0.known(&name) {
            return Ok(known?.to_vec());
        }
        Ok(self.join(name).await?.to_vec())
    }

    /// Returns the lookup of a name that is under way, or starts one.
    fn join(&self, name: String) -> Shared<LookUp> {
        let mut state = self.0.state();
        if let Some(under_way) = state.under_way.get(&name).and_then(WeakShared::upgrade) {
            return under_way;
        }
        let (inner, asked) = (Arc::clone(&self.0), name.clone());
        let look_up = async move { inner.find(asked).await }.boxed().shared();
        state.under_way.retain(|_, look_up| look_up.upgrade().is_some());
        state.under_way.extend(look_up.downgrade().map(|weak| (name, weak)));
        look_up
    }
}

impl Resolve for Names {
    fn resolve<'n>(&'n self, name: &'n str) -> BoxFuture<'n, Result<Vec<IpAddr>, Unresolved>> {
        self.look_up(name).boxed()
    }
}

impl Inner {
    fn known(&self, name: &str) -> Option<Result<Arc<[IpAddr]>, Unresolved>> {
        let now = self.clock.now();
        let mut state = self.state();
        let known = state.known.get(name)?;
        (now.since(known.since) < known.ttl).then(|| known.result.clone())
    }

    /// Looks a name up, and caches the result.
    async fn find(&self, name: String) -> Result<Arc<[IpAddr]>, Unresolved> {
        let found = timeout(PATIENCE, self.ask(&name)).await.unwrap_or(Err(Unresolved::Failed));
        let ttl = found.as_ref().map_or(NEGATIVE_TTL, |found| found.ttl.min(MAX_TTL));
        let result = found.map(|found| Arc::<[IpAddr]>::from(found.addresses));
        let is_kept = match &result {
            Ok(addresses) => addresses.len() <= MAX_ADDRESSES,
            Err(Unresolved::Failed) => true,
            // This says nothing about the name.
            Err(Unresolved::NoSockets(_)) => false,
        };
        if is_kept {
            let known = Known { result: result.clone(), since: self.clock.now(), ttl };
            self.state().known.put(name, known);
        }
        result
    }

    async fn ask(&self, name: &str) -> Result<Found, Unresolved> {
        let system = self.system()?;
        if let Some(addresses) = system.address_of(name) {
            return Ok(Found { addresses, ttl: SYSTEM_TTL });
        }
        for candidate in system.candidates(name) {
            if let Some(found) = ask::for_addresses(&system.servers, &candidate, &*self.random).await? {
                return Ok(found);
            }
        }
        Err(Unresolved::Failed)
    }

    /// Returns the name servers and hosts in the system's files.
    fn system(&self) -> Result<Arc<System>, Unresolved> {
        if let Some(given) = &self.given {
            return Ok(Arc::clone(given));
        }
        let now = self.clock.now();
        let mut state = self.state();
        if let Some((system, since)) = &state.system
            && now.since(*since) < SYSTEM_TTL
        {
            return Ok(Arc::clone(system));
        }
        let system = Arc::new(System::read()?);
        state.system = Some((Arc::clone(&system), now));
        Ok(system)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests;
