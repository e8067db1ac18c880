//! Which addresses are on the public internet.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::LazyLock;

use ipnet::{IpNet, Ipv6Net};

/// Addresses that are not public, according to IANA's registries of special-purpose addresses for
/// [IPv4](https://www.iana.org/assignments/iana-ipv4-special-registry) and
/// [IPv6](https://www.iana.org/assignments/iana-ipv6-special-registry), and public addresses that clouds use
/// internally.
///
/// If a whole block is reserved for protocols, the few reachable addresses in it are refused, too: they belong to
/// relays and name servers, never to an endpoint.
const NOT_PUBLIC: &[(&str, &str)] = &[
    ("0.0.0.0/8", "this network, RFC 791"),
    ("10.0.0.0/8", "private use, RFC 1918"),
    // Contains Alibaba Cloud's metadata service, 100.100.100.200.
    ("100.64.0.0/10", "shared address space of providers, RFC 6598"),
    ("127.0.0.0/8", "loopback, RFC 1122"),
    ("168.63.129.16/32", "Azure's platform"),
    // Contains the metadata services of AWS and most other clouds, 169.254.169.254.
    ("169.254.0.0/16", "link-local, RFC 3927"),
    ("172.16.0.0/12", "private use, RFC 1918"),
    // Contains Oracle Cloud's metadata service, 192.0.0.192, and two reachable relays, 192.0.0.9 and 192.0.0.10.
    ("192.0.0.0/24", "protocol assignments, RFC 6890"),
    ("192.0.2.0/24", "documentation, RFC 5737"),
    ("192.88.99.0/24", "6to4 relays, RFC 7526"),
    ("192.168.0.0/16", "private use, RFC 1918"),
    ("198.18.0.0/15", "benchmarks, RFC 2544"),
    ("198.51.100.0/24", "documentation, RFC 5737"),
    ("203.0.113.0/24", "documentation, RFC 5737"),
    ("224.0.0.0/4", "multicast, RFC 5771"),
    ("240.0.0.0/4", "reserved or broadcast, RFC 1112"),
    // Only 2000::/3 is allocated as global unicast. This third contains the unspecified address, loopback, IPv4
    // addresses written as IPv6 (::/96, ::ffff:0:0/96, ::ffff:0:0:0/96), local NAT64 (64:ff9b:1::/48) and 100::/64.
    ("::/3", "not global unicast, RFC 4291"),
    // These contain SRv6's 5f00::/16, private fc00::/7 (AWS's metadata service: fd00:ec2::254), link-local fe80::/10,
    // site-local fec0::/10 and multicast ff00::/8.
    ("4000::/2", "not global unicast, RFC 4291"),
    ("8000::/1", "not global unicast, RFC 4291"),
    // Contains Teredo's tunnels, 2001::/32, ORCHIDs, 2001:20::/28, which name a host but are not routed, and some
    // reachable relays and name servers: 2001:1::1 to 3, 2001:3::/32, 2001:4:112::/48.
    ("2001::/23", "protocol assignments, RFC 2928"),
    ("2001:db8::/32", "documentation, RFC 3849"),
    ("2002::/16", "6to4 tunnels, RFC 3056"),
    ("3fff::/20", "documentation, RFC 9637"),
];

/// The prefix by which a network translates to IPv4 for hosts that have only IPv6 (RFC 6052). A resolver makes up such
/// an address for every name that has only IPv4 addresses, so it is as public as the IPv4 address in its last four
/// bytes.
const NAT64: Ipv6Net = Ipv6Net::new_assert(Ipv6Addr::new(0x64, 0xff9b, 0, 0, 0, 0, 0, 0), 96);

/// Returns why an address is not on the public internet; `None` if it is.
pub(super) fn why_not_public(address: IpAddr) -> Option<&'static str> {
    static NETWORKS: LazyLock<Vec<(IpNet, &str)>> = LazyLock::new(|| {
        let parsed =
            |&(network, reason): &(&str, _)| (network.parse().expect("it is a valid network"), reason);
        NOT_PUBLIC.iter().map(parsed).collect()
    });
    if let IpAddr::V6(address) = address {
        if NAT64.contains(&address) {
            let [.., a, b, c, d] = address.octets();
            return why_not_public(Ipv4Addr::new(a, b, c, d).into());
        }
        if is_isatap(address) {
            return Some("ISATAP tunnel, RFC 5214");
        }
    }
    NETWORKS.iter().find(|(network, _)| network.contains(&address)).map(|(_, reason)| *reason)
}

/// Returns whether the second half marks the last four bytes as an IPv4 address, whatever the first half is.
fn is_isatap(address: Ipv6Addr) -> bool {
    let [.., flags, mark, _, _] = address.segments();
    matches!((flags, mark), (0 | 0x0200, 0x5efe))
}
