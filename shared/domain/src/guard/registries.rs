//! Compares the guard's list with IANA's registries.

use std::collections::BTreeSet;
use std::net::IpAddr;

use ipnet::IpNet;
use proptest::prelude::*;
use proptest::sample::select;

use super::addresses::why_not_public;

/// What the registry says of a block, and what the guard does with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Block {
    /// Not globally reachable: refused.
    Closed,
    /// Globally reachable: admitted.
    Open,
    /// Globally reachable, but refused: no endpoint is there.
    OpenButRefused,
    /// Globally reachable if the IPv4 address in the last four bytes is.
    Embedding,
}

use Block::{Closed, Embedding, Open, OpenButRefused};

/// The special-purpose registries of IPv4 and IPv6.
const SPECIAL_PURPOSE: &[(&str, &str, &str, Block)] = &[
    ("0.0.0.0/8", "\"This network\"", "RFC 791", Closed),
    ("0.0.0.0/32", "\"This host on this network\"", "RFC 1122", Closed),
    ("10.0.0.0/8", "Private-Use", "RFC 1918", Closed),
    ("100.64.0.0/10", "Shared Address Space", "RFC 6598", Closed),
    ("127.0.0.0/8", "Loopback", "RFC 1122", Closed),
    ("169.254.0.0/16", "Link Local", "RFC 3927", Closed),
    ("172.16.0.0/12", "Private-Use", "RFC 1918", Closed),
    ("192.0.0.0/24", "IETF Protocol Assignments", "RFC 6890", Closed),
    ("192.0.0.0/29", "IPv4 Service Continuity Prefix", "RFC 7335", Closed),
    ("192.0.0.8/32", "IPv4 dummy address", "RFC 7600", Closed),
    ("192.0.0.9/32", "Port Control Protocol Anycast", "RFC 7723", OpenButRefused),
    ("192.0.0.10/32", "Traversal Using Relays around NAT Anycast", "RFC 8155", OpenButRefused),
    ("192.0.0.170/32", "NAT64/DNS64 Discovery", "RFC 8880", Closed),
    ("192.0.0.171/32", "NAT64/DNS64 Discovery", "RFC 8880", Closed),
    ("192.0.2.0/24", "Documentation (TEST-NET-1)", "RFC 5737", Closed),
    ("192.31.196.0/24", "AS112-v4", "RFC 7535", Open),
    ("192.52.193.0/24", "AMT", "RFC 7450", Open),
    // The registry gives no value for the first of these, whose use is deprecated.
    ("192.88.99.0/24", "Deprecated (6to4 Relay Anycast)", "RFC 7526", Closed),
    ("192.88.99.2/32", "6a44-relay anycast address", "RFC 6751", Closed),
    ("192.168.0.0/16", "Private-Use", "RFC 1918", Closed),
    ("192.175.48.0/24", "Direct Delegation AS112 Service", "RFC 7534", Open),
    ("198.18.0.0/15", "Benchmarking", "RFC 2544", Closed),
    ("198.51.100.0/24", "Documentation (TEST-NET-2)", "RFC 5737", Closed),
    ("203.0.113.0/24", "Documentation (TEST-NET-3)", "RFC 5737", Closed),
    ("240.0.0.0/4", "Reserved", "RFC 1112", Closed),
    ("255.255.255.255/32", "Limited Broadcast", "RFC 8190", Closed),
    ("::1/128", "Loopback Address", "RFC 4291", Closed),
    ("::/128", "Unspecified Address", "RFC 4291", Closed),
    ("::ffff:0:0/96", "IPv4-mapped Address", "RFC 4291", Closed),
    ("64:ff9b::/96", "IPv4-IPv6 Translat.", "RFC 6052", Embedding),
    ("64:ff9b:1::/48", "IPv4-IPv6 Translat.", "RFC 8215", Closed),
    ("100::/64", "Discard-Only Address Block", "RFC 6666", Closed),
    ("100:0:0:1::/64", "Dummy IPv6 Prefix", "RFC 9780", Closed),
    ("2001::/23", "IETF Protocol Assignments", "RFC 2928", Closed),
    ("2001::/32", "TEREDO", "RFC 4380", Closed),
    ("2001:1::1/128", "Port Control Protocol Anycast", "RFC 7723", OpenButRefused),
    ("2001:1::2/128", "Traversal Using Relays around NAT Anycast", "RFC 8155", OpenButRefused),
    ("2001:1::3/128", "DNS-SD Service Registration Protocol Anycast", "RFC 9665", OpenButRefused),
    ("2001:2::/48", "Benchmarking", "RFC 5180", Closed),
    ("2001:3::/32", "AMT", "RFC 7450", OpenButRefused),
    ("2001:4:112::/48", "AS112-v6", "RFC 7535", OpenButRefused),
    ("2001:10::/28", "Deprecated (previously ORCHID)", "RFC 4843", Closed),
    ("2001:20::/28", "ORCHIDv2", "RFC 7343", OpenButRefused),
    ("2001:30::/28", "Drone Remote ID Protocol Entity Tags", "RFC 9374", OpenButRefused),
    ("2001:db8::/32", "Documentation", "RFC 3849", Closed),
    ("2002::/16", "6to4", "RFC 3056", Closed),
    ("2620:4f:8000::/48", "Direct Delegation AS112 Service", "RFC 7534", Open),
    ("3fff::/20", "Documentation", "RFC 9637", Closed),
    ("5f00::/16", "Segment Routing (SRv6) SIDs", "RFC 9602", Closed),
    ("fc00::/7", "Unique-Local", "RFC 4193", Closed),
    ("fe80::/10", "Link-Local Unicast", "RFC 4291", Closed),
];

/// Reserved by other registries and by clouds: multicast, the IPv6 space outside of 2000::/3 block by block, and IPv4
/// written as IPv6.
const SET_ASIDE_ELSEWHERE: &[(&str, &str, &str, Block)] = &[
    ("224.0.0.0/4", "Multicast", "RFC 5771", Closed),
    ("168.63.129.16/32", "Azure's platform", "Microsoft", OpenButRefused),
    ("::/96", "IPv4-compatible Address", "RFC 4291", Closed),
    ("::ffff:0:0:0/96", "IPv4-translated Address", "RFC 2765", Closed),
    ("::/8", "Reserved by IETF", "RFC 4291", Closed),
    ("100::/8", "Reserved by IETF", "RFC 4291", Closed),
    ("200::/7", "Reserved by IETF", "RFC 4048", Closed),
    ("400::/6", "Reserved by IETF", "RFC 4291", Closed),
    ("800::/5", "Reserved by IETF", "RFC 4291", Closed),
    ("1000::/4", "Reserved by IETF", "RFC 4291", Closed),
    ("4000::/3", "Reserved by IETF", "RFC 4291", Closed),
    ("6000::/3", "Reserved by IETF", "RFC 4291", Closed),
    ("8000::/3", "Reserved by IETF", "RFC 4291", Closed),
    ("a000::/3", "Reserved by IETF", "RFC 4291", Closed),
    ("c000::/3", "Reserved by IETF", "RFC 4291", Closed),
    ("e000::/4", "Reserved by IETF", "RFC 4291", Closed),
    ("f000::/5", "Reserved by IETF", "RFC 4291", Closed),
    ("f800::/6", "Reserved by IETF", "RFC 4291", Closed),
    ("fe00::/9", "Reserved by IETF", "RFC 4291", Closed),
    ("fec0::/10", "Site-Local Unicast", "RFC 3879", Closed),
    ("ff00::/8", "Multicast", "RFC 4291", Closed),
];

fn blocks() -> Vec<(IpNet, Block)> {
    let rows = SPECIAL_PURPOSE.iter().chain(SET_ASIDE_ELSEWHERE);
    rows.map(|(prefix, _, _, block)| (prefix.parse().unwrap(), *block)).collect()
}

/// Returns whether an address is refused according to the registries. A block's entry also holds for the smaller blocks
/// in it, except that of NAT64, which wraps IPv4 addresses.
fn is_refused(address: IpAddr) -> bool {
    let around: Vec<_> = blocks().into_iter().filter(|(network, _)| network.contains(&address)).collect();
    match address {
        IpAddr::V6(v6) if around.iter().any(|(_, block)| *block == Embedding) => {
            is_refused(IpAddr::from(<[u8; 4]>::try_from(&v6.octets()[12..]).unwrap()))
        }
        _ => around.iter().any(|(_, block)| *block != Open),
    }
}

fn check(address: IpAddr) {
    let reason = why_not_public(address);
    assert_eq!(reason.is_some(), is_refused(address), "{address} ({reason:?})");
}

fn number(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(address) => u32::from(address).into(),
        IpAddr::V6(address) => address.into(),
    }
}

/// Returns the address with this number, of the same family as `like`; `None` past the family's last address.
fn address(number: u128, like: IpAddr) -> Option<IpAddr> {
    match like {
        IpAddr::V4(_) => u32::try_from(number).ok().map(|number| IpAddr::V4(number.into())),
        IpAddr::V6(_) => Some(IpAddr::V6(number.into())),
    }
}

/// Returns the last address before a block and the first after it, if they exist.
fn neighbours(block: IpNet) -> impl Iterator<Item = IpAddr> {
    let before = number(block.network()).checked_sub(1);
    let after = number(block.broadcast()).checked_add(1);
    [before, after].into_iter().flatten().filter_map(move |number| address(number, block.addr()))
}

#[test]
fn blocks_are_refused_from_end_to_end_and_their_neighbours_are_not() {
    for (network, block) in blocks() {
        let refused = |address: IpAddr| why_not_public(address).is_some();
        for end in [network.network(), network.broadcast()] {
            assert!(block == Embedding || refused(end) == (block != Open), "{end} of {network} is {block:?}");
        }
        neighbours(network).for_each(check);
    }
}

#[test]
fn these_neighbours_of_refused_blocks_are_let_through() {
    let all = blocks().into_iter().filter(|(_, block)| *block != Open);
    let open: BTreeSet<IpAddr> =
        all.flat_map(|(network, _)| neighbours(network)).filter(|ip| why_not_public(*ip).is_none()).collect();
    let open: Vec<String> = open.iter().map(ToString::to_string).collect();
    let expected = "1.0.0.0 9.255.255.255 11.0.0.0 100.63.255.255 100.128.0.0 126.255.255.255 128.0.0.0 \
                    168.63.129.15 168.63.129.17 169.253.255.255 169.255.0.0 172.15.255.255 172.32.0.0 \
                    191.255.255.255 192.0.1.0 192.0.1.255 192.0.3.0 192.88.98.255 192.88.100.0 192.167.255.255 \
                    192.169.0.0 198.17.255.255 198.20.0.0 198.51.99.255 198.51.101.0 203.0.112.255 203.0.114.0 \
                    223.255.255.255 2000:: 2000:ffff:ffff:ffff:ffff:ffff:ffff:ffff 2001:200:: \
                    2001:db7:ffff:ffff:ffff:ffff:ffff:ffff 2001:db9:: 2001:ffff:ffff:ffff:ffff:ffff:ffff:ffff \
                    2003:: 3ffe:ffff:ffff:ffff:ffff:ffff:ffff:ffff 3fff:1000:: \
                    3fff:ffff:ffff:ffff:ffff:ffff:ffff:ffff";
    assert_eq!(open.join(" "), expected);
}

proptest! {
    #[test]
    fn every_address_in_a_block_is_judged_as_the_registries_say((network, _) in select(blocks()), at in any::<u128>()) {
        let width = number(network.broadcast()) - number(network.network());
        let offset = width.checked_add(1).map_or(at, |size| at % size);
        check(address(number(network.network()) + offset, network.addr()).unwrap());
    }

    #[test]
    fn any_address_is_judged_as_the_registries_say(address in any::<IpAddr>()) {
        check(address);
    }

    #[test]
    fn nat64_says_what_the_ipv4_address_in_it_says(v4 in any::<std::net::Ipv4Addr>()) {
        let wrapped = IpAddr::from((0x0064_ff9b_u128 << 96 | u128::from(u32::from(v4))).to_be_bytes());
        prop_assert_eq!(why_not_public(wrapped), why_not_public(v4.into()));
    }
}
