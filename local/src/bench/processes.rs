//! What processes use of the machine.

use std::time::Duration;

use anyhow::{Context as _, Result};
use sysinfo::{Pid, ProcessRefreshKind, ProcessesToUpdate, System};

/// Bytes in a megabyte, as memory is counted in.
const MEGABYTE: f64 = 1024.0 * 1024.0;

/// What a process has used so far.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Usage {
    /// The time that it had processors for, in user and in system mode, on all of them.
    pub(crate) cpu: Duration,
    /// The memory that it has now, resident, in megabytes of 1,048,576 bytes.
    pub(crate) resident_mb: f64,
}

impl Usage {
    /// What this process has used.
    pub(crate) fn of_self() -> Result<Self> {
        Self::of(std::process::id())
    }

    /// What the process with this id has used.
    #[expect(clippy::cast_precision_loss, reason = "a byte more or less of many does not matter")]
    pub(crate) fn of(id: u32) -> Result<Self> {
        let (id, mut system) = (Pid::from_u32(id), System::new()?);
        let wanted = ProcessRefreshKind::nothing().with_cpu().with_memory();
        system.refresh_processes_specifics(ProcessesToUpdate::Some(&[id]), false, wanted);
        let process = system.process(id).with_context(|| format!("there is no process {id}"))?;
        let cpu = Duration::from_millis(process.accumulated_cpu_time());
        Ok(Self { cpu, resident_mb: process.memory() as f64 / MEGABYTE })
    }
}
