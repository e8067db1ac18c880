//! Idle connections, for the next request.

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

/// How long a connection may be idle. Most receivers close idle connections only later; a request on a closed
/// connection costs a second connection.
const MAX_WAIT: Duration = Duration::from_secs(15);
/// After how long without any request all connections are closed: Lambda may have frozen the process meanwhile, and the
/// process does not learn which of them the network dropped.
const MAX_PAUSE: Duration = Duration::from_secs(5);
/// The most idle connections in all. A process on Lambda may have 1,024 files open.
const MAX_WAITING: usize = 300;
/// The most idle connections of a process that has once run out of files. Otherwise they would leave no files for its
/// other sockets, such as those of its calls to AWS, without which it may get no more work.
const FEW_WAITING: usize = 32;
/// The most idle connections of one origin that are kept for [`MAX_WAIT`]: a batch has ten messages.
const MAX_WAITING_FOR_ORIGIN: usize = 10;
/// How long further ones are kept. If many endpoints share one origin, the next batch uses what this one opened. A
/// burst of new connections is more than many receivers' listening sockets take.
const SURPLUS_WAIT: Duration = Duration::from_secs(1);
/// The most origins in the pool; the least recently used are evicted, and their connections closed.
const MAX_ORIGINS: NonZeroUsize = NonZeroUsize::new(MAX_WAITING).expect("it is not zero");

/// Connections by origin. Their age is by the clock that is passed in, because a frozen process cannot trust its own.
pub(super) struct Pool {
    clock: Arc<dyn Clock>,
    state: Mutex<State>,
}

struct State {
    origins: LruCache<String, Origin>,
    /// Origins that need HTTP/1.1 although they offer HTTP/2.
    http1_only: LruCache<String, ()>,
    /// The most idle connections.
    most: usize,
    last_used: Timestamp,
    last_swept: Timestamp,
}

#[derive(Default)]
struct Origin {
    http1: Vec<Waiting>,
    http2: Option<Shared>,
}

impl Origin {
    /// Returns the number of connections in the pool. A shared one may also be in use.
    fn waiting(&self) -> usize {
        self.http1.len() + usize::from(self.http2.is_some())
    }

    /// Closes connections that are idle for too long, and those above the origin's limit. The first ones are the
    /// oldest.
    fn sweep(&mut self, now: Timestamp) {
        let older_than = |longest| self.http1.partition_point(|waiting| now.since(waiting.since) > longest);
        let surplus = self.http1.len().saturating_sub(MAX_WAITING_FOR_ORIGIN);
        let closed = older_than(MAX_WAIT).max(older_than(SURPLUS_WAIT).min(surplus));
        self.http1.drain(..closed);
        self.http2.take_if(|shared| now.since(shared.used) > MAX_WAIT);
    }
}

/// A connection that is idle since it answered, by the clock and in this process.
struct Waiting {
    connection: Http1,
    since: Timestamp,
    answered: Instant,
}

/// A connection that several requests use at once.
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
            most: MAX_WAITING,
            last_used: now,
            last_swept: now,
        };
        Self { clock, state: Mutex::new(state) }
    }

    /// Returns an open connection to the origin, if there is one. An HTTP/2 connection stays in the pool.
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
        let origin = state.origins.get_or_insert_mut_ref(origin, Origin::default);
        origin.sweep(now);
        origin.http1.push(Waiting { connection, since: now, answered: Instant::now() });
        state.keep_at_most(MAX_WAITING);
    }

    /// Lets other requests to the origin use this connection, too.
    pub(super) fn share(&self, origin: &str, connection: &Http2) {
        let now = self.clock.now();
        let shared = Shared { connection: connection.clone(), used: now };
        let mut state = self.state(now);
        state.origins.get_or_insert_mut_ref(origin, Origin::default).http2 = Some(shared);
        state.keep_at_most(MAX_WAITING);
    }

    /// Closes all idle connections, because this process has run out of files, and keeps fewer from now on.
    pub(super) fn clear(&self) {
        let mut state = self.lock();
        state.most = FEW_WAITING;
        state.keep_at_most(0);
    }

    /// Closes idle connections until at most `most` are left.
    pub(super) fn keep_at_most(&self, most: usize) {
        self.lock().keep_at_most(most);
    }

    /// Closes connections to the origin after a request that began at `began` has failed: what happened to one may have
    /// happened to all, except those that have brought an answer since.
    pub(super) fn forget(&self, origin: &str, began: Instant) {
        if let Some(origin) = self.lock().origins.get_mut(origin) {
            origin.http1.retain(|waiting| waiting.answered > began);
            origin.http2.take_if(|shared| shared.connection.answered_at().is_none_or(|at| at <= began));
        }
    }

    /// Returns the protocols for a new connection to the origin.
    pub(super) fn protocols(&self, origin: &str) -> Protocols {
        if self.lock().http1_only.get(origin).is_some() { Protocols::Http1 } else { Protocols::All }
    }

    /// Notes that the origin needs HTTP/1.1.
    pub(super) fn note_http1(&self, origin: &str) {
        let mut state = self.lock();
        state.http1_only.put(origin.to_owned(), ());
        state.origins.pop(origin);
    }

    /// Returns the connections, without those that were idle for too long.
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
    /// Closes idle connections until at most `most` are left, those of the least recently used origins first.
    fn keep_at_most(&mut self, most: usize) {
        let most = most.min(self.most);
        let mut waiting: usize = self.origins.iter().map(|(_, origin)| origin.waiting()).sum();
        while waiting > most {
            let surplus = waiting - most;
            let Some((_, origin)) = self.origins.iter_mut().next_back() else { return };
            if origin.waiting() > surplus {
                // The first ones are the oldest.
                origin.http1.drain(..surplus);
                return;
            }
            waiting -= origin.waiting();
            self.origins.pop_lru();
        }
    }

    fn sweep(&mut self, now: Timestamp) {
        let mut empty = Vec::new();
        for (name, origin) in &mut self.origins {
            origin.sweep(now);
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
    use posthorn_domain::testing::{Fixed, SetClock};
    use tokio::io::duplex;

    use super::*;

    #[test]
    fn at_most_300_connections_wait_and_of_an_origin_ten_for_longer_than_a_second() {
        let clock = Arc::new(SetClock::at(0));
        let pool = Pool::new(clock.clone());
        let mut far_ends = Vec::new();
        let origin = |number: usize| format!("http://{number}.example");
        let mut put = |number: usize, connections: usize| {
            for _ in 0..connections {
                let (near, far) = duplex(1);
                far_ends.push(far);
                pool.put(&origin(number), Http1::new(Box::new(near)));
            }
        };
        let waiting = |number| pool.lock().origins.peek(&origin(number)).map_or(0, Origin::waiting);
        put(0, 40);
        put(1, 9);
        clock.set(1_000);
        put(0, 1);
        assert_eq!([0, 1].map(waiting), [41, 9]);
        clock.set(1_001);
        put(0, 1);
        put(1, 1);
        assert_eq!([0, 1].map(waiting), [11, 10], "the one that came last waits for nobody yet");
        put(2, 300);
        assert_eq!([0, 1, 2].map(waiting), [0, 0, 300], "those used last stay");
        pool.keep_at_most(25);
        assert_eq!(waiting(2), 25);
        clock.set(16_002);
        put(3, 1);
        assert_eq!([2, 3].map(waiting), [0, 1]);
    }

    /// A laptop's limit was lower than the number of connections that a process keeps on Lambda. Once idle connections
    /// had used it up, none to SQS could be opened, and without messages nothing closed them.
    #[test]
    fn a_process_that_has_run_out_of_files_keeps_few_connections_from_then_on() {
        let pool = Pool::new(Arc::new(Fixed));
        let mut far_ends = Vec::new();
        let mut put = |number: usize| {
            let (near, far) = duplex(1);
            far_ends.push(far);
            pool.put(&format!("http://{number}.example"), Http1::new(Box::new(near)));
        };
        (0..100).for_each(&mut put);
        assert_eq!(pool.lock().origins.len(), 100);
        pool.clear();
        assert_eq!(pool.lock().origins.len(), 0);
        (0..100).for_each(&mut put);
        assert_eq!(pool.lock().origins.len(), FEW_WAITING);
    }
}
