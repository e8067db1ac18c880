//! Tasks that run until they are told to stop.

use std::net::{Ipv4Addr, SocketAddr};

use anyhow::{Context as _, Result};
use tokio::net::{TcpListener, TcpSocket};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// Servers and pollers that stop together. Dropping them aborts them at once.
#[derive(Default)]
pub struct Tasks {
    stop: CancellationToken,
    running: JoinSet<Result<()>>,
}

impl Tasks {
    /// Runs a task. It gets a signal at which it must finish its current work.
    pub fn spawn<T>(&mut self, task: impl FnOnce(CancellationToken) -> T)
    where
        T: Future<Output = Result<()>> + Send + 'static,
    {
        self.running.spawn(task(self.stop.clone()));
    }

    /// Waits until a task ends. None should end without the signal.
    pub async fn ended(&mut self) -> Result<()> {
        match self.running.join_next().await {
            Some(ended) => ended.context("a background task panicked")?,
            None => std::future::pending().await,
        }
    }

    /// Tells all tasks to stop, and waits until they have finished their current work.
    pub async fn stop(mut self) -> Result<()> {
        self.stop.cancel();
        while let Some(ended) = self.running.join_next().await {
            ended.context("a background task panicked")??;
        }
        Ok(())
    }
}

/// The number of connections that may wait to be accepted, as with nginx (511) or Go (4,096). Tokio's own is 128: in a
/// burst, connections would be refused in silence, and each would be tried again only a second later.
const BACKLOG: u32 = 1_024;

/// Listens on loopback; port 0 chooses a free one. `flag` is the option that sets the port, for the error message.
pub async fn listen(port: u16, flag: &str) -> Result<(TcpListener, String)> {
    let bind = || {
        let socket = TcpSocket::new_v4()?;
        socket.set_reuseaddr(true)?;
        socket.bind(SocketAddr::from((Ipv4Addr::LOCALHOST, port)))?;
        socket.listen(BACKLOG)
    };
    let listener = bind()
        .with_context(|| format!("cannot listen on 127.0.0.1:{port}. Choose another port with {flag}"))?;
    let address = format!("http://{}", listener.local_addr()?);
    Ok((listener, address))
}
