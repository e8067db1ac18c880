//! A recovery.

use posthorn_domain::{EndpointId, Mode, Recovery, RecoveryId, RecoveryScope, RecoveryStatus, Timestamp};
use serde::Serialize;

/// A recovery and its progress.
#[derive(Debug, Serialize)]
pub struct RecoveryBody {
    id: RecoveryId,
    livemode: Mode,
    webhook_endpoint_id: EndpointId,
    scope: RecoveryScope,
    since: Timestamp,
    until: Timestamp,
    status: RecoveryStatus,
    events_examined: u64,
    deliveries_recovered: u64,
    reached: Option<Timestamp>,
    created_at: Timestamp,
    updated_at: Timestamp,
}

impl From<Recovery> for RecoveryBody {
    fn from(recovery: Recovery) -> Self {
        Self {
            id: recovery.id,
            livemode: recovery.mode,
            webhook_endpoint_id: recovery.endpoint_id,
            scope: recovery.scope,
            since: recovery.since,
            until: recovery.until,
            status: recovery.status,
            events_examined: recovery.events_examined,
            deliveries_recovered: recovery.deliveries_recovered,
            reached: recovery.reached,
            created_at: recovery.created_at,
            updated_at: recovery.updated_at,
        }
    }
}

/// The number of deliveries that a recovery would send.
#[derive(Debug, Serialize)]
pub struct RecoveryCountBody {
    dry_run: bool,
    count: u64,
    complete: bool,
}

impl RecoveryCountBody {
    /// Returns the number; `complete` is false if there was no time to count all.
    pub fn new(count: u64, complete: bool) -> Self {
        Self { dry_run: true, count, complete }
    }
}
