//! The functions behind queues and the schedule.

pub(crate) mod deliver;
pub(crate) mod erase_accounts;
pub(crate) mod fan_out;
pub(crate) mod sweep_due;

use posthorn_delivery::{Postman, Seen};
use posthorn_runtime::{Runtime, SettingsError};

/// Builds the `Postman`, which fan-out and deliver share. Only `deliver` `holds` endpoints.
fn postman(runtime: &Runtime, holds: bool) -> Result<Postman, SettingsError> {
    Ok(Postman {
        snapshots: runtime.snapshots()?,
        log: runtime.event_log()?,
        first_attempts: runtime.first_attempts_queue()?,
        outbox: runtime.deliveries_queue()?,
        due: runtime.due_retries()?,
        notices: runtime.notices()?,
        release: runtime.release()?,
        holds,
        idempotency: runtime.idempotency_keys()?,
        sender: runtime.sender()?,
        schedule: runtime.retry_schedule()?,
        shards: runtime.event_shards()?,
        logged: runtime.setting("LOG_ATTEMPTS")?,
        clock: runtime.clock(),
        random: runtime.random(),
        tally: runtime.tally(),
        seen: Seen::default(),
    })
}
