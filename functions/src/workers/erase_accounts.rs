//! Runs every minute: deletes what belongs to accounts that are being deleted.

use std::sync::Arc;

use posthorn_delivery::Eraser;
use posthorn_domain::Timestamp;
use posthorn_runtime::{Error, Runtime, ScheduleFunction, SettingsError, schedule_function};

pub(crate) fn function(runtime: &Runtime) -> Result<ScheduleFunction, SettingsError> {
    let eraser = Eraser {
        accounts: runtime.accounts()?,
        grants: runtime.grants()?,
        sessions: runtime.sessions()?,
        endpoints: runtime.endpoints()?,
        release: runtime.release()?,
        clock: runtime.clock(),
    };
    Ok(schedule_function(eraser, erase_accounts))
}

async fn erase_accounts(eraser: Arc<Eraser>, deadline: Timestamp) -> Result<(), Error> {
    eraser.erase(deadline).await?;
    Ok(())
}
