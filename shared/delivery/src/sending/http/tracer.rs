//! Notes how an attempt reaches its receiver while it is under way: an attempt that is given up has got so far.

use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use posthorn_domain::Trace;
use tokio::time::Instant;

/// The trace of an attempt. It stays empty if the attempt opens no connection.
#[derive(Debug, Default)]
pub(crate) struct Tracer(Mutex<Trace>);

impl Tracer {
    /// Returns what has been noted.
    pub(crate) fn trace(&self) -> Trace {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Forgets the last connection, as another one is opened.
    pub(super) fn begin(&self) {
        self.note(|trace| *trace = Trace::default());
    }

    pub(super) fn address(&self, address: IpAddr) {
        self.note(|trace| trace.address = Some(address));
    }

    /// Resolves the host name.
    pub(super) async fn resolving<T, E>(&self, work: impl Future<Output = Result<T, E>>) -> Result<T, E> {
        self.timed(work, |trace, time| trace.dns = Some(time.into())).await
    }

    /// Opens the connection.
    pub(super) async fn connecting<T, E>(&self, work: impl Future<Output = Result<T, E>>) -> Result<T, E> {
        self.timed(work, |trace, time| trace.connect = Some(time.into())).await
    }

    /// Makes the TLS handshake.
    pub(super) async fn securing<T, E>(&self, work: impl Future<Output = Result<T, E>>) -> Result<T, E> {
        self.timed(work, |trace, time| trace.tls = Some(time.into())).await
    }

    /// Sends the request over a new connection, and waits for the answer.
    pub(super) async fn answering<T, E>(&self, work: impl Future<Output = Result<T, E>>) -> Result<T, E> {
        self.timed(work, |trace, time| trace.first_byte = Some(time.into())).await
    }

    /// Notes how long some work took, if it succeeds.
    async fn timed<T, E>(
        &self,
        work: impl Future<Output = Result<T, E>>,
        note: impl FnOnce(&mut Trace, Duration),
    ) -> Result<T, E> {
        let began = Instant::now();
        let done = work.await?;
        self.note(|trace| note(trace, began.elapsed()));
        Ok(done)
    }

    fn note(&self, note: impl FnOnce(&mut Trace)) {
        note(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner));
    }
}
