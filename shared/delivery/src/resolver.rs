//! Finds the addresses that are dialled, and lets nobody be dialled who may not be.

use std::net::SocketAddr;
use std::sync::Arc;

use posthorn_domain::{Guard, Invalid};
use reqwest::dns::{Addrs, Name, Resolve, Resolving};

/// Resolves names as another resolver does, and refuses those of which an address may not be sent to. The connection
/// goes to one of the very addresses looked at here, so a name cannot change its mind in between.
pub(crate) struct GuardedResolver {
    pub(crate) guard: Arc<Guard>,
    pub(crate) names: Arc<dyn Resolve>,
}

/// A name with an address that may not be sent to.
#[derive(Debug, thiserror::Error)]
#[error("the name is blocked: it {0}")]
pub(crate) struct BlockedError(Invalid);

impl Resolve for GuardedResolver {
    fn resolve(&self, name: Name) -> Resolving {
        let (guard, resolving) = (Arc::clone(&self.guard), self.names.resolve(name));
        Box::pin(async move {
            let addresses: Vec<SocketAddr> = resolving.await?.collect();
            for address in &addresses {
                guard.check_address(address.ip()).map_err(BlockedError)?;
            }
            Ok(Box::new(addresses.into_iter()) as Addrs)
        })
    }
}

/// Resolves names as the system does.
pub(crate) struct SystemResolver;

/// A name that has no address.
#[derive(Debug, thiserror::Error)]
#[error("the name cannot be resolved")]
pub(crate) struct ResolveError(#[source] std::io::Error);

impl Resolve for SystemResolver {
    fn resolve(&self, name: Name) -> Resolving {
        Box::pin(async move {
            let addresses = tokio::net::lookup_host((name.as_str(), 0)).await.map_err(ResolveError)?;
            let addresses: Vec<SocketAddr> = addresses.collect();
            Ok(Box::new(addresses.into_iter()) as Addrs)
        })
    }
}
