//! The system's name servers, and the names that it knows itself.

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use crate::sending::no_sockets::NoSockets;

/// The file of name servers (resolv.conf(5)).
const RESOLV_CONF: &str = "/etc/resolv.conf";
/// The file of names that are not queried (hosts(5)).
const HOSTS: &str = "/etc/hosts";
/// The port of name servers.
const PORT: u16 = 53;
/// The most name servers that are queried, and the highest value of `ndots`: `getaddrinfo` has the same limits.
const MAX_SERVERS: usize = 3;
const MAX_NDOTS: usize = 15;

/// The contents of the system's files, read as `getaddrinfo` reads them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct System {
    /// The name servers, in the order in which to query them.
    pub(super) servers: Vec<SocketAddr>,
    /// The domains that are appended to names that may not be fully qualified.
    search: Vec<String>,
    /// The number of dots from which on a name is first queried as it is.
    ndots: usize,
    hosts: HashMap<String, Vec<IpAddr>>,
}

impl System {
    /// Reads the system's files. Errors if this process has too many files open to do so.
    pub(super) fn read() -> Result<Self, NoSockets> {
        Ok(Self::parse(&read(RESOLV_CONF)?, &read(HOSTS)?))
    }

    /// Parses the two files. Malformed lines are skipped.
    pub(super) fn parse(resolv_conf: &str, hosts: &str) -> Self {
        let mut system =
            Self { servers: Vec::new(), search: Vec::new(), ndots: 1, hosts: parse_hosts(hosts) };
        for line in resolv_conf.lines() {
            let line = line.split(['#', ';']).next().unwrap_or_default();
            let mut words = line.split_ascii_whitespace();
            match words.next() {
                Some("nameserver") => system.servers.extend(words.next().and_then(server)),
                // The last such line wins.
                Some("search" | "domain") => system.search = words.map(absolute).collect(),
                Some("options") => system.ndots = words.filter_map(ndots).next_back().unwrap_or(system.ndots),
                _ => {}
            }
        }
        system.servers.truncate(MAX_SERVERS);
        if system.servers.is_empty() {
            system.servers.push(SocketAddr::new(Ipv4Addr::LOCALHOST.into(), PORT));
        }
        system
    }

    /// Returns the addresses of names that are not queried: those in the hosts file, and those of this machine (RFC
    /// 6761 §6.3).
    pub(super) fn address_of(&self, name: &str) -> Option<Vec<IpAddr>> {
        let name = name.strip_suffix('.').unwrap_or(name);
        let is_here = || name == "localhost" || name.ends_with(".localhost");
        let here = || vec![Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()];
        self.hosts.get(name).cloned().or_else(|| is_here().then(here))
    }

    /// Returns the fully qualified names that a name may stand for, in the order in which to query them.
    pub(super) fn candidates(&self, name: &str) -> Vec<String> {
        if name.ends_with('.') {
            return vec![name.to_owned()];
        }
        let searched = self.search.iter().map(|domain| format!("{name}.{domain}"));
        let mut names: Vec<String> = searched.collect();
        let is_whole = name.bytes().filter(|byte| *byte == b'.').count() >= self.ndots;
        names.insert(if is_whole { 0 } else { names.len() }, absolute(name));
        names
    }

    /// Returns the same with these name servers.
    #[cfg(test)]
    pub(super) fn asking(mut self, servers: &[SocketAddr]) -> Self {
        self.servers = servers.to_vec();
        self
    }
}

/// Returns the contents of a file. One that cannot be read counts as empty, as for `getaddrinfo`.
fn read(path: &str) -> Result<String, NoSockets> {
    match std::fs::read(path) {
        Ok(bytes) => Ok(String::from_utf8_lossy(&bytes).into_owned()),
        Err(error) if NoSockets::caused(&error) => Err(NoSockets),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(String::new()),
        Err(error) => {
            tracing::warn!(
                path,
                error = &error as &dyn std::error::Error,
                "file cannot be read and counts as empty"
            );
            Ok(String::new())
        }
    }
}

fn parse_hosts(text: &str) -> HashMap<String, Vec<IpAddr>> {
    let mut hosts: HashMap<String, Vec<IpAddr>> = HashMap::new();
    for line in text.lines() {
        let line = line.split('#').next().unwrap_or_default();
        let mut words = line.split_ascii_whitespace();
        let Some(address) = words.next().and_then(|address| address.parse().ok()) else { continue };
        for name in words {
            let addresses = hosts.entry(name.to_ascii_lowercase()).or_default();
            if !addresses.contains(&address) {
                addresses.push(address);
            }
        }
    }
    hosts
}

/// Parses a name server's address. One that is limited to an interface of this machine is skipped.
fn server(address: &str) -> Option<SocketAddr> {
    Some(SocketAddr::new(address.parse().ok()?, PORT))
}

fn ndots(option: &str) -> Option<usize> {
    let dots: usize = option.strip_prefix("ndots:")?.parse().ok()?;
    Some(dots.min(MAX_NDOTS))
}

/// Returns the name with a dot at its end, which marks it as fully qualified.
fn absolute(name: &str) -> String {
    format!("{}.", name.trim_end_matches('.').to_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(resolv_conf: &str, name: &str, asked: &str) {
        let candidates = System::parse(resolv_conf, "").candidates(name);
        assert_eq!(candidates.join(" "), asked, "{resolv_conf:?}");
    }

    #[test]
    fn a_name_is_asked_for_as_getaddrinfo_would() {
        check("", "hooks.example.com", "hooks.example.com.");
        check(
            "search a.test b.test.",
            "hooks.example.com",
            "hooks.example.com. hooks.example.com.a.test. hooks.example.com.b.test.",
        );
        check("search a.test", "hooks", "hooks.a.test. hooks.");
        check("search a.test", "hooks.example.com.", "hooks.example.com.");
        check(
            "search a.test\noptions timeout:1 ndots:3",
            "hooks.example.com",
            "hooks.example.com.a.test. hooks.example.com.",
        );
        check("search a.test\ndomain b.test", "hooks", "hooks.b.test. hooks.");
        check("# search a.test\nsearch b.test # c.test", "hooks", "hooks.b.test. hooks.");
        check("options ndots:x\nsearch .", "a.b", "a.b. a.b..");
    }

    #[test]
    fn name_servers_are_taken_in_order_and_this_machine_where_there_are_none() {
        let check = |resolv_conf: &str, servers: &str| {
            let found: Vec<String> =
                System::parse(resolv_conf, "").servers.iter().map(ToString::to_string).collect();
            assert_eq!(found.join(" "), servers, "{resolv_conf:?}");
        };
        check(
            "nameserver 192.0.2.1\n nameserver\t2001:db8::1\nnameserver fe80::1%eth0\nnameserver",
            "192.0.2.1:53 [2001:db8::1]:53",
        );
        check(
            "nameserver 1.1.1.1\nnameserver 1.1.1.2\nnameserver 1.1.1.3\nnameserver 1.1.1.4",
            "1.1.1.1:53 1.1.1.2:53 1.1.1.3:53",
        );
        for none in ["", "nameserver nobody", "#nameserver 1.1.1.1", ";nameserver 1.1.1.1"] {
            check(none, "127.0.0.1:53");
        }
    }

    #[test]
    fn the_names_of_this_machine_and_its_hosts_are_asked_for_nowhere() {
        let hosts = "127.0.0.1 localhost\n192.0.2.7 Hooks.Internal hooks # not.this\n2001:db8::7 hooks\nnonsense hooks\n192.0.2.7 hooks";
        let check = |name: &str, addresses: Option<&str>| {
            let found = System::parse("", hosts).address_of(name);
            let found =
                found.map(|found| found.iter().map(ToString::to_string).collect::<Vec<_>>().join(" "));
            assert_eq!(found.as_deref(), addresses, "{name}");
        };
        check("hooks", Some("192.0.2.7 2001:db8::7"));
        check("hooks.internal.", Some("192.0.2.7"));
        check("localhost", Some("127.0.0.1"));
        check("a.localhost", Some("127.0.0.1 ::1"));
        for unknown in ["not.this", "nonsense", "mylocalhost", "localhost.example.com"] {
            check(unknown, None);
        }
    }
}
