//! Finds the addresses that are dialled, and lets nobody be dialled who may not be.

use std::net::IpAddr;
use std::sync::Arc;

use futures::future::BoxFuture;
use posthorn_domain::{AttemptError, Guard};

use crate::sending::http::NoReply;
use crate::sending::no_sockets::NoSockets;

/// Finds a name's addresses.
pub(crate) trait Resolve: Send + Sync {
    /// The addresses, in the order in which they are to be tried.
    fn resolve<'n>(&'n self, name: &'n str) -> BoxFuture<'n, Result<Vec<IpAddr>, Unresolved>>;
}

/// Why a name's addresses were not found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unresolved {
    /// It has none, or nobody told them in time.
    Failed,
    /// Nobody could be asked.
    NoSockets(NoSockets),
}

impl From<NoSockets> for Unresolved {
    fn from(missing: NoSockets) -> Self {
        Self::NoSockets(missing)
    }
}

impl From<Unresolved> for NoReply {
    fn from(unresolved: Unresolved) -> Self {
        match unresolved {
            Unresolved::Failed => AttemptError::Dns.into(),
            Unresolved::NoSockets(missing) => missing.into(),
        }
    }
}

/// Resolves names as another resolver does, and refuses those of which an address may not be sent to. The connection
/// goes to one of the very addresses looked at here, so a name cannot change its mind in between. Addresses that were
/// remembered are looked at anew each time.
pub(crate) struct GuardedResolver {
    pub(crate) guard: Arc<Guard>,
    pub(crate) names: Arc<dyn Resolve>,
}

impl GuardedResolver {
    /// The name's addresses, one at least.
    pub(crate) async fn addresses(&self, name: &str) -> Result<Vec<IpAddr>, NoReply> {
        let addresses = self.names.resolve(name).await?;
        if addresses.iter().any(|address| self.guard.check_address(*address).is_err()) {
            return Err(AttemptError::Blocked.into());
        }
        if addresses.is_empty() { Err(AttemptError::Dns.into()) } else { Ok(addresses) }
    }
}
