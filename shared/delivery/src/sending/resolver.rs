//! Resolves names, and blocks forbidden addresses.

use std::net::IpAddr;
use std::sync::Arc;

use futures::future::BoxFuture;
use posthorn_domain::{AttemptError, Guard};

use crate::sending::http::NoReply;
use crate::sending::no_sockets::NoSockets;

/// Resolves a name.
pub(crate) trait Resolve: Send + Sync {
    /// Returns the addresses, in the order in which to try them.
    fn resolve<'n>(&'n self, name: &'n str) -> BoxFuture<'n, Result<Vec<IpAddr>, Unresolved>>;
}

/// Why a name's addresses were not found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unresolved {
    /// It has none, or no name server answered in time.
    Failed,
    /// No name server could be queried.
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

/// Resolves names by another resolver, and blocks names with a forbidden address. The connection goes to one of the
/// addresses checked here, so a name cannot change in between. Cached addresses are checked again each time.
pub(crate) struct GuardedResolver {
    pub(crate) guard: Arc<Guard>,
    pub(crate) names: Arc<dyn Resolve>,
}

impl GuardedResolver {
    /// Returns the name's addresses, at least one.
    pub(crate) async fn addresses(&self, name: &str) -> Result<Vec<IpAddr>, NoReply> {
        let addresses = self.names.resolve(name).await?;
        if addresses.iter().any(|address| self.guard.check_address(*address).is_err()) {
            return Err(AttemptError::Blocked.into());
        }
        if addresses.is_empty() { Err(AttemptError::Dns.into()) } else { Ok(addresses) }
    }
}
