//! Every kind of answer that an endpoint can give: what is recorded of it, and what follows.

use std::sync::Arc;
use std::time::Duration;

use posthorn_domain::testing::Fixed;
use posthorn_domain::{
    Clock as _, Delivery, DeliveryStatus, Endpoint, EventId, Fields, Guard, Mode, NewEndpoint, Tenant,
};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use crate::decision;
use crate::endpoints::{Finding, Verdict, Watch};
use crate::sending::{Answer, Sender};

/// The timeout of attempts in these tests.
pub(crate) const TIMEOUT: Duration = Duration::from_millis(400);

/// What a server does once a request has arrived.
enum Script {
    /// Sends these bytes and closes.
    Say(&'static str),
    /// Sends these bytes and then nothing more.
    Hang(&'static str),
    /// Sends the first bytes, then repeats the others without end.
    Pour(&'static str, &'static [u8]),
    /// Sends the first bytes, then repeats the others without end, with pauses.
    Drip(&'static str, &'static [u8]),
}

/// Serves one connection. Returns its address.
async fn serve(script: Script) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut request = [0; 16 * 1024];
        let _ = stream.read(&mut request).await;
        let _ = match script {
            Script::Say(answer) => stream.write_all(answer.as_bytes()).await,
            Script::Hang(answer) => {
                let _ = stream.write_all(answer.as_bytes()).await;
                std::future::pending().await
            }
            Script::Pour(head, drop) => {
                let _ = stream.write_all(head.as_bytes()).await;
                while stream.write_all(drop).await.is_ok() {}
                Ok(())
            }
            Script::Drip(head, drop) => {
                let _ = stream.write_all(head.as_bytes()).await;
                while stream.write_all(drop).await.is_ok() {
                    tokio::time::sleep(TIMEOUT / 40).await;
                }
                Ok(())
            }
        };
    });
    address
}

pub(crate) fn endpoint(url: &str) -> Endpoint {
    let json = format!(r#"{{"url": "{url}", "enabled_events": ["*"]}}"#);
    let tenant = Tenant { account: "acct_1".parse().unwrap(), mode: Mode::Live };
    NewEndpoint::read(&mut Fields::parse(&json).unwrap()).unwrap().register(&tenant, Fixed.now(), &Fixed)
}

/// Returns a guard that admits any port, and these networks in addition to public ones.
pub(crate) fn guard(allowed_networks: &str) -> Guard {
    Guard {
        schemes: "http, https".parse().unwrap(),
        ports: "1-65535".parse().unwrap(),
        allowed_networks: allowed_networks.parse().unwrap(),
    }
}

/// Returns a TLS configuration that trusts no certificate.
pub(crate) fn tls() -> ClientConfig {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    builder.unwrap().with_root_certificates(RootCertStore::empty()).with_no_client_auth()
}

async fn post(url: &str) -> Answer {
    let id: EventId = "evt_01JDB5G8Z7M4X3W2V1T0S9R8Q7".parse().unwrap();
    let sender = Sender::new(Arc::new(Fixed), Arc::new(Fixed), TIMEOUT, guard("127.0.0.0/8"), &tls());
    let started = std::time::Instant::now();
    let answer = sender.post(&endpoint(url), id, &"{}".into()).await.unwrap();
    assert!(started.elapsed() < 10 * TIMEOUT, "{url} took {:?}", started.elapsed());
    answer
}

/// The expected result: the recorded status code and error, and the seconds until the next attempt, for which the
/// schedule says 5.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Expected(Option<u16>, Option<&'static str>, Option<i64>);

const DELIVERED: Option<i64> = None;

async fn check_url(what: &str, url: &str, expected: Expected) -> Answer {
    let answer = post(url).await;
    let due = Delivery::due(endpoint(url).id, Fixed.now());
    let after = decision::after(due, answer.clone(), &"5s".parse().unwrap(), None, || 0.5);
    let ended = answer.attempt.at.plus(answer.attempt.duration);
    let wait = after.next_attempt_at.map(|at| (at.as_millis() - ended.as_millis()) / 1000);
    assert_eq!(after.status == DeliveryStatus::Succeeded, wait.is_none(), "{what}");
    let error = answer.attempt.error.map(posthorn_domain::AttemptError::as_str);
    assert_eq!(Expected(answer.attempt.code, error, wait), expected, "{what}");
    answer
}

async fn check(script: Script, expected: Expected) -> Answer {
    use Script::{Drip, Hang, Pour, Say};
    let (Say(what) | Hang(what) | Pour(what, _) | Drip(what, _)) = script;
    let url = format!("http://{}/", serve(script).await);
    check_url(what, &url, expected).await
}

#[tokio::test]
async fn statuses_are_recorded_and_only_2xx_is_an_acknowledgement() {
    use Script::Say;
    check(Say("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"), Expected(Some(200), None, DELIVERED)).await;
    check(Say("HTTP/1.1 204 No Content\r\n\r\n"), Expected(Some(204), None, DELIVERED)).await;
    let elsewhere = "HTTP/1.1 301 Moved\r\nlocation: http://127.0.0.1:1/\r\ncontent-length: 0\r\n\r\n";
    check(Say(elsewhere), Expected(Some(301), None, Some(5))).await;
    let elsewhere = "HTTP/1.1 307 Temporary\r\nlocation: http://127.0.0.1:1/\r\ncontent-length: 0\r\n\r\n";
    check(Say(elsewhere), Expected(Some(307), None, Some(5))).await;
    for (code, answer) in [
        (400, "HTTP/1.1 400 Bad\r\ncontent-length: 0\r\n\r\n"),
        (401, "HTTP/1.1 401 Who\r\ncontent-length: 0\r\n\r\n"),
        (404, "HTTP/1.1 404 Where\r\ncontent-length: 0\r\n\r\n"),
        (408, "HTTP/1.1 408 Late\r\ncontent-length: 0\r\n\r\n"),
        (410, "HTTP/1.1 410 Gone\r\ncontent-length: 0\r\n\r\n"),
        (413, "HTTP/1.1 413 Large\r\ncontent-length: 0\r\n\r\n"),
        (429, "HTTP/1.1 429 Often\r\ncontent-length: 0\r\n\r\n"),
        (500, "HTTP/1.1 500 Oh\r\ncontent-length: 0\r\n\r\n"),
        (502, "HTTP/1.1 502 Bad Gateway\r\ncontent-length: 0\r\n\r\n"),
        (503, "HTTP/1.1 503 Away\r\ncontent-length: 0\r\n\r\n"),
        (504, "HTTP/1.1 504 Slow\r\ncontent-length: 0\r\n\r\n"),
    ] {
        check(Say(answer), Expected(Some(code), None, Some(5))).await;
    }
}

#[tokio::test]
async fn retry_after_is_heeded_in_all_its_forms() {
    use Script::Say;
    let failed = |code, wait| Expected(Some(code), None, Some(wait));
    check(Say("HTTP/1.1 429 A\r\nretry-after: 60\r\ncontent-length: 0\r\n\r\n"), failed(429, 60)).await;
    check(Say("HTTP/1.1 503 A\r\nretry-after: 7.5\r\ncontent-length: 0\r\n\r\n"), failed(503, 7)).await;
    let dated = "HTTP/1.1 503 A\r\nretry-after: Tue, 24 Nov 2026 10:10:00 GMT\r\ncontent-length: 0\r\n\r\n";
    check(Say(dated), failed(503, 600)).await;
    check(Say("HTTP/1.1 400 A\r\nretry-after: 60\r\ncontent-length: 0\r\n\r\n"), failed(400, 60)).await;
    check(Say("HTTP/1.1 429 A\r\nretry-after: 9999999\r\ncontent-length: 0\r\n\r\n"), failed(429, 86_400))
        .await;
    check(Say("HTTP/1.1 429 A\r\nretry-after: soon\r\ncontent-length: 0\r\n\r\n"), failed(429, 5)).await;
    check(Say("HTTP/1.1 429 A\r\nretry-after: 1\r\ncontent-length: 0\r\n\r\n"), failed(429, 5)).await;
}

#[tokio::test]
async fn what_never_becomes_an_answer_is_recorded_with_the_reason() {
    use Script::{Hang, Say};
    let failed = |error| Expected(None, Some(error), Some(5));
    check(Hang(""), failed("timeout")).await;
    check(Hang("HTTP/1.1 200 OK\r\n"), failed("timeout")).await;
    check(Say(""), failed("protocol")).await;
    check(Say("SSH-2.0-OpenSSH_9.2\r\n"), failed("protocol")).await;
    check(Say("\u{0}\u{1}\u{2}garbage"), failed("protocol")).await;
    let refused = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    check_url("refused", &format!("http://{refused}/"), failed("connection")).await;
    let plain = serve(Say("HTTP/1.1 200 OK\r\n\r\n")).await;
    check_url("no TLS", &format!("https://{plain}/"), failed("tls")).await;
    check_url("no name", "http://nobody.invalid/", failed("dns")).await;
}

#[tokio::test]
async fn a_body_that_does_not_end_is_bounded_in_time_and_size() {
    use Script::{Hang, Pour, Say};
    let incomplete = |code, due| Expected(Some(code), Some("body_incomplete"), due);
    let stalled = "HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhalf";
    assert_eq!(check(Hang(stalled), incomplete(200, DELIVERED)).await.body, "half");
    assert_eq!(check(Say(stalled), incomplete(200, DELIVERED)).await.body, "half");
    let stalled = "HTTP/1.1 500 Oh\r\ncontent-length: 9\r\n\r\nhalf";
    assert_eq!(check(Hang(stalled), incomplete(500, Some(5))).await.body, "half");
    let endless = "HTTP/1.1 500 Oh\r\ncontent-type: text/plain\r\n\r\n";
    let answer = check(Pour(endless, &[b'x'; 4096]), Expected(Some(500), None, Some(5))).await;
    assert_eq!(answer.body, "x".repeat(1024));
    let endless = "HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\n\r\n";
    check(Pour(endless, &[b'x'; 4096]), Expected(Some(200), None, DELIVERED)).await;
}

#[tokio::test]
async fn an_answer_that_comes_in_drops_is_cut_off_when_its_time_is_up() {
    use Script::Drip;
    let timeout = Expected(None, Some("timeout"), Some(5));
    check(Drip("", b"H"), Expected(None, Some("protocol"), Some(5))).await;
    for head in ["HTTP/1.1 200 ", "HTTP/1.1 200 OK\r\nx: "] {
        check(Drip(head, b"O"), timeout).await;
    }
    check(Drip("HTTP/1.1 200 OK\r\n", b"x: y\r\n"), timeout).await;
    check(Drip("", b"HTTP/1.1 100 Continue\r\n\r\n"), timeout).await;
    let chunked = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";
    let incomplete = Expected(Some(200), Some("body_incomplete"), DELIVERED);
    for body in ["HTTP/1.1 200 OK\r\ncontent-length: 99\r\n\r\n", "HTTP/1.1 200 OK\r\n\r\n"] {
        check(Drip(body, b"z"), incomplete).await;
    }
    check(Drip(chunked, b"1\r\nz\r\n"), incomplete).await;
}

#[tokio::test]
async fn what_frames_an_answer_is_bounded_in_size() {
    use Script::Pour;
    let endless = Expected(None, Some("protocol"), Some(5));
    check(Pour("HTTP/1.1 200 ", &[b'O'; 4096]), endless).await;
    check(Pour("HTTP/1.1 200 OK\r\n", &[b'x'; 4096]), endless).await;
    check(Pour("HTTP/1.1 200 OK\r\nx: ", &[b'y'; 4096]), endless).await;
    check(Pour("HTTP/1.1 200 OK\r\n", b"x: y\r\n"), endless).await;
    check(Pour("", b"HTTP/1.1 103 Early Hints\r\n\r\n"), endless).await;
    let chunked = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";
    let incomplete = Expected(Some(200), Some("body_incomplete"), DELIVERED);
    check(Pour(chunked, b"1;x=y"), incomplete).await;
    check(Pour(chunked, &[b'0'; 4096]), incomplete).await;
    let trailers = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n0\r\n";
    check(Pour(trailers, b"x: y\r\n"), incomplete).await;
}

#[tokio::test]
async fn an_answer_is_neither_decoded_nor_taken_up_on_its_offers() {
    use Script::{Pour, Say};
    let gzip = "HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: 5\r\n\r\nplain";
    assert_eq!(check(Say(gzip), Expected(Some(200), None, DELIVERED)).await.body, "plain");
    let upgrade = "HTTP/1.1 101 Switching\r\nconnection: upgrade\r\nupgrade: x\r\n\r\n";
    check(Pour(upgrade, &[b'z'; 4096]), Expected(Some(101), None, Some(5))).await;
}

#[tokio::test]
async fn gone_is_the_end_of_the_endpoint() {
    let url =
        format!("http://{}/", serve(Script::Say("HTTP/1.1 410 Gone\r\ncontent-length: 0\r\n\r\n")).await);
    let (endpoint, answer) = (endpoint(&url), post(&url).await);
    let delivery = Delivery::due(endpoint.id, Fixed.now());
    let verdict =
        Watch::default().observe(&endpoint, &Finding::of(answer.attempt, &delivery), &answer, Fixed.now());
    assert_eq!(verdict, Some(Verdict::Disable(posthorn_domain::DisabledReason::Gone)));
}
