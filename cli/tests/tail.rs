//! `posthorn tail`, run as its users run it, beside the laptop system.

#![allow(clippy::unwrap_used, reason = "a test may fail")]

mod support;

use std::process::Stdio;
use std::time::Duration;

use http::StatusCode;
use posthorn_local::Receiver;
use serde_json::json;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::Command;
use tokio::time::timeout;

use support::{PATIENCE, System};

#[tokio::test(flavor = "multi_thread")]
async fn tail_prints_each_attempt_once_as_it_happens() {
    let system = System::start(Duration::ZERO).await;
    let good = Receiver::start(0, |_, _| StatusCode::NO_CONTENT).await.unwrap();
    let bad = Receiver::start(0, |_, _| StatusCode::SERVICE_UNAVAILABLE).await.unwrap();
    for url in [&good.url, &bad.url] {
        let endpoint = json!({ "url": url, "enabled_events": ["order.paid"] });
        system.post("/api/webhook-endpoints", &endpoint).await;
    }
    let before = system.publish(1).await;
    system.until_recorded(&before[0]).await;

    let mut command = Command::new(env!("CARGO_BIN_EXE_posthorn"));
    command.args(["tail", "--api-url", &system.http]).env_clear().kill_on_drop(true);
    let mut tail = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut said = BufReader::new(tail.stderr.take().unwrap()).lines();
    let ready = timeout(PATIENCE, said.next_line()).await.expect("it begins").unwrap().unwrap();
    assert!(ready.contains("Ready"), "{ready}");
    let mut printed = BufReader::new(tail.stdout.take().unwrap()).lines();
    let ids = system.publish(3).await;
    // The retry of the event that was there before may come in between: five seconds after the first attempt.
    let (mut succeeded, mut failed) = (Vec::new(), Vec::new());
    while succeeded.len() < 3 || failed.len() < 3 {
        let line =
            timeout(PATIENCE, printed.next_line()).await.expect("an attempt is printed").unwrap().unwrap();
        if line.contains(&before[0]) {
            assert!(line.contains("failed 503"), "{line}");
            continue;
        }
        let of = if line.contains("succeeded 204") { &mut succeeded } else { &mut failed };
        let id = ids.iter().find(|id| line.contains(*id)).unwrap_or_else(|| panic!("{line}"));
        of.push(id.clone());
    }
    for mut printed in [succeeded, failed] {
        printed.sort();
        printed.dedup();
        assert_eq!(printed.len(), 3, "each once");
    }
}
