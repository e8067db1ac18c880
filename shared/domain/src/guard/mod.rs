//! Where Posthorn may send to, so that nobody reaches through it what they could not reach themselves.

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

/// Says where endpoints may be. A URL is held against it when it is given and at every attempt, and so is every
/// address that its name turns out to have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Guard {
    /// The schemes that a URL may have.
    pub schemes: Schemes,
    /// The ports that it may be at.
    pub ports: Ports,
    /// The networks that may be sent to although they are not public.
    pub allowed_networks: Networks,
}

impl Guard {
    /// The URL as it is to be dialled. What a host written as a name resolves to is for
    /// [`Guard::check_address`] to judge.
    pub fn admit<'a>(&self, url: &'a WebhookUrl) -> Result<&'a Url, Invalid> {
        let url = url.parsed();
        if !self.schemes.contain(url.scheme()) {
            return Err(Invalid::because(format!("must begin with {}", self.schemes)));
        }
        let port = url.port_or_known_default().expect("its type takes schemes that have a port");
        if !self.ports.contain(port) {
            return Err(Invalid::because(format!("must be at port {}, not at {port}", self.ports)));
        }
        match url.host().expect("its type takes URLs with a host") {
            Host::Ipv4(address) => self.check_address(address.into()),
            Host::Ipv6(address) => self.check_address(address.into()),
            Host::Domain(name) => self.check_name(name),
        }?;
        Ok(url)
    }

    /// Refuses an address that is not on the public internet and not in an allowed network.
    pub fn check_address(&self, address: IpAddr) -> Result<(), Invalid> {
        match addresses::why_not_public(address) {
            Some(reason) if !self.allowed_networks.contain(address) => {
                Err(Invalid::because(format!("must have a public address, and {address} is none ({reason})")))
            }
            _ => Ok(()),
        }
    }

    /// Refuses what is no name of a host, and names that nobody has on the public internet, unless there are networks
    /// besides it.
    fn check_name(&self, name: &str) -> Result<(), Invalid> {
        if !names::is_host(name) {
            return Err(Invalid::because(format!(
                "must have a host name that DNS and TLS can carry: parts of 1 to 63 letters, digits, underscores, and \
                 hyphens between them, not {name:?}"
            )));
        }
        if names::is_public(name) || !self.allowed_networks.are_none() {
            return Ok(());
        }
        Err(Invalid::because(format!("must have a public host name, such as example.com, not {name:?}")))
    }
}
