//! The tables and queues, served on loopback.

use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use posthorn_local_aws::dynamodb::Tables;
use posthorn_local_aws::sqs::{QueueClock, QueueSpec, Queues};

use crate::install_tls;
use crate::laptop;
use crate::tasks::{Tasks, listen};

/// The queues that the functions read.
pub const QUEUES: [&str; 3] = ["EventsQueue", "FirstAttemptsQueue", "DeliveriesQueue"];

/// Where to serve and keep the tables and queues.
#[derive(Debug, Clone, Default)]
pub struct StoresOptions {
    /// The template that defines them.
    pub template: PathBuf,
    /// DynamoDB's port; 0 chooses a free one.
    pub dynamodb_port: u16,
    /// SQS's port; 0 chooses a free one.
    pub sqs_port: u16,
    /// The directory to keep them in. Without one, they are lost when the process ends.
    pub data: Option<PathBuf>,
    /// The queues' visibility timeout, instead of the template's.
    pub visibility_timeout: Option<Duration>,
    /// The queues' clock, instead of the system's. Rows then do not expire, because the tables only have the system's
    /// clock.
    pub clock: Option<QueueClock>,
}

/// The tables and queues of a template.
pub struct Stores {
    /// DynamoDB's address, such as `http://127.0.0.1:8000`.
    pub dynamodb: String,
    /// SQS's address, such as `http://127.0.0.1:9324`.
    pub sqs: String,
    /// The queues themselves.
    pub queues: Queues,
    tasks: Tasks,
    /// Keeps other processes from the directory.
    _lock: Option<File>,
}

impl Stores {
    /// Creates missing tables and queues, and serves all of them.
    pub async fn start(options: &StoresOptions) -> Result<Self> {
        install_tls();
        let (dynamodb_listener, dynamodb) = listen(options.dynamodb_port, "--dynamodb-port").await?;
        let (sqs_listener, sqs) = listen(options.sqs_port, "--sqs-port").await?;
        let template = laptop::template(&options.template, &sqs)?;
        let lock = options.data.as_deref().map(lock).transpose()?;
        let (tables, queues) = open(options)?;
        for table in &template.tables {
            tables.create(table)?;
        }
        for queue in template.queues {
            let visibility_timeout = options.visibility_timeout.unwrap_or(queue.visibility_timeout);
            queues.create(&QueueSpec { visibility_timeout, ..queue })?;
        }
        let mut tasks = Tasks::default();
        let rows_expire = options.clock.is_none();
        tasks.spawn(|stop| tables.serve(dynamodb_listener, rows_expire, stop.cancelled_owned()));
        tasks.spawn(|stop| queues.clone().serve(sqs_listener, stop.cancelled_owned()));
        Ok(Self { dynamodb, sqs, queues, tasks, _lock: lock })
    }

    /// Waits until DynamoDB or SQS can no longer be served.
    pub async fn ended(&mut self) -> Result<()> {
        self.tasks.ended().await
    }

    /// Stops serving.
    pub async fn stop(self) -> Result<()> {
        self.tasks.stop().await
    }
}

/// Creates a directory for tables and queues, and locks it: two processes would not see each other's changes.
fn lock(directory: &Path) -> Result<File> {
    let lock = || {
        std::fs::create_dir_all(directory)?;
        File::create(directory.join("lock"))
    };
    let lock = lock().with_context(|| format!("cannot keep data in {}", directory.display()))?;
    match lock.try_lock() {
        Ok(()) => Ok(lock),
        Err(TryLockError::WouldBlock) => {
            bail!(
                "another process keeps its data in {}. Stop it, or pass another directory",
                directory.display()
            )
        }
        Err(TryLockError::Error(error)) => {
            Err(error).with_context(|| format!("cannot lock {}", directory.display()))
        }
    }
}

fn open(options: &StoresOptions) -> Result<(Tables, Queues)> {
    let (tables, queues) = match &options.data {
        None => (Tables::in_memory()?, Queues::in_memory()?),
        Some(directory) => (Tables::open(directory)?, Queues::open(directory)?),
    };
    Ok((tables, queues.with_clock(options.clock.clone().unwrap_or_default())))
}
