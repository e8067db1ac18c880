//! Measures the processor time and memory of processes.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use sysinfo::{Pid, ProcessRefreshKind, ProcessesToUpdate, System};
use tokio::io::{AsyncBufReadExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};

/// Bytes in a megabyte of memory.
const MEGABYTE: f64 = 1024.0 * 1024.0;

/// What a process has used so far.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Usage {
    /// Processor time in user and system mode, on all processors together.
    pub(crate) cpu: Duration,
    /// Current resident memory, in megabytes of 1,048,576 bytes.
    pub(crate) resident_mb: f64,
}

impl Usage {
    /// Returns what this process has used.
    pub(crate) fn of_self() -> Result<Self> {
        Self::of(std::process::id())
    }

    /// Returns what the process with this id has used.
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

/// A part of the system in a separate process. Dropping it kills the process.
pub(crate) struct Part {
    process: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Part {
    /// Runs this program with these arguments.
    pub(crate) fn start<'a>(program: &Path, arguments: impl IntoIterator<Item = &'a str>) -> Result<Self> {
        let mut command = Command::new(program);
        command.args(arguments).stdout(Stdio::piped()).kill_on_drop(true);
        let mut process = command.spawn().with_context(|| format!("cannot run {}", program.display()))?;
        let output = process.stdout.take().context("the output of the process is not piped")?;
        Ok(Self { process, lines: BufReader::new(output).lines() })
    }

    /// Waits for the address that it prints after this label.
    pub(crate) async fn address(&mut self, label: &str) -> Result<String> {
        while let Some(line) = self.lines.next_line().await? {
            if let Some(address) = line.trim().strip_prefix(label) {
                return Ok(address.trim().to_owned());
            }
        }
        bail!("the process ended before it printed the address of {label}")
    }

    /// Returns what it has used.
    pub(crate) fn usage(&self) -> Result<Usage> {
        Usage::of(self.process.id().context("the process has ended")?)
    }
}
