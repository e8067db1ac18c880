//! What runs until it is told to stop.

use std::net::Ipv4Addr;

use anyhow::{Context as _, Result};
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// Servers and pollers that stop together. Dropped, they end at once.
#[derive(Default)]
pub(crate) struct Tasks {
    stop: CancellationToken,
    running: JoinSet<Result<()>>,
}

impl Tasks {
    /// Runs a task. It is handed the signal at which it must finish what it has begun.
    pub(crate) fn spawn<T>(&mut self, task: impl FnOnce(CancellationToken) -> T)
    where
        T: Future<Output = Result<()>> + Send + 'static,
    {
        self.running.spawn(task(self.stop.clone()));
    }

    /// Waits until one of them ends, which none should do by itself.
    pub(crate) async fn ended(&mut self) -> Result<()> {
        match self.running.join_next().await {
            Some(ended) => ended.context("a part of the system panicked")?,
            None => std::future::pending().await,
        }
    }

    /// Lets all of them finish what they have begun, and waits for it.
    pub(crate) async fn stop(mut self) -> Result<()> {
        self.stop.cancel();
        while let Some(ended) = self.running.join_next().await {
            ended.context("a part of the system panicked")??;
        }
        Ok(())
    }
}

/// Listens on loopback; port 0 means any free one. `flag` is what sets the port.
pub(crate) async fn listen(port: u16, flag: &str) -> Result<(TcpListener, String)> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await;
    let listener = listener
        .with_context(|| format!("cannot listen on 127.0.0.1:{port} (choose another port with {flag})"))?;
    let address = format!("http://{}", listener.local_addr()?);
    Ok((listener, address))
}
