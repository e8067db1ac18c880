//! URLs that try to reach what their author cannot, in every disguise that we know, and honest ones beside them.

use std::time::{Duration, Instant};

use proptest::prelude::*;

use super::{Guard, Networks};
use crate::endpoint::WebhookUrl;
use crate::invalid::Invalid;

/// The guard with the default settings.
fn guard() -> Guard {
    Guard {
        schemes: "https".parse().unwrap(),
        ports: "443,8443".parse().unwrap(),
        allowed_networks: Networks::default(),
    }
}

fn admit(guard: &Guard, text: &str) -> Result<String, Invalid> {
    Ok(guard.admit(&text.parse::<WebhookUrl>()?)?.to_string())
}

/// Checks that the URL is refused, for this reason.
fn check_url(reason: &str, url: &str) {
    match admit(&guard(), url) {
        Ok(dialled) => panic!("{url:?} must be refused, and {dialled} would be dialled"),
        Err(refusal) => assert!(refusal.0.contains(reason), "{url:?}: {refusal}, not {reason:?}"),
    }
}

/// Checks that each of these hosts, separated by spaces, some with a port or a path, is refused.
fn check(reason: &str, hosts: &str) {
    for host in hosts.split(' ') {
        check_url(reason, &format!("https://{host}"));
        check_url(reason, &format!("https://{host}/"));
    }
}

#[test]
fn addresses_that_are_not_public_are_refused() {
    check("loopback", "127.0.0.1 127.0.0.1:8443 127.255.255.254/x?y=z");
    check("this network", "0.0.0.0 0.1.2.3 0");
    check(
        "private use",
        "10.0.0.1 10.255.255.255 172.16.0.1 172.31.255.254 192.168.0.1 192.168.255.254:8443",
    );
    check(
        "link-local",
        "169.254.169.254/latest/meta-data 169.254.169.253 169.254.170.2/v2/credentials 169.254.0.23",
    );
    check("shared", "100.64.0.1 100.100.100.200/latest 100.127.255.255");
    check("protocol assignments", "192.0.0.192/opc/v2 192.0.0.9 192.0.0.170");
    check("Azure", "168.63.129.16/machine/?comp=goalstate");
    check("documentation", "192.0.2.1 198.51.100.1 203.0.113.1");
    check("6to4", "192.88.99.1 192.88.99.2");
    check("benchmarks", "198.18.0.1 198.19.255.255");
    check("multicast", "224.0.0.1 239.255.255.250");
    check("reserved or broadcast", "240.0.0.1 255.255.255.255");
}

#[test]
fn addresses_written_as_numbers_are_seen_through() {
    check(
        "loopback",
        "2130706433 0x7f000001 0x7F000001 017700000001 127.1 127.0.1 0x7f.1 0177.0.0.1 0x7f.0x0.0x0.0x1 \
         0177.0x0.0.01 127.0x1 00000000177.0.0.1 0x0000000000007f.1 127.16777215 127.0.0.1. 127.1. \
         2130706433. 0x7f.1.",
    );
    check("this network", "0x 0.0 00.0.0.0 0x0 0.");
    check(
        "link-local",
        "2852039166 0xa9fea9fe 0xa9.0xfe.0xa9.0xfe 0251.0376.0251.0376 025177524776 169.254.43518 \
         169.16689662 0xA9.254.0251.0xfe",
    );
    check("private use", "167772161 10.1 0xa.1 012.0.0.1 192.168.257 0xc0a80101 3232235777");
    check("reserved or broadcast", "4294967295 0xffffffff 037777777777");
}

#[test]
fn addresses_that_are_none_are_refused() {
    let malformed = "must be an absolute URL";
    check(
        malformed,
        "4294967296 0x100000000 256.0.0.1 127.0.0.0.1 1.2.3.4.5 127.0.0.08 example.127 127..1 [::1 ::1 \
         [::1%25eth0] [fe80::1%eth0] [127.0.0.1] [::ffff:127.1] [v1.fe80] [::1].com [::ffff:0x7f.0.0.1] \
         [1:2:3:4:5:6:7:8:9] []",
    );
}

#[test]
fn ipv6_addresses_that_are_not_public_are_refused() {
    let unicast = "not global unicast";
    check(
        unicast,
        "[::1] [::] [0:0:0:0:0:0:0:1]:8443 [0000::0001] [fc00::1] [fd00:ec2::254]/latest/meta-data \
         [fd00:ec2::253] [fe80::1] [febf::1] [fec0::1] [feff::1] [ff02::1] [ff0e::1] [FF05::2] [100::1] \
         [5f00::1] [4000::1] [8000::1] [200::1]",
    );
    check("documentation", "[2001:db8::1] [3fff::1] [3fff:fff:ffff::1]");
    check("protocol assignments", "[2001:2::1] [2001:10::1] [2001:20::1] [2001:1::1] [2001:1ff:ffff::1]");
}

#[test]
fn ipv4_addresses_inside_ipv6_addresses_are_seen_through() {
    let unicast = "not global unicast";
    check(
        unicast,
        "[::ffff:127.0.0.1] [::ffff:7f00:1] [::FFFF:169.254.169.254] [0:0:0:0:0:ffff:a9fe:a9fe] \
         [::ffff:10.0.0.1] [::ffff:0.0.0.0] [::ffff:8.8.8.8] [::127.0.0.1] [::a9fe:a9fe] [::8.8.8.8] \
         [::ffff:0:127.0.0.1] [::ffff:0:a9fe:a9fe]",
    );
    check("loopback", "[64:ff9b::127.0.0.1] [64:ff9b::7f00:1]");
    check("link-local", "[64:ff9b::169.254.169.254] [64:ff9b::a9fe:a9fe]");
    check("private use", "[64:ff9b::10.0.0.1] [64:ff9b::192.168.1.1]");
    check("Azure", "[64:ff9b::168.63.129.16]");
    check(unicast, "[64:ff9b:1::127.0.0.1] [64:ff9b:1::8.8.8.8] [64:ff9b::1:0:0]");
    check("6to4", "[2002:7f00:1::1] [2002:a9fe:a9fe::] [2002:808:808::1]");
    // A Teredo address ends in its client's IPv4 address, with every bit inverted.
    check(
        "protocol assignments",
        "[2001::1] [2001:0:4136:e378:8000:63bf:80ff:fffe] [2001:0:a9fe:a9fe::1] \
         [2001:0:1:2:3:4:5601:5601]",
    );
    check(
        "tunnel",
        "[2600:1f18::5efe:127.0.0.1] [2600:1f18:1:2:200:5efe:a00:1] [2600:1f18::5efe:169.254.169.254] \
         [2a00:1450::200:5efe:c0a8:101]",
    );
}

#[test]
fn letters_that_stand_for_others_are_seen_through() {
    check(
        "loopback",
        "１２７.０.０.１ 127。0。0。1 127．0．0．1 127｡1 ①②⑦.⓪.⓪.① 𝟏𝟐𝟕.𝟎.𝟎.𝟏 ０ｘ７ｆ.１ ¹²⁷.0.0.1 127.0.0.1%2e \
         %31%32%37.0.0.1 127%2e0%2e0%2e1 127.0.0\u{ad}.1 127.0.0.\u{200b}1 127\u{2060}.1",
    );
    check("link-local", "169。254。169。254 １６９.254.169.254 %E2%91%A069.254.169.254");
    check(
        "not \"localhost",
        "ｌｏｃａｌｈｏｓｔ ⓛocalhost local\u{ad}host %6cocalhost loc%61lhost local%C2%ADhost localhoſt ＬＯＣＡＬＨＯＳＴ。 \
         𝓁ocalhost",
    );
    let malformed = "must be an absolute URL";
    check(
        malformed,
        "[::１] example.com%00.evil.com example%20.com %5b::1%5d 127.0.0.1%2f.example.com a%23b.com % \
         example.com%40127.0.0.1 ℀.com xn--zzzzzzzz- \u{ad}",
    );
}

#[test]
fn names_that_nobody_has_in_public_are_refused() {
    let public = "must have a public host name";
    check(
        public,
        "localhost localhost. LOCALHOST:8443 a.localhost localhost.localdomain printer.local \
         printer.local. metadata.google.internal ip-10-0-0-1.ec2.internal metadata router.home.arpa \
         1.0.0.127.in-addr.arpa intranet com. router.lan wiki.corp nas.home a.onion a.alt a.test \
         a.invalid a.example db.private",
    );
    let host = "must have a host name that is valid in DNS and TLS";
    check(
        host,
        "example..com .example.com example.com.. . $(id).example.com a;b.example.com *.example.com a'b.com \
         foo-.example.com -foo.example.com foo.-example.com",
    );
    check(host, &format!("{}.example.com {}com", "a".repeat(64), "a23456789.".repeat(26)));
}

#[test]
fn other_schemes_ports_and_credentials_are_refused() {
    let check = |reason: &str, urls: &str| urls.split(' ').for_each(|url| check_url(reason, url));
    check(
        "must begin with https://",
        "http://example.com/ HTTP://example.com/ http://8.8.8.8:443/ ftp://example.com/ wss://example.com/ \
         gopher://127.0.0.1:6379/_INFO file:///etc/passwd https:example.com https:/127.0.0.1/ data:,x \
         dict://127.0.0.1:11211/ javascript:alert(1) https:///127.0.0.1/",
    );
    check(
        "must use port 443 or 8443, not",
        "https://example.com:22/ https://example.com:80/ https://example.com:0/ https://8.8.8.8:25/ \
         https://example.com:6379/ https://example.com:9001/ https://[2600::1]:65535/",
    );
    check(
        "user name",
        "https://example.com@127.0.0.1/ https://u:p@example.com/ https://@example.com/ https://a@b@c.com/ \
         https://example.com:443@127.0.0.1/ https://:@169.254.169.254/",
    );
    check("fragment", "https://127.0.0.1#.example.com/ https://example.com/#");
    check(
        "backslashes",
        r"https://example.com\@127.0.0.1/ https:\\127.0.0.1/ https://127.0.0.1\.example.com/",
    );
    check("absolute URL", "//127.0.0.1/ 127.0.0.1 https:// https://example.com:99999/ https://a:b/");
    for text in
        ["https://127.0.0.1 /", "https://127.0.0.1\t/", "https://exa\nmple.com/", "https://a\u{3000}b/"]
    {
        check_url("spaces, control characters", text);
    }
    for text in
        ["https://example.com\0.a.com/", "https://example.com/\r\nHost: a", "\u{1}https://example.com/"]
    {
        check_url("spaces, control characters", text);
    }
}

/// Checks what is dialled for admitted URLs.
#[test]
fn honest_urls_are_admitted() {
    let check = |text: &str, dialled: &str| {
        let admitted = admit(&guard(), text);
        assert_eq!(admitted, Ok(dialled.to_owned()), "{text}");
    };
    check("https://example.com", "https://example.com/");
    check("https://example.com./hooks", "https://example.com./hooks");
    check("https://example.com:443/hooks?tenant=7&a=b", "https://example.com/hooks?tenant=7&a=b");
    check("https://example.com:8443/", "https://example.com:8443/");
    check("HTTPS://Hooks.Example.COM/Path", "https://hooks.example.com/Path");
    check("https://hooks_1.my-shop.co.uk/a/../b", "https://hooks_1.my-shop.co.uk/b");
    check("https://api.example.com/127.0.0.1/@me;x=1", "https://api.example.com/127.0.0.1/@me;x=1");
    check("https://127.0.0.1.nip.io/", "https://127.0.0.1.nip.io/");
    check("https://localhost.example.com/", "https://localhost.example.com/");
    check("https://internal.example.com/", "https://internal.example.com/");
    check("https://例え.jp/hook", "https://xn--r8jz45g.jp/hook");
    check("https://xn--r8jz45g.jp/hook", "https://xn--r8jz45g.jp/hook");
    check("https://bücher.de/", "https://xn--bcher-kva.de/");
    check("https://пример.рф/", "https://xn--e1afmkfd.xn--p1ai/");
    check("https://ｅｘａｍｐｌｅ．ｃｏｍ/", "https://example.com/");
    check("https://3.example.org/", "https://3.example.org/");
    check("https://1e100.net/", "https://1e100.net/");
    check("https://8.8.8.8/", "https://8.8.8.8/");
    check("https://134744072/", "https://8.8.8.8/");
    check("https://172.32.0.1:8443/hook", "https://172.32.0.1:8443/hook");
    check("https://[2606:4700:4700::1111]/", "https://[2606:4700:4700::1111]/");
    check("https://[2600:1F18:0:0::1]:8443/", "https://[2600:1f18::1]:8443/");
    check("https://[64:ff9b::8.8.8.8]/", "https://[64:ff9b::808:808]/");
}

#[test]
fn an_operator_may_let_more_through() {
    let intranet = Guard {
        schemes: "http, https".parse().unwrap(),
        ports: "1-65535".parse().unwrap(),
        allowed_networks: "127.0.0.0/8, 10.1.0.0/16, ::1/128".parse().unwrap(),
    };
    let check = |text: &str, good: bool| assert_eq!(admit(&intranet, text).is_ok(), good, "{text}");
    check("http://127.0.0.1:9000/", true);
    check("http://[::1]:9000/", true);
    check("http://localhost:9000/", true);
    check("http://orders/", true);
    check("https://orders.corp:22/", true);
    check("https://10.1.255.255/", true);
    check("https://example.com/", true);
    check("https://10.2.0.0/", false);
    check("https://169.254.169.254/", false);
    check("https://[::ffff:127.0.0.1]/", false);
    check("https://[::]/", false);
    check("https://0.0.0.0/", false);
    check("https://user@10.1.0.1/", false);
    check("https://a'b/", false);
    check("ftp://10.1.0.1/", false);
}

/// Checks that no text panics or takes long, and that an admitted URL is dialled at an allowed scheme, port and
/// address.
fn holds(text: &str) {
    let started = Instant::now();
    if let Ok(dialled) = admit(&guard(), text) {
        let url = url::Url::parse(&dialled).unwrap();
        assert_eq!(url.scheme(), "https");
        assert!([Some(443), Some(8443)].contains(&url.port_or_known_default()), "{dialled}");
        assert!(url.username().is_empty() && url.password().is_none(), "{dialled}");
        let host = url.host_str().unwrap().trim_matches(['[', ']']);
        assert!(host.parse().map_or(true, |address| guard().check_address(address).is_ok()), "{dialled}");
        assert!(admit(&guard(), &dialled).is_ok(), "{dialled} must be admitted as {text} was");
    }
    assert!(started.elapsed() < Duration::from_secs(1), "{text}");
}

proptest! {
    #[test]
    fn any_text_is_admitted_or_refused(text in any::<String>()) {
        holds(&text);
    }

    #[test]
    fn any_host_is_admitted_or_refused(
        host in r"(?s:.){1,20}|[0-9a-fA-FxX.:\[\]%]{1,40}|[a-z0-9.。．｡%_-]{1,300}|[\x{ff10}-\x{ff5a}0-9.\x{ad}]{1,30}",
        rest in r"(:[0-9]{1,6})?(/.{0,20})?",
    ) {
        holds(&format!("https://{host}{rest}"));
    }
}
