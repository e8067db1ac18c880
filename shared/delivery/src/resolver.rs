//! Finds the addresses that are dialled, and lets nobody be dialled who may not be.

use std::io;
use std::net::IpAddr;
use std::sync::Arc;

use futures::FutureExt as _;
use futures::future::BoxFuture;
use posthorn_domain::{AttemptError, Guard};

/// Finds a name's addresses.
pub(crate) trait Resolve: Send + Sync {
    /// The addresses, in the order in which they are to be tried.
    fn resolve<'n>(&'n self, name: &'n str) -> BoxFuture<'n, io::Result<Vec<IpAddr>>>;
}

/// Resolves names as another resolver does, and refuses those of which an address may not be sent to. The connection
/// goes to one of the very addresses looked at here, so a name cannot change its mind in between.
pub(crate) struct GuardedResolver {
    pub(crate) guard: Arc<Guard>,
    pub(crate) names: Arc<dyn Resolve>,
}

impl GuardedResolver {
    /// The name's addresses, one at least.
    pub(crate) async fn addresses(&self, name: &str) -> Result<Vec<IpAddr>, AttemptError> {
        let addresses = self.names.resolve(name).await.map_err(|_| AttemptError::Dns)?;
        if addresses.iter().any(|address| self.guard.check_address(*address).is_err()) {
            return Err(AttemptError::Blocked);
        }
        if addresses.is_empty() { Err(AttemptError::Dns) } else { Ok(addresses) }
    }
}

/// Resolves names as the system does.
pub(crate) struct SystemResolver;

impl Resolve for SystemResolver {
    fn resolve<'n>(&'n self, name: &'n str) -> BoxFuture<'n, io::Result<Vec<IpAddr>>> {
        async move { Ok(tokio::net::lookup_host((name, 0)).await?.map(|address| address.ip()).collect()) }
            .boxed()
    }
}
