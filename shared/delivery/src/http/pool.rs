//! Connections that wait for the next request.

use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use lru::LruCache;
use posthorn_domain::{Clock, Timestamp};
use tokio::time::Instant;

use super::Connection;
use super::dial::Protocols;
use super::http1::Http1;
use super::http2::Http2;

/// How long a connection may wait. Most receivers close one only later, and a request that meets a closed one costs a
/// second connection.
const MAX_WAIT: Duration = Duration::from_secs(15);
/// After how long without any request all connections are given up: Lambda may have frozen the process meanwhile, and the
/// process is not told which of them the network dropped.
const MAX_PAUSE: Duration = Duration::from_secs(5);
/// How many connections wait in all. A process on Lambda may open 1,024 files, and a batch of messages up to 500
/// connections at once.
const MAX_WAITING: usize = 300;
/// How many origins are remembered; the least recently used are forgotten, and their connections closed.
const MAX_ORIGINS: NonZeroUsize = NonZeroUsize::new(256).expect("it is not zero");

/// Connections by origin. Time is told by the clock that is passed in: a process that was frozen cannot trust its own.
pub(super) struct Pool {
    clock: Arc<dyn Clock>,
    state: Mutex<State>,
}

struct State {
    origins: LruCache<String, Origin>,
    /// Origins that want HTTP/1.1 although they offer HTTP/2.
    http1_only: LruCache<String, ()>,
    last_used: Timestamp,
    last_swept: Timestamp,
}

#[derive(Default)]
struct Origin {
    http1: Vec<Waiting>,
    http2: Option<Shared>,
}

/// A connection that waits `since` it answered, by the clock and in this process.
struct Waiting {
    connection: Http1,
    since: Timestamp,
    answered: Instant,
}

/// A connection that is used by several requests at once.
struct Shared {
    connection: Http2,
    used: Timestamp,
}

impl Pool {
    pub(super) fn new(clock: Arc<dyn Clock>) -> Self {
        let now = clock.now();
        let state = State {
            origins: LruCache::new(MAX_ORIGINS),
            http1_only: LruCache::new(MAX_ORIGINS),
            last_used: now,
            last_swept: now,
        };
        Self { clock, state: Mutex::new(state) }
    }

    /// An open connection to the origin, if there is one. One that speaks HTTP/2 stays in the pool.
    pub(super) fn take(&self, origin: &str) -> Option<Connection> {
        let now = self.clock.now();
        let mut state = self.state(now);
        let origin = state.origins.get_mut(origin)?;
        if let Some(Shared { connection, used, .. }) = &mut origin.http2
            && now.since(*used) <= MAX_WAIT
            && connection.has_room()
        {
            *used = now;
            return Some(Connection::Http2(connection.clone()));
        }
        while let Some(mut waiting) = origin.http1.pop() {
            if now.since(waiting.since) <= MAX_WAIT && waiting.connection.is_quiet() {
                return Some(Connection::Http1(waiting.connection));
            }
        }
        None
    }

    /// Keeps a connection for the next request to the origin.
    pub(super) fn put(&self, origin: &str, connection: Http1) {
        let now = self.clock.now();
        let mut state = self.state(now);
        let waiting = &mut state.origins.get_or_insert_mut_ref(origin, Origin::default).http1;
        waiting.push(Waiting { connection, since: now, answered: Instant::now() });
        state.make_room();
    }

    /// Has other requests to the origin use this connection, too.
    pub(super) fn share(&self, origin: &str, connection: &Http2) {
        let now = self.clock.now();
        let shared = Shared { connection: connection.clone(), used: now };
        let mut state = self.state(now);
        state.origins.get_or_insert_mut_ref(origin, Origin::default).http2 = Some(shared);
    }

    /// Gives up connections to the origin after a request that `began` then has failed: what happened to one may have
    /// happened to all, except to those that have brought an answer since.
    pub(super) fn forget(&self, origin: &str, began: Instant) {
        if let Some(origin) = self.lock().origins.get_mut(origin) {
            origin.http1.retain(|waiting| waiting.answered > began);
            origin.http2.take_if(|shared| shared.connection.answered_at().is_none_or(|at| at <= began));
        }
    }

    /// What a new connection to the origin is to speak.
    pub(super) fn protocols(&self, origin: &str) -> Protocols {
        if self.lock().http1_only.get(origin).is_some() { Protocols::Http1 } else { Protocols::All }
    }

    /// Remembers that the origin wants HTTP/1.1.
    pub(super) fn note_http1(&self, origin: &str) {
        let mut state = self.lock();
        state.http1_only.put(origin.to_owned(), ());
        state.origins.pop(origin);
    }

    /// The connections, without those that have waited too long.
    fn state(&self, now: Timestamp) -> MutexGuard<'_, State> {
        let mut state = self.lock();
        if now.since(state.last_used) > MAX_PAUSE {
            state.origins.clear();
        }
        state.last_used = now;
        if now.since(state.last_swept) > MAX_PAUSE {
            state.last_swept = now;
            state.sweep(now);
        }
        state
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Closes connections where too many wait: those to the origins that were not used for longest.
    fn make_room(&mut self) {
        let mut waiting: usize = self.origins.iter().map(|(_, origin)| origin.http1.len()).sum();
        while waiting > MAX_WAITING {
            let Some((_, origin)) =
                self.origins.iter_mut().rev().find(|(_, origin)| !origin.http1.is_empty())
            else {
                return;
            };
            let surplus = origin.http1.len().min(waiting - MAX_WAITING);
            // The first ones have waited longest.
            origin.http1.drain(..surplus);
            waiting -= surplus;
        }
    }

    fn sweep(&mut self, now: Timestamp) {
        let mut empty = Vec::new();
        for (name, origin) in &mut self.origins {
            origin.http1.retain(|waiting| now.since(waiting.since) <= MAX_WAIT);
            origin.http2.take_if(|shared| now.since(shared.used) > MAX_WAIT);
            if origin.http1.is_empty() && origin.http2.is_none() {
                empty.push(name.clone());
            }
        }
        for name in empty {
            self.origins.pop(&name);
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::duplex;

    use super::*;
    use crate::answers::Fixed;

    #[test]
    fn at_most_300_connections_wait_and_those_of_the_origin_used_last_stay() {
        let pool = Pool::new(Arc::new(Fixed));
        let mut far_ends = Vec::new();
        for (origin, count) in
            [("http://a.example", 200), ("http://b.example", 200), ("http://c.example", 250)]
        {
            for _ in 0..count {
                let (near, far) = duplex(1);
                far_ends.push(far);
                pool.put(origin, Http1::new(Box::new(near)));
            }
        }
        let waiting = |origin: &str| pool.lock().origins.get(origin).map_or(0, |origin| origin.http1.len());
        assert_eq!(["a", "b", "c"].map(|name| waiting(&format!("http://{name}.example"))), [0, 50, 250]);
    }
}
