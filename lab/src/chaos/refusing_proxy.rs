//! Refuses some calls to an AWS service: some before the service gets them, some after it has done them.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use axum::response::{IntoResponse as _, Response};
use fastrand::Rng;
use http::StatusCode;
use http::header::CONTENT_TYPE;
use posthorn_local::proxy::{Call, Gate, Service, passed_on};

/// The service whose errors are returned.
#[derive(Debug, Clone, Copy)]
pub(super) enum Errors {
    DynamoDb,
    Sqs,
}

/// Refuses calls.
pub(super) struct Refusing {
    errors: Errors,
    random: Mutex<Rng>,
    /// The share of calls to refuse, as the bits of an `f64`.
    share: AtomicU64,
    refused: AtomicUsize,
}

/// How a call is treated.
enum Fate {
    Done,
    RefusedBefore,
    /// The service does the call, but the caller gets an error.
    RefusedAfter,
}

impl Refusing {
    /// Refuses nothing until `refuse` is called.
    pub(super) fn new(errors: Errors, seed: u64) -> Self {
        let random = Mutex::new(Rng::with_seed(seed));
        Self { errors, random, share: AtomicU64::new(0), refused: AtomicUsize::new(0) }
    }

    /// Refuses this share of calls from now on.
    pub(super) fn refuse(&self, share: f64) {
        self.share.store(share.to_bits(), Ordering::Relaxed);
    }

    /// Number of calls refused so far.
    pub(super) fn refused(&self) -> usize {
        self.refused.load(Ordering::Relaxed)
    }

    fn fate(&self) -> Fate {
        let share = f64::from_bits(self.share.load(Ordering::Relaxed));
        let chance = self.random.lock().unwrap_or_else(PoisonError::into_inner).f64();
        if chance >= share {
            return Fate::Done;
        }
        self.refused.fetch_add(1, Ordering::Relaxed);
        if chance < share / 2.0 { Fate::RefusedBefore } else { Fate::RefusedAfter }
    }

    /// Returns a throttling error and a service failure alternately.
    fn refusal(&self) -> Response {
        self.errors.refusal(self.refused.load(Ordering::Relaxed).is_multiple_of(2))
    }
}

impl Errors {
    /// The service's error for a call that it throttles, or that fails.
    pub(super) fn refusal(self, throttled: bool) -> Response {
        let (status, name) = match (self, throttled) {
            (Self::DynamoDb, true) => {
                (400, "com.amazonaws.dynamodb.v20120810#ProvisionedThroughputExceededException")
            }
            (Self::DynamoDb, false) => (500, "com.amazonaws.dynamodb.v20120810#InternalServerError"),
            (Self::Sqs, true) => (400, "com.amazonaws.sqs#RequestThrottled"),
            (Self::Sqs, false) => (500, "com.amazonaws.sqs#InternalFailure"),
        };
        let status = StatusCode::from_u16(status).expect("these are valid status codes");
        let body = format!(r#"{{"__type": "{name}", "message": "refused on purpose"}}"#);
        (status, [(CONTENT_TYPE, "application/x-amz-json-1.0")], body).into_response()
    }
}

impl Gate for Refusing {
    async fn answer(&self, call: Call, service: &Service) -> Response {
        let fate = self.fate();
        if let Fate::RefusedBefore = fate {
            return self.refusal();
        }
        let answer = passed_on(service.call(call).await);
        if let Fate::RefusedAfter = fate { self.refusal() } else { answer }
    }
}
