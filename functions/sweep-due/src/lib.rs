//! Every minute: sends the retries whose time has nearly come to the deliveries queue.

use std::sync::Arc;

use posthorn_delivery::Sweeper;
use posthorn_domain::Timestamp;
use posthorn_runtime::{Error, Runtime, ScheduleFunction, SettingsError, schedule_function};

/// The function, as its environment sets it up.
pub fn function(runtime: &Runtime) -> Result<ScheduleFunction, SettingsError> {
    Ok(schedule_function(runtime.sweeper()?, sweep_due))
}

async fn sweep_due(sweeper: Arc<Sweeper>, deadline: Timestamp) -> Result<(), Error> {
    sweeper.sweep(deadline).await?;
    Ok(())
}
