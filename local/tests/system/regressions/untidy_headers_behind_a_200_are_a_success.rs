//! A PHP application printed `X-Request-Id : 7`, with a space before the colon; another sent a hundred cookies. Both had
//! handled the event, and `curl` showed them a 200. The sender's strict parser retried for three days, then disabled them.

use super::{attempt_at, check};
use crate::strangers::Stranger;
use crate::time_machine::TimeMachine;

/// Each line is what stands behind the status line of a 200.
const UNTIDY: &str = r"X-A : 1\r\ncontent-length: 2\r\n\r\nok
no colon\r\ncontent-length: 2\r\n\r\nok
: no name\r\ncontent-length: 2\r\n\r\nok
 folded, behind nothing\r\ncontent-length: 2\r\n\r\nok
X-A: 1\r\n folded\r\ncontent-length: 2\r\n\r\nok
X-A: nul \0 inside\r\ncontent-length: 2\r\n\r\nok
X-é: 1\r\ncontent-length: 2\r\n\r\nok
content-length: 2\n\nok
content-length: 2, 2\r\ncontent-length: 2\r\n\r\nok
transfer-encoding: bogus\r\n\r\nok
content-encoding: gzip\r\ncontent-length: 2\r\n\r\nok";

/// The same, where nobody knows where the body ends.
const UNCLEAR: &str = r"content-length: two\r\n\r\nok
content-length: -2\r\n\r\nok
content-length: 2\r\ncontent-length: 5\r\n\r\nok
transfer-encoding: chunked\r\n\r\nok";

#[tokio::test(flavor = "multi_thread")]
async fn untidy_headers_behind_a_200_are_a_success() {
    let machine = TimeMachine::start(&[]).await;
    for (all, error) in [(UNTIDY, None), (UNCLEAR, Some("body_incomplete"))] {
        for behind in all.lines() {
            let behind = behind.replace(r"\r", "\r").replace(r"\n", "\n").replace(r"\0", "\0");
            let receiver = Stranger::saying(format!("HTTP/1.1 200 OK\r\n{behind}")).await;
            check(&attempt_at(&machine, &receiver.url).await, "succeeded", Some(200), error);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_and_one_headers_behind_a_200_are_a_success() {
    let machine = TimeMachine::start(&[]).await;
    let answer = format!("HTTP/1.1 200 OK\r\n{}content-length: 0\r\n\r\n", "a: b\r\n".repeat(100));
    let receiver = Stranger::saying(answer).await;
    check(&attempt_at(&machine, &receiver.url).await, "succeeded", Some(200), None);
}
