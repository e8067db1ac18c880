//! A host can be registered if, and only if, a TLS handshake can name it: compared with the library that does
//! handshakes.

use posthorn_domain::{Guard, WebhookUrl};
use proptest::prelude::*;
use rustls::pki_types::ServerName;

/// Returns a guard that admits hosts at any address.
fn guard() -> Guard {
    Guard {
        schemes: "https".parse().unwrap(),
        ports: "443".parse().unwrap(),
        allowed_networks: "0.0.0.0/0,::/0".parse().unwrap(),
    }
}

/// Returns the host as it would be dialled, and whether it is admitted; `None` if the URL has no host name.
fn judged(host: &str) -> Option<(String, bool)> {
    let url: WebhookUrl = format!("https://{host}/").parse().ok()?;
    let dialled = url::Url::parse(url.as_str()).ok()?;
    let name = dialled.domain()?.to_owned();
    Some((name, guard().admit(&url).is_ok()))
}

fn check(host: &str, is_admitted: bool) {
    let (name, admitted) = judged(host).unwrap();
    assert_eq!(admitted, is_admitted, "{host}");
    assert_eq!(ServerName::try_from(name).is_ok(), is_admitted, "{host}");
}

#[test]
fn hosts_that_tls_cannot_name_are_refused() {
    check("foo.example.com", true);
    check("foo_bar.example.com.", true);
    check(&format!("{}.example.com", "a".repeat(63)), true);
    check("foo-.example.com", false);
    check("-foo.example.com", false);
    check("foo..example.com", false);
    check("foo.example.com..", false);
    check(&format!("{}.example.com", "a".repeat(64)), false);
    check(&format!("{}com", "a23456789.".repeat(26)), false);
}

proptest! {
    #[test]
    fn a_host_is_admitted_if_and_only_if_tls_can_name_it(
        host in "([a-z0-9_-]{0,3}|[a-z]{62,65}|xn--[a-z0-9-]{0,6}|0x[0-9a-f]{0,2}|[é例ß]{1,3}){0,2}(\\.[a-z0-9_-]{0,4}){0,6}\\.?",
    ) {
        if let Some((name, admitted)) = judged(&host) {
            prop_assert_eq!(admitted, ServerName::try_from(name.clone()).is_ok(), "{} as {}", host, name);
        }
    }
}
