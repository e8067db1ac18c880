//! Refuses requests from web pages. The development keys are public, and any page that a browser on this machine shows
//! can reach the laptop's API: with a form, with a script, or with a host name of its own that it resolves to 127.0.0.1
//! (DNS rebinding). So these keys are accepted only in requests that name this machine and that no page of another
//! origin has sent.

use std::net::IpAddr;

use http::HeaderMap;
use http::header::{HOST, HeaderName, ORIGIN};
use http::uri::Authority;
use posthorn_api::{Code, Problem};

const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// The names by which containers reach the machine that they run on. If an attacker answers this machine's DNS, a web
/// page may have such a name, too. So it is accepted only in requests that contain a key.
const FROM_CONTAINERS: [&str; 2] = ["host.docker.internal", "host.containers.internal"];

/// Refuses a request that a web page may have sent, if it contains a development key or gets one because it has none.
/// `names_key` says whether the request contains the key.
pub(super) fn refuse_pages(headers: &HeaderMap, names_key: bool) -> Result<(), Problem> {
    let header = |name: HeaderName| headers.get(name).map(|value| value.to_str().unwrap_or("?"));
    let host = header(HOST).unwrap_or_default();
    if !is_this_machine(host, names_key) {
        let why = format!("not for the host {host:?}. Send the request to 127.0.0.1 or localhost");
        return Err(refusal(&why));
    }
    if let Some(origin) = header(ORIGIN).filter(|origin| *origin != format!("http://{host}")) {
        return Err(refusal(&format!(
            "not for web pages, such as one from {origin:?}. Call the API from your server"
        )));
    }
    match header(SEC_FETCH_SITE) {
        None | Some("same-origin" | "none") => Ok(()),
        Some(site) => {
            Err(refusal(&format!("not for web pages, such as a {site} one. Call the API from your server")))
        }
    }
}

fn refusal(why: &str) -> Problem {
    let detail = format!(
        "The development key is for programs on this machine, {why}. Or create a key with `posthorn keys create`, \
         and send it in the header `Authorization: Bearer …`."
    );
    Problem::new(Code::MissingApiKey, detail)
}

/// Whether a `Host` header names this machine, at any port.
fn is_this_machine(host: &str, names_key: bool) -> bool {
    let Ok(authority) = host.parse::<Authority>() else { return false };
    let name = authority.host().to_ascii_lowercase();
    let address = name.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
    name == "localhost"
        || address.is_ok_and(|address| address.is_loopback())
        || (names_key && FROM_CONTAINERS.contains(&name.as_str()))
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    /// Checks whether a request with these headers is accepted, without a key and with a development key.
    fn check(headers: &[(&'static str, &'static str)], without_key: bool, with_key: bool) {
        let pairs = headers
            .iter()
            .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)));
        let map: HeaderMap = pairs.collect();
        let is_let_in = |names_key| refuse_pages(&map, names_key).is_ok();
        assert_eq!((is_let_in(false), is_let_in(true)), (without_key, with_key), "{headers:?}");
    }

    #[test]
    fn hosts_that_are_not_this_machine_get_no_development_key() {
        for host in ["127.0.0.1:8080", "127.9.9.9", "localhost:8080", "LOCALHOST", "[::1]:8080", "[::1]"] {
            check(&[("host", host)], true, true);
        }
        for host in [
            "evil.example:8080",
            "localhost.evil.example",
            "127.0.0.1.evil.example",
            "a.localhost",
            "0.0.0.0",
            "10.0.0.1",
            "[::2]",
            "[::ffff:7f00:1]",
            "localhost@evil.example",
            "",
            "127.0.0.1, evil.example",
        ] {
            check(&[("host", host)], false, false);
        }
        check(&[], false, false);
        check(&[("host", "host.docker.internal:8080")], false, true);
    }

    #[test]
    fn pages_of_others_get_no_development_key() {
        let host = ("host", "127.0.0.1:8080");
        check(&[host, ("origin", "http://127.0.0.1:8080"), ("sec-fetch-site", "same-origin")], true, true);
        check(&[host, ("sec-fetch-site", "none")], true, true);
        for origin in ["null", "https://evil.example", "http://127.0.0.1:3000", "http://localhost:8080"] {
            check(&[host, ("origin", origin)], false, false);
        }
        check(&[host, ("sec-fetch-site", "cross-site")], false, false);
        check(&[host, ("sec-fetch-site", "same-site")], false, false);
    }
}
