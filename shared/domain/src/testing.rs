//! Clocks, randomness and an endpoint for tests: the test decides what time it is, and which bytes are drawn.
//!
//! Built only for tests, with the feature `testing`.

use std::sync::Mutex;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use crate::account::{Mode, Tenant};
use crate::endpoint::{Endpoint, NewEndpoint};
use crate::json::Fields;
use crate::random::Random;
use crate::time::{Clock, Timestamp};

/// A clock that always shows 2026-11-24T10:00:00Z, and randomness that is all sevens.
#[derive(Debug, Clone, Copy)]
pub struct Fixed;

impl Clock for Fixed {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(1_795_514_400_000)
    }
}

impl Random for Fixed {
    fn fill(&self, buffer: &mut [u8]) {
        buffer.fill(7);
    }
}

/// A clock that stands still until the test sets it.
#[derive(Debug)]
pub struct SetClock(AtomicI64);

impl SetClock {
    /// Returns a clock that shows this time, in milliseconds since 1970.
    pub fn at(millis: i64) -> Self {
        Self(AtomicI64::new(millis))
    }

    /// Sets the time.
    pub fn set(&self, millis: i64) {
        self.0.store(millis, Ordering::SeqCst);
    }

    /// Moves the time forward.
    pub fn advance(&self, by: Duration) {
        self.set(self.now().plus(by).as_millis());
    }
}

impl Clock for SetClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.0.load(Ordering::SeqCst))
    }
}

/// The same eight bytes again and again.
#[derive(Debug, Clone, Copy)]
pub struct Same([u8; 8]);

impl Same {
    /// Returns a source of this one byte.
    pub const fn byte(byte: u8) -> Self {
        Self([byte; 8])
    }

    /// Returns a source of the bytes of this number, so that different numbers give different ids.
    pub const fn number(number: u64) -> Self {
        Self(number.to_be_bytes())
    }
}

impl Random for Same {
    fn fill(&self, buffer: &mut [u8]) {
        for (byte, same) in buffer.iter_mut().zip(self.0.into_iter().cycle()) {
            *byte = same;
        }
    }
}

/// Returns an endpoint that the live mode of the account `acct_1` registers, with an id and a secret of zeros.
///
/// # Panics
///
/// Panics if the JSON is no valid request to register an endpoint.
pub fn registered(json: &str, at: Timestamp) -> Endpoint {
    let tenant = Tenant { account: "acct_1".parse().expect("it is valid"), mode: Mode::Live };
    let new = Fields::parse(json).and_then(|mut fields| NewEndpoint::read(&mut fields));
    new.expect("it is a valid request").register(&tenant, at, &Same::byte(0))
}

/// Evenly distributed bytes, the same ones for the same seed.
#[derive(Debug)]
pub struct Seeded(Mutex<fastrand::Rng>);

impl Seeded {
    /// Returns the bytes that follow from this seed.
    pub fn new(seed: u64) -> Self {
        Self(Mutex::new(fastrand::Rng::with_seed(seed)))
    }
}

impl Random for Seeded {
    fn fill(&self, buffer: &mut [u8]) {
        self.0.lock().expect("no test panics while it draws").fill(buffer);
    }
}
