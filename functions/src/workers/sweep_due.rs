//! Runs every minute: sends the retries that will soon be due to the deliveries queue.

use std::sync::Arc;

use posthorn_delivery::Sweeper;
use posthorn_domain::Timestamp;
use posthorn_runtime::{Error, Runtime, ScheduleFunction, SettingsError, schedule_function};

pub(crate) fn function(runtime: &Runtime) -> Result<ScheduleFunction, SettingsError> {
    let sweeper = Sweeper {
        due: runtime.due_retries()?,
        outbox: runtime.deliveries_queue()?,
        clock: runtime.clock(),
        random: runtime.random(),
        tally: runtime.tally(),
    };
    Ok(schedule_function(sweeper, sweep_due))
}

async fn sweep_due(sweeper: Arc<Sweeper>, deadline: Timestamp) -> Result<(), Error> {
    sweeper.sweep(deadline).await?;
    Ok(())
}
