//! Whatever `curl` reports as an answer's status is what is recorded. Needs curl: `cargo test --test system -- --ignored curl::`

use serde_json::{Value, json};
use tokio::process::Command;

use crate::strangers::Stranger;
use crate::time_machine::TimeMachine;

const STATUS_LINES: &[&str] = &[
    "HTTP/1.1 200 OK",
    "HTTP/1.1 200",
    "HTTP/1.1 200 ",
    "HTTP/1.1  200 OK",
    "HTTP/1.1 200-OK",
    "HTTP/1.1 201 \u{e9}",
    "HTTP/1.0 200 OK",
    "HTTP/2 202 OK",
    "http/1.1 200 OK",
    "HTTP/1.1 204 Done",
    "HTTP/1.1 304 Same",
    "HTTP/1.1 301 Moved",
    "HTTP/1.1 404 Where",
    "HTTP/1.1 503 Away",
    "HTTP/1.1 600 Odd",
    "HTTP/1.1 999 Odd",
    "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK",
    "HTTP/1.1 103 Hints\r\nlink: </a>\r\n\r\nHTTP/1.1 103 Hints\r\n\r\nHTTP/1.1 410 Gone",
    "HTTP/1.1 2000 OK",
    "HTTP/1.1 20 OK",
    "HTTP/1.1 099 OK",
    "HTTP/1.1 OK",
    "ICY 200 OK",
    " HTTP/1.1 200 OK",
    "junk",
    "SSH-2.0-OpenSSH_9.2",
    "",
];

const HEADERS: &[&str] = &[
    "content-length: 2\r\n",
    "content-length: 9\r\n",
    "content-length: two\r\n",
    "content-length: -2\r\n",
    "content-length: 2\r\ncontent-length: 5\r\n",
    "transfer-encoding: chunked\r\n",
    "transfer-encoding: bogus\r\n",
    "X-A : 1\r\n",
    "no colon\r\n",
    ": no name\r\n",
    " folded\r\n",
    "x: a\r\n b\r\n",
    "x: a\0b\r\n",
    "\u{e9}: 1\r\n",
    "x: 1\n",
    "content-encoding: gzip\r\n",
    "connection: close\r\n",
    "retry-after: soon\r\n",
];

const ENDS: &[&str] = &["\r\n", "\r\nok", "\r\n2\r\nok\r\n0\r\n\r\n", "\nok", "cut off"];

/// The status that curl reports of a server's answer to a POST; `None` for none.
async fn by_curl(url: &str) -> Option<u16> {
    let mut curl = Command::new("curl");
    curl.args(["--silent", "--output", "/dev/null", "--max-time", "10", "--data", "{}"]);
    let output = curl.args(["--write-out", "%{http_code}", url]).output().await.expect("curl is installed");
    Some(String::from_utf8(output.stdout).unwrap().parse().unwrap()).filter(|code| *code != 0)
}

/// The status that is recorded of an attempt.
async fn by_posthorn(machine: &TimeMachine, number: usize, url: &str) -> Value {
    let event_type = format!("order.{number}");
    machine.register(url, &[&event_type]).await;
    let event = machine.publish(&event_type).await.to_string();
    machine.work().await;
    machine.attempts(&[("event_id", &event)]).await[0]["response_status"].clone()
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs curl, which a machine with Rust alone may not have"]
async fn the_status_that_curl_reports_is_recorded() {
    let machine = TimeMachine::start(&[]).await;
    let mut chance = fastrand::Rng::with_seed(1);
    let mut pick = |from: &[&'static str]| *chance.choice(from).unwrap();
    for (line, status_line) in STATUS_LINES.iter().enumerate() {
        for round in 0..6 {
            let answer = format!("{status_line}\r\n{}{}{}", pick(HEADERS), pick(HEADERS), pick(ENDS));
            let receiver = Stranger::saying(answer.clone()).await;
            let (expected, recorded) =
                (by_curl(&receiver.url).await, by_posthorn(&machine, 6 * line + round, &receiver.url).await);
            assert_eq!(recorded, json!(expected), "{answer:?}");
        }
    }
}
