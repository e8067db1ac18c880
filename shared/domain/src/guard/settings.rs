//! The operator's settings for where endpoints may be. Each is a list separated by commas.

use std::fmt;
use std::net::IpAddr;
use std::ops::RangeInclusive;
use std::str::FromStr;

use ipnet::IpNet;

use crate::invalid::Invalid;

/// The schemes allowed in an endpoint's URL: `https`, or `http, https`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Schemes(Vec<&'static str>);

impl Schemes {
    pub(super) fn contain(&self, scheme: &str) -> bool {
        self.0.contains(&scheme)
    }
}

impl FromStr for Schemes {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        let known = |scheme: &str| ["https", "http"].into_iter().find(|known| *known == scheme);
        list(text, known, "must be https, http, or both, separated by a comma").map(Self)
    }
}

impl fmt::Display for Schemes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.iter().map(|scheme| format!("{scheme}://")).collect::<Vec<_>>().join(" or "))
    }
}

/// The ports allowed in an endpoint's URL: `443, 8443`, or with ranges, `1-65535`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ports(Vec<RangeInclusive<u16>>);

impl Ports {
    pub(super) fn contain(&self, port: u16) -> bool {
        self.0.iter().any(|range| range.contains(&port))
    }
}

impl FromStr for Ports {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        let port = |text: &str| text.parse().ok().filter(|port| *port > 0);
        let range = |text: &str| {
            let (first, last) = text.split_once('-').unwrap_or((text, text));
            Some(port(first)?..=port(last)?).filter(|range| !range.is_empty())
        };
        list(text, range, "must be ports or ranges of ports, separated by commas, such as 443, 8000-8999")
            .map(Self)
    }
}

impl fmt::Display for Ports {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = |range: &RangeInclusive<u16>| match (range.start(), range.end()) {
            (first, last) if first == last => first.to_string(),
            (first, last) => format!("{first}-{last}"),
        };
        f.write_str(&self.0.iter().map(text).collect::<Vec<_>>().join(" or "))
    }
}

/// Networks that are allowed although they are not public: `10.1.0.0/16, fd12:3456::/32`. None by default.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Networks(Vec<IpNet>);

impl Networks {
    pub(super) fn contain(&self, address: IpAddr) -> bool {
        self.0.iter().any(|network| network.contains(&address))
    }

    pub(super) fn are_none(&self) -> bool {
        self.0.is_empty()
    }
}

impl FromStr for Networks {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        // `10.1.2.3/8` may mean one address or all of 10.0.0.0/8, so the operator has to be explicit.
        let network = |text: &str| text.parse().ok().filter(|network: &IpNet| network.trunc() == *network);
        list(
            text,
            network,
            "must be networks without host bits, separated by commas, such as 10.1.0.0/16, ::1/128",
        )
        .map(Self)
    }
}

/// Parses the entries between commas, at least one.
fn list<T>(text: &str, entry: impl Fn(&str) -> Option<T>, form: &str) -> Result<Vec<T>, Invalid> {
    let entries: Option<Vec<T>> = text.split(',').map(|text| entry(text.trim())).collect();
    entries.ok_or_else(|| Invalid::because(format!("{form}, not {text:?}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check<T: FromStr<Err = Invalid>>(text: &str, good: bool) {
        assert_eq!(text.parse::<T>().is_ok(), good, "{text:?}");
    }

    #[test]
    fn a_setting_is_taken_as_it_is_meant_or_refused() {
        check::<Schemes>("https", true);
        check::<Schemes>("http, https", true);
        check::<Schemes>("", false);
        check::<Schemes>("HTTPS", false);
        check::<Schemes>("https,", false);
        check::<Schemes>("https://", false);
        check::<Schemes>("ftp", false);
        check::<Ports>("443", true);
        check::<Ports>("443, 8443,9000-9999", true);
        check::<Ports>("1-65535", true);
        check::<Ports>("", false);
        check::<Ports>("0", false);
        check::<Ports>("0-443", false);
        check::<Ports>("65536", false);
        check::<Ports>("9-1", false);
        check::<Ports>("443;8443", false);
        check::<Ports>("443,,8443", false);
        check::<Ports>("*", false);
        check::<Ports>("1-2-3", false);
        check::<Networks>("127.0.0.0/8, ::1/128", true);
        check::<Networks>("10.1.2.3/32", true);
        check::<Networks>("0.0.0.0/0", true);
        check::<Networks>("", false);
        check::<Networks>("10.1.2.3", false);
        check::<Networks>("10.1.2.3/8", false);
        check::<Networks>("10.0.0.0/33", false);
        check::<Networks>("fd00::/8,", false);
        check::<Networks>("localhost", false);
    }

    #[test]
    fn a_setting_is_shown_as_a_sentence_goes() {
        assert_eq!("https,http".parse::<Schemes>().unwrap().to_string(), "https:// or http://");
        assert_eq!("443, 8000-8999".parse::<Ports>().unwrap().to_string(), "443 or 8000-8999");
    }
}
