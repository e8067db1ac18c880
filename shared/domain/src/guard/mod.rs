//! Where Posthorn may send to, so that nobody can use it to reach what they could not reach themselves.

mod addresses;
#[cfg(test)]
mod hostile_urls;
mod names;
#[cfg(test)]
mod registries;
mod settings;

use std::net::IpAddr;

use url::{Host, Url};

pub use self::settings::{Networks, Ports, Schemes};
use crate::endpoint::WebhookUrl;
use crate::invalid::Invalid;

/// Decides where endpoints may be. It checks a URL when it is registered and at every attempt, and every address that
/// its host name resolves to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Guard {
    /// The schemes allowed in a URL.
    pub schemes: Schemes,
    /// The ports allowed in a URL.
    pub ports: Ports,
    /// Networks that are allowed although they are not public.
    pub allowed_networks: Networks,
}

impl Guard {
    /// Returns the URL to dial. Errors if its scheme, port, address or host name is not allowed. The addresses of a
    /// host name are checked later, by [`Guard::check_address`].
    pub fn admit<'a>(&self, url: &'a WebhookUrl) -> Result<&'a Url, Invalid> {
        let url = url.parsed();
        if !self.schemes.contain(url.scheme()) {
            return Err(Invalid::because(format!("must begin with {}", self.schemes)));
        }
        let port = url.port_or_known_default().expect("http and https have default ports");
        if !self.ports.contain(port) {
            return Err(Invalid::because(format!("must use port {}, not {port}", self.ports)));
        }
        match url.host().expect("a WebhookUrl has a host") {
            Host::Ipv4(address) => self.check_address(address.into()),
            Host::Ipv6(address) => self.check_address(address.into()),
            Host::Domain(name) => self.check_name(name),
        }?;
        Ok(url)
    }

    /// Errors if an address is neither on the public internet nor in an allowed network.
    pub fn check_address(&self, address: IpAddr) -> Result<(), Invalid> {
        match addresses::why_not_public(address) {
            Some(reason) if !self.allowed_networks.contain(address) => Err(Invalid::because(format!(
                "must have a public address, and {address} is not public ({reason})"
            ))),
            _ => Ok(()),
        }
    }

    /// Errors if this is not a valid host name, or, unless there are allowed networks, if no host on the public
    /// internet can have it.
    fn check_name(&self, name: &str) -> Result<(), Invalid> {
        if !names::is_host(name) {
            return Err(Invalid::because(format!(
                "must have a host name that is valid in DNS and TLS, not {name:?}: at most 253 characters, in parts of 1 to \
                 63 letters, digits, underscores and hyphens; no part may begin or end with a hyphen, and the last must \
                 not be a number"
            )));
        }
        if names::is_public(name) || !self.allowed_networks.are_none() {
            return Ok(());
        }
        Err(Invalid::because(format!("must have a public host name, such as example.com, not {name:?}")))
    }
}
